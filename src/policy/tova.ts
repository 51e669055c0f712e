import { budgetOf, KEEP_ALL, keyOf, refuse, sizeKey, WATCH_NOTHING, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * TOVA, Token Omission Via Attention (arXiv 2401.06104): while more than B keys live, evicts the key with the
 * least probability under the newest query, mean over all query heads of the layer. The newest key competes
 * too (`recent` 1 forces it to stay).
 */
export const tova: Recipe = {
  name: "tova",
  summary: "evicts the key that the newest query attends to least",
  paper: "https://arxiv.org/abs/2401.06104",
  watches: "attention of the newest query",
  acts: "at the prompt's end, then every token",
  budgets: ["budget", "cr"],
  settings: { recent: "0", protect: "none" },
  make(_model, options) {
    const recent = whole("tova", options, "recent", 0);
    if (options.budget !== undefined && options.budget < recent)
      throw refuse("tova", `a budget of at least recent = ${recent} keys`, options.budget);
    return {
      ...KEEP_ALL,
      name: "tova",
      key: keyOf("tova", { ...sizeKey(options), recent }),
      cut: {
        watch: { ...WATCH_NOTHING, queries: 1, row: "layer" },
        atPrompt: [{ kind: "attention", queries: 1, over: "all", group: "layer", smooth: "mean", kernel: 1 }],
        decode: { every: 1, score: [] },
        rule: { slack: 1, recent, share: "lane", floor: 0, replace: true },
        budget: budgetOf("tova", options, "tokens"),
        protect: 0,
      },
    };
  },
};
