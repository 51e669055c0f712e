// Needle in a haystack: one number in a long text, over a grid of lengths and depths.
//
// Protocol: RULER's single needle (a 7-digit number for a word) in essays, at even depths from the beginning to the end
// and even lengths in tokens, prompt and reply together. Graded by whether the reply has the number; Kamradt's original
// asks about a sandwich in San Francisco and has a model judge, kvpress takes ROUGE. Each problem's essays begin at
// another sentence. The lengths are of the model's own tokens, its chat template included. A limit on problems never
// repeats the grid: more of them are more lengths or depths.
// Source: github.com/gkamradt/LLMTest_NeedleInAHaystack; arXiv 2404.06654.

import type { TaskRecipe } from "./recipe.ts";
import { essaySentences } from "./ruler/haystack.ts";
import { type ListItem, listWork } from "./ruler/listed.ts";
import { madeItem } from "./ruler/made.ts";
import { needleRecipe } from "./ruler/needles.ts";

export const needle: TaskRecipe = {
  name: "needle",
  kind: "vote",
  summary: "one number hidden in essays, over a grid of lengths and depths",
  source: "github.com/gkamradt/LLMTest_NeedleInAHaystack; arXiv 2404.06654 (RULER)",
  protocol: "RULER's single needle; the reply has the number",
  data: "a folder of .txt files, or haystack in it",
  settings: {
    from: { about: "shortest length in tokens", default: 2048, least: 128, most: 1 << 22 },
    to: { about: "longest", default: 4096, least: 128, most: 1 << 22 },
    lengths: { about: "lengths, evenly apart", default: 4, least: 1, most: 64 },
    depths: { about: "depths, from the beginning to the end", default: 4, least: 1, most: 64 },
    essays: { about: "1: essays; 0: RULER's repeated noise", default: 1, least: 0, most: 1 },
  },
  make: ({ from, to, lengths, depths, essays }) =>
    listWork(async (options) => {
      const haystack = essays ? await essaySentences(options.data) : "noise";
      const count = Math.min(options.count ?? Infinity, lengths * depths);
      const items: ListItem[] = [];
      for (let i = 0; i < count; i++) {
        const [row, column] = [Math.floor(i / depths), i % depths];
        const length = lengths === 1 ? to : Math.round(from + ((to - from) * row) / (lengths - 1));
        const depth = depths === 1 ? 0.5 : column / (depths - 1);
        const shape = { ...ONE, haystack, length, depth } as const;
        items.push({
          ...(await madeItem(needleRecipe(shape), i, options)),
          group: `${length}/${Math.round(100 * depth)}%`,
        });
      }
      return items;
    }),
};

const ONE = { task: "needle", keys: 1, values: 1, queries: 1, uuids: false } as const;
