// MMLU: 14,042 questions of 57 subjects, four options each.
//
// Protocol: five worked examples, the first of the subject's dev split, then "Answer:", as its authors and lm-eval have
// it. `mmlu` takes the option whose letter is likeliest (" A" to " D"); `mmlu-gen` has the letter written: a base model
// continues the same text, a chat model is asked zero-shot with simple-evals' prompt. All questions count alike; a mean
// over subjects is another number.
// Source: arXiv 2009.03300. Files: mmlu.zip as published (data/dev, data/test, one CSV a subject, without headers).

import { askForLetter, extractLetter, firstLetter, gradeLetter, LETTERS, type OptionItem } from "./choices.ts";
import { mmluSubjects } from "./mmlu-data.ts";
import { someOf } from "./questions.ts";
import type { Setting, TaskRecipe } from "./recipe.ts";
import type { ChoiceItem, ItemOptions, VoteWork } from "./task.ts";

const SOURCE = "arXiv 2009.03300; on the Hub cais/mmlu";
const SETTINGS: Record<string, Setting> = { shots: { about: "worked examples", default: 5, least: 0, most: 5 } };

export const mmlu: TaskRecipe = {
  name: "mmlu",
  kind: "loglikelihood",
  summary: "MMLU: questions of 57 subjects, the likeliest letter of four",
  source: SOURCE,
  protocol: "5-shot from dev; the log-likelihood of the letters",
  data: "mmlu.zip",
  settings: SETTINGS,
  make: ({ shots }) => ({
    kind: "loglikelihood",
    items: async (options) => (await shownItems(options, shots)).map(choiceItem),
  }),
};

export const mmluGen: TaskRecipe = {
  name: "mmlu-gen",
  kind: "vote",
  summary: "MMLU: the same questions, the letter written",
  source: SOURCE,
  protocol: "base models 5-shot from dev, chat models zero-shot, step by step (simple-evals)",
  data: "mmlu.zip",
  settings: SETTINGS,
  make: ({ shots }): VoteWork<Shown> => ({
    kind: "vote",
    items: (options) => shownItems(options, shots),
    ask: (item, style) =>
      style === "chat"
        ? { prompt: askForLetter(item), maxTokens: 4096 }
        : { prompt: { raw: item.shown }, maxTokens: 8, stop: ["\n"] },
    extract: (item, reply) => (reply.style === "chat" ? extractLetter(item, reply) : firstLetter(item, reply)),
    grade: gradeLetter,
  }),
};

/** A question, and the text of it after the worked examples. */
interface Shown extends OptionItem {
  shown: string;
}

async function shownItems(options: ItemOptions, shots: number): Promise<Shown[]> {
  const items: Shown[] = [];
  for (const [name, { dev, test }] of await mmluSubjects(options)) {
    const examples = dev.slice(0, shots).map((item) => `${asked(item)} ${item.gold}\n\n`);
    const before = `The following are multiple choice questions (with answers) about ${name.replaceAll("_", " ")}.\n\n${examples.join("")}`;
    for (const [i, item] of test.entries()) items.push({ ...item, id: `${name}/${i}`, shown: before + asked(item) });
  }
  return someOf(items, options);
}

const asked = ({ question, options }: OptionItem): string =>
  `${question}\n${options.map((option, i) => `${LETTERS[i]}. ${option}`).join("\n")}\nAnswer:`;

const choiceItem = ({ id, shown, options, gold, group }: Shown): ChoiceItem => ({
  id,
  context: shown,
  choices: options.map((_, i) => ` ${LETTERS[i]}`),
  right: LETTERS.indexOf(gold),
  group,
});
