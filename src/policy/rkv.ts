import {
  budgetOf,
  KEEP_ALL,
  keyOf,
  MOST_QUERIES,
  odd,
  real,
  refuse,
  sizeKey,
  WATCH_NOTHING,
  whole,
} from "./options.ts";
import type { Recipe } from "./policy.ts";

/** Cosine above which a key is a duplicate of a newer one. */
const SIMILAR = 0.5;

/**
 * R-KV (arXiv 2505.24133): when budget + buffer keys live, keeps the last w and the best others by lambda *
 * importance - (1 - lambda) * redundancy. Importance: attention of the last w queries, scores maxed over the
 * group, softmax over the other keys, mean over queries, max pooling. Redundancy: mean cosine to all keys, each
 * row's newest duplicate spared, softmax.
 */
export const rkv: Recipe = {
  name: "rkv",
  summary: "keeps important keys that are no duplicates of newer ones, whenever a buffer is full (R-KV)",
  paper: "https://arxiv.org/abs/2505.24133",
  watches: "the last queries and all keys",
  acts: "at the prompt's end and while decoding, when budget + buffer keys live",
  budgets: ["budget", "cr"],
  settings: { window: "8", kernel: "7", buffer: "128", lambda: "0.1", protect: "none" },
  make(_model, options) {
    const window = whole("rkv", options, "window", 8, 1, MOST_QUERIES);
    const kernel = odd("rkv", options, 7);
    const buffer = whole("rkv", options, "buffer", 128, 1);
    const lambda = real("rkv", options, "lambda", 0.1, 0, 1);
    if (options.budget !== undefined && options.budget < window)
      throw refuse("rkv", `a budget of at least its window of ${window} keys`, options.budget);
    const score = [
      { kind: "attention", queries: window, over: "others", group: "max", smooth: "max", kernel },
      { kind: "redundancy", weight: lambda, similar: SIMILAR },
    ] as const;
    return {
      ...KEEP_ALL,
      name: "rkv",
      key: keyOf("rkv", { ...sizeKey(options), window, kernel, buffer, lambda }),
      cut: {
        watch: { ...WATCH_NOTHING, queries: window },
        atPrompt: score,
        decode: { every: 1, score },
        rule: { slack: buffer, recent: window, share: "lane", floor: 0, replace: false },
        budget: budgetOf("rkv", options, "tokens"),
        protect: 0,
      },
    };
  },
};
