import { budgetOf, KEEP_ALL, keyOf, sizeKey } from "./options.ts";
import type { Recipe } from "./policy.ts";

/** Layers that Quest reads whole: their attention is too flat for pages. */
const DENSE_LAYERS = 2;

/**
 * Quest (arXiv 2406.10774): evicts nothing and reads less. Of each page of 16 keys the channel-wise least and
 * greatest are kept; a query reads the last page and those with the highest bound sum_d max(q_d least_d, q_d
 * greatest_d), summed over the group.
 */
export const quest: Recipe = {
  name: "quest",
  summary: "reads only the most promising pages; evicts nothing, so memory is not saved",
  paper: "https://arxiv.org/abs/2406.10774",
  watches: "bounds of each page",
  acts: "every token while decoding; reads only",
  budgets: ["budget", "cr"],
  settings: {},
  note: "Each query reads max(3, budget / 16) pages of 16 keys, the last one among them, in layers from 2 on. Its CR is one of reads: bounds count as two reads a page.",
  make(_model, options) {
    return {
      ...KEEP_ALL,
      name: "quest",
      key: keyOf("quest", sizeKey(options)),
      reads: { archivePosition: null, pages: { budget: budgetOf("quest", options, "tokens"), from: DENSE_LAYERS } },
    };
  },
};
