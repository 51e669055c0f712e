import { ONCE_SETTINGS, once } from "./once.ts";
import type { Recipe } from "./policy.ts";

/** Knorm (arXiv 2406.11430): keys of small norm draw attention; keeps the smallest: score = -||k||. */
export const knorm: Recipe = {
  name: "knorm",
  summary: "keeps the keys of smallest norm",
  paper: "https://arxiv.org/abs/2406.11430",
  watches: "keys",
  acts: "at the prompt's end; with `every`, while decoding too",
  budgets: ["budget", "cr"],
  settings: ONCE_SETTINGS,
  make: (_model, options) => once("knorm", options, [{ kind: "norm" }], {}),
};
