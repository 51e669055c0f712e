import { ONCE_SETTINGS, once } from "./once.ts";
import type { Recipe } from "./policy.ts";

/**
 * KeyDiff (arXiv 2504.15364): keeps the keys that are least like the others: score =
 * -cos(k, mean of the normalised keys).
 */
export const keydiff: Recipe = {
  name: "keydiff",
  summary: "keeps the keys that differ most from the mean key",
  paper: "https://arxiv.org/abs/2504.15364",
  watches: "keys",
  acts: "at the prompt's end; with `every`, while decoding too",
  budgets: ["budget", "cr"],
  settings: ONCE_SETTINGS,
  make: (_model, options) => once("keydiff", options, [{ kind: "difference" }], {}),
};
