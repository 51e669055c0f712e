// RULER's common words: a numbered list in which ten words stand more often than the others.
//
// Protocol: the ten stand 30 times each and the others 3 times (below 4096 tokens: 6 and 1), after one worked example
// on a shorter list; the score is the share of the ten that the reply has. Different here: the words are a list of our
// own (nearly 780 common ones, then compounds of two), each problem's order is its own (RULER shuffles all alike).
// Source: arXiv 2404.06654; github.com/NVIDIA/RULER (Apache-2.0), scripts/data/synthetic/common_words_extraction.py.

import { type Seeded, shuffled } from "../../base/rng.ts";
import type { TaskRecipe } from "./recipe.ts";
import { type ListItem, listWork, WORD } from "./ruler/listed.ts";
import { madeItems } from "./ruler/made.ts";
import { differentWords } from "./ruler/words.ts";
import { LENGTH } from "./ruler-needles.ts";

const COMMON = 10;

/** How often common and other words stand, and different words of the example. */
const LONG = { common: 30, other: 3, example: { words: 40, common: 10, other: 3 } };
const SHORT = { common: 6, other: 1, example: { words: 20, common: 3, other: 1 } };

export const commonWords: TaskRecipe = {
  name: "common-words",
  kind: "vote",
  summary: "RULER: the ten words that stand most often in a list",
  source: "arXiv 2404.06654; github.com/NVIDIA/RULER",
  protocol: "one worked example; the share of the ten that the reply has",
  data: null,
  settings: { length: LENGTH },
  make: ({ length }) =>
    listWork((options) => {
      const shape = length < 4096 ? SHORT : LONG;
      return madeItems(
        {
          task: "common-words",
          purpose: 0xc0320001,
          length,
          replyTokens: 120,
          least: COMMON + 1,
          most: 1 << 15,
          guess: Math.ceil(length / 5 / shape.other),
          make: (rng, size) => problem(rng, size, shape),
        },
        options,
      );
    }),
};

function problem(rng: Seeded, size: number, shape: typeof LONG): Omit<ListItem, "id" | "maxTokens"> {
  const { words, common, other } = shape.example;
  const example = listed(rng, differentWords(rng, words), common, other);
  const all = differentWords(rng, size);
  const shown = example.common.map((word, i) => `${i + 1}. ${word}`).join(" ");
  const { question, common: asked } = listed(rng, all, shape.common, shape.other);
  return {
    question: `${example.question}${PREFIX} ${shown}\n${question}`,
    prefix: PREFIX,
    gold: asked.join(", "),
    words: asked,
    among: new Set(all),
    pattern: WORD,
  };
}

const PREFIX = " Answer: The top 10 words that appear most often in the list are:";

function listed(rng: Seeded, words: readonly string[], often: number, seldom: number) {
  const times = (list: readonly string[], n: number) => list.flatMap((word) => new Array<string>(n).fill(word));
  const common = words.slice(0, COMMON);
  const all = shuffled(rng, [...times(common, often), ...times(words.slice(COMMON), seldom)]);
  return {
    common,
    question:
      "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that " +
      `appear most often.\n${all.map((word, i) => `${i + 1}. ${word}`).join(" ")}\n` +
      "Question: What are the 10 most common words in the above list?",
  };
}
