import { budgetOf, KEEP_ALL, keyOf, refuse, sizeKey, WATCH_NOTHING, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * H2O, Heavy-Hitter Oracle (arXiv 2306.14048): keeps the `recent` newest keys and the heaviest others by accumulated
 * attention, A_j = sum over the group's heads and every query that ran while j lived of p_ij (softmax over live keys).
 */
export const h2o: Recipe = {
  name: "h2o",
  summary: "keeps the keys with the most attention so far, and the most recent ones",
  paper: "https://arxiv.org/abs/2306.14048",
  watches: "attention of all queries",
  acts: "at the prompt's end, then every token",
  budgets: ["budget", "cr"],
  settings: { recent: "half of the budget", protect: "none" },
  make(_model, options) {
    const keys = budgetOf("h2o", options, "tokens");
    const recent = options.recent === undefined ? 0.5 : whole("h2o", options, "recent", 1);
    if (options.budget !== undefined && recent >= options.budget)
      throw refuse("h2o", `recent below the budget of ${options.budget}`, recent);
    return {
      ...KEEP_ALL,
      name: "h2o",
      key: keyOf("h2o", { ...sizeKey(options), recent }),
      cut: {
        watch: { ...WATCH_NOTHING, sums: true, row: "group" },
        atPrompt: [],
        decode: { every: 1, score: [] },
        rule: { slack: 1, recent, share: "lane", floor: 0, replace: true },
        budget: keys,
        protect: 0,
      },
    };
  },
};
