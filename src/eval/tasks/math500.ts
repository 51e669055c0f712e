// MATH-500: 500 problems of the MATH test set, those that Lightman et al. held out.
//
// Protocol: zero-shot, step by step, the answer in a box; equality of mathematics where a grader is given, else of what
// is equal on sight. kvpress compares the text in the first "boxed{" up to the first "}" ; the vote's extraction takes
// the last balanced box. Base models are asked zero-shot, too: Minerva's four examples are not used.
// Source: arXiv 2103.03874 (MATH), 2305.20050 (the 500). Files: {"problem", "answer", "unique_id", "subject"} a line.

import { badFile } from "../../base/errors.ts";
import { answerKey } from "../../scale/key.ts";
import { optionalField, textField, valueField } from "./data/fields.ts";
import type { Row } from "./data/rows.ts";
import { questionItems } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import { askForBox, extractReply, gradeAnswer, type Item } from "./task.ts";

const PUBLISHED = {
  files: ["math500.jsonl", "test.jsonl"],
  hub: [{ repository: "HuggingFaceH4/MATH-500", file: /^test\.jsonl$/ }],
};

const MOST_TOKENS = 32_768;

export const math500: TaskRecipe = {
  name: "math500",
  kind: "vote",
  summary: "MATH-500: competition mathematics of five levels, answers in LaTeX",
  source: "arXiv 2103.03874 and 2305.20050; on the Hub HuggingFaceH4/MATH-500",
  protocol: "zero-shot, step by step, the answer in a box; equal mathematics",
  data: PUBLISHED.files[0],
  settings: {},
  make: () => ({
    kind: "vote",
    items: (options) => questionItems(PUBLISHED, options, mathItem),
    ask: ({ question }, style) =>
      style === "chat"
        ? { prompt: askForBox(question), maxTokens: MOST_TOKENS }
        : { prompt: { raw: `Problem:\n${question}\n\nSolution:` }, maxTokens: 2048, stop: ["Problem:"] },
    extract: extractReply,
    grade: gradeAnswer,
  }),
};

function mathItem(row: Row, index: number): Item {
  const gold = valueField(row, "answer");
  if (answerKey(gold) === "")
    throw badFile(`${row.where}: expected an answer that a reply can equal, got ${JSON.stringify(gold.slice(0, 60))}`);
  const subject = optionalField(row, "subject");
  return {
    id: optionalField(row, "unique_id") ?? String(index),
    question: textField(row, "problem", "question", "prompt"),
    gold,
    ...(subject !== null && { group: subject }),
  };
}
