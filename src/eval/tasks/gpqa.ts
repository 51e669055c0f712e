// GPQA Diamond: 198 questions of biology, physics and chemistry that experts answer and others do not, four options
// each.
//
// Protocol: zero-shot with the prompt of simple-evals (chat) or lm-eval's (base models); the last line names a letter.
// The options are shuffled by seed and question, alike for all chains of a problem, so that these can vote
// (simple-evals shuffles anew for each repetition). A random choice is right in 25%.
// Source: arXiv 2311.12022. File: gpqa_diamond.csv, which its authors ask nobody to publish as plain text: none of it
// is here. Read are the columns "Question", "Correct Answer", "Incorrect Answer 1" to 3, "Record ID", "High-level
// domain".

import { seeded, shuffled } from "../../base/rng.ts";
import { askForLetter, extractLetter, firstLetter, gradeLetter, LETTERS, type OptionItem } from "./choices.ts";
import { optionalField, valueField } from "./data/fields.ts";
import { findData } from "./data/find.ts";
import { type Row, readRows } from "./data/rows.ts";
import { distinct, someOf } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import type { ItemOptions, VoteWork } from "./task.ts";

const PUBLISHED = {
  files: ["gpqa_diamond.csv"],
  hub: [{ repository: "Idavidrein/gpqa", file: /^gpqa_diamond\.csv$/ }],
};

export const gpqa: TaskRecipe = {
  name: "gpqa",
  kind: "vote",
  summary: "GPQA Diamond: graduate-level questions with four options, shuffled by seed",
  source: "arXiv 2311.12022; on the Hub Idavidrein/gpqa (by request)",
  protocol: "zero-shot, step by step, the last line names a letter (simple-evals)",
  data: PUBLISHED.files[0],
  settings: {},
  make: (): VoteWork<OptionItem> => ({
    kind: "vote",
    items,
    ask: (item, style) =>
      style === "chat"
        ? { prompt: askForLetter(item), maxTokens: 32_768 }
        : { prompt: { raw: continued(item) }, maxTokens: 8, stop: ["\n"] },
    extract: (item, reply) => (reply.style === "chat" ? extractLetter(item, reply) : firstLetter(item, reply)),
    grade: gradeLetter,
  }),
};

async function items(options: ItemOptions): Promise<OptionItem[]> {
  const file = await findData(PUBLISHED, options);
  const rows = await readRows(file);
  return someOf(
    distinct(
      file,
      rows.map((row, index) => itemOf(row, index, options.seed ?? 0)),
    ),
    options,
  );
}

const SHUFFLE = 0x69a00001;

function itemOf(row: Row, index: number, seed: number): OptionItem {
  const right = valueField(row, "correct answer").trim();
  const wrong = [1, 2, 3].map((n) => valueField(row, `incorrect answer ${n}`).trim());
  const order = shuffled(seeded(seed, SHUFFLE, index), [0, 1, 2, 3]);
  const group = optionalField(row, "high-level domain");
  return {
    id: optionalField(row, "record id") ?? String(index),
    question: valueField(row, "question").trim(),
    options: order.map((i) => [right, ...wrong][i]),
    gold: LETTERS[order.indexOf(0)],
    ...(group !== null && { group }),
  };
}

const continued = ({ question, options }: OptionItem): string =>
  `What is the correct answer to this question:${question}\nChoices:\n${options
    .map((option, i) => `(${LETTERS[i]}) ${option}`)
    .join("\n")}\nAnswer:`;
