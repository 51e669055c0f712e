import { once, PROMPT_SETTINGS } from "./once.ts";
import type { Recipe } from "./policy.ts";

/**
 * Observed attention (H2O's score without its bias to old keys): mean probability over
 * the prompt's queries that saw the key.
 */
export const observed: Recipe = {
  name: "observed",
  summary: "keeps the keys with the most attention per query that saw them",
  paper: "https://arxiv.org/abs/2306.14048",
  watches: "attention of all prompt queries",
  acts: "at the prompt's end only: no rule while decoding",
  budgets: ["budget", "cr"],
  settings: PROMPT_SETTINGS,
  make(_model, options) {
    return once("observed", options, [{ kind: "mean" }], { watch: { sums: true } });
  },
};
