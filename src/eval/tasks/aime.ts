// AIME 2024 and 2025: 30 problems a year of the American Invitational Mathematics Examination.
//
// Protocol: zero-shot, step by step, the answer in a box; a whole number from 0 to 999, graded as a number (033 is 33).
// With 30 problems one run is unsure by 9 points: take the mean of many chains, or votes over all their subsets, as
// here (lm-eval grades one greedy reply). Base models get lm-eval's "Question: .. Answer:".
// Source: Mathematical Association of America. Files: {"prompt" or "problem" or "question", "answer"} a line.

import { badFile } from "../../base/errors.ts";
import type { Published } from "./data/find.ts";
import type { Row } from "./data/rows.ts";
import { questionItem, questionItems } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import { askForBox, extractReply, gradeAnswer, type Item } from "./task.ts";

const yearOf = (year: number, published: Published): TaskRecipe => ({
  name: `aime${year - 2000}`,
  kind: "vote",
  summary: `AIME ${year}: 30 competition problems, answers from 0 to 999`,
  source: `Mathematical Association of America; on the Hub ${published.hub.map((at) => at.repository).join(", ")}`,
  protocol: "zero-shot, step by step, the answer in a box; numbers are compared",
  data: published.files[0],
  settings: {},
  make: () => ({
    kind: "vote",
    items: (options) => questionItems(published, options, aimeItem),
    ask: ({ question }, style) =>
      style === "chat"
        ? { prompt: askForBox(question), maxTokens: MOST_TOKENS }
        : { prompt: { raw: `Question: ${question}\nAnswer:` }, maxTokens: MOST_TOKENS, stop: ["Question:"] },
    extract: extractReply,
    grade: gradeAnswer,
  }),
});

/** What reasoning models are measured with. */
const MOST_TOKENS = 32_768;

function aimeItem(row: Row, index: number): Item {
  const item = questionItem(row, index);
  if (!/^\d{1,3}$/.test(item.gold))
    throw badFile(
      `${row.where}: expected an answer of AIME, a whole number from 0 to 999, got ${item.gold.slice(0, 60)}`,
    );
  return item;
}

export const aime24 = yearOf(2024, {
  files: ["aime24.jsonl", "aime_2024_problems.jsonl"],
  hub: [
    { repository: "HuggingFaceH4/aime_2024", file: /^data\/train-.*\.parquet$/ },
    { repository: "Maxwell-Jia/AIME_2024", file: /\.jsonl$/ },
  ],
});

export const aime25 = yearOf(2025, {
  files: ["aime25.jsonl"],
  hub: [
    { repository: "math-ai/aime25", file: /\.(?:jsonl|parquet)$/ },
    { repository: "yentinglin/aime_2025", file: /\.parquet$/ },
  ],
});
