// GSM8K: 1,319 word problems of grade-school arithmetic.
//
// Protocol: base models continue the eight worked examples of Wei et al. (arXiv 2201.11903, table 20; lm-eval's
// gsm8k_cot), "Q: .. A: ..", greedy in the field's tables; chat models are asked zero-shot, the answer in a box. Graded
// as numbers. lm-eval's two filters (strict: "The answer is N."; flexible: the last number) are one here: the vote's
// extraction, which abstains where no number is the whole answer.
// Source: arXiv 2110.14168. Files: {"question", "answer"} a line, where an answer ends with "#### N".

import { EXAMPLES } from "./gsm8k-examples.ts";
import { questionItems } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import { askForBox, extractReply, gradeAnswer } from "./task.ts";

const PUBLISHED = {
  files: ["gsm8k_test.jsonl", "test.jsonl"],
  hub: [{ repository: "openai/gsm8k", file: /^main\/test-.*\.parquet$/ }],
};

export const gsm8k: TaskRecipe = {
  name: "gsm8k",
  kind: "vote",
  summary: "GSM8K: word problems of grade-school arithmetic",
  source: "arXiv 2110.14168; on the Hub openai/gsm8k",
  protocol: "base models 8-shot with the examples of arXiv 2201.11903, chat models zero-shot; numbers are compared",
  data: PUBLISHED.files[0],
  settings: {},
  make: () => ({
    kind: "vote",
    items: (options) => questionItems(PUBLISHED, options),
    ask: ({ question }, style) =>
      style === "chat"
        ? { prompt: askForBox(question), maxTokens: 4096 }
        : { prompt: { raw: `${SHOTS}Q: ${question}\nA:` }, maxTokens: 512, stop: ["Q:"] },
    extract: extractReply,
    grade: gradeAnswer,
  }),
};

const SHOTS = EXAMPLES.map(({ question, answer }) => `Q: ${question}\nA: ${answer}\n\n`).join("");
