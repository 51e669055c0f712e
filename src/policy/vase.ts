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

/**
 * VaSE, Value-aware Stochastic Eviction (arXiv 2606.03928), its form AttnV: when budget + w keys live, keeps the last
 * w, the large * budget others whose values have the largest range, max_d v_d - min_d v_d (the sinks count among them),
 * and others drawn without return in proportion to SnapKV's score: attention of the last w queries, softmax over the
 * keys before them, mean over queries, average pooling of width `kernel`, mean over the group.
 */
export const vase: Recipe = {
  name: "vase",
  summary: "keeps the keys of the largest values, and draws the others by their attention (VaSE-AttnV)",
  paper: "https://arxiv.org/abs/2606.03928",
  watches: "the last queries and all values",
  acts: "while decoding, when budget + window keys live",
  budgets: ["budget", "cr"],
  settings: {
    window: "64; newest keys that stay, queries that rank, keys between two cuts",
    large: "0.25; share of the budget for the largest values, sinks among them",
    kernel: "5",
    sinks: "4",
    seed: "0",
    protect: "none",
  },
  note:
    "From the authors' code (github.com/terarachang/VaSE, range_sink_sample_attn); of the paper's text only summaries were " +
    "found. As there, a value's size is its range, no norm, and a prompt stays whole until the first token after it. Here " +
    "a cut comes when budget + window keys live, there when their number is a multiple of the window: the same for " +
    "budgets that are one and prompts that fit them. Here pooling runs along positions, there along a cache that cuts have " +
    "put out of order. The numbers by which keys are drawn are a function of seed, newest position, layer, head and the " +
    "key's position: chains of one prompt have equal ones. Budgets near the window leave room for little else; lower it " +
    "with them. The paper's other form, VaSE-DKV (products of randomly projected norms), is not built.",
  make(_model, options) {
    const window = whole("vase", options, "window", 64, 1, MOST_QUERIES);
    const large = real("vase", options, "large", 0.25, 0, 1);
    const kernel = odd("vase", options, 5);
    const sinks = whole("vase", options, "sinks", 4);
    const seed = whole("vase", options, "seed", 0);
    if (options.budget !== undefined && options.budget <= window)
      throw refuse("vase", `a budget above its window of ${window} keys (or a smaller window)`, options.budget);
    const score = [
      { kind: "attention", queries: window, over: "others", group: "mean", smooth: "mean", kernel },
      { kind: "draw", seed },
      { kind: "range", part: large, recent: window },
    ] as const;
    return {
      ...KEEP_ALL,
      name: "vase",
      key: keyOf("vase", { ...sizeKey(options), window, large, kernel, sinks, seed }),
      cut: {
        watch: { ...WATCH_NOTHING, queries: window },
        atPrompt: null,
        decode: { every: 1, score },
        rule: { slack: window, recent: window, share: "lane", floor: 0, replace: false },
        budget: budgetOf("vase", options, "tokens"),
        protect: sinks,
      },
    };
  },
};
