import { HyperthinkError } from "../base/errors.ts";
import { ONCE_SETTINGS, once } from "./once.ts";
import type { PolicyOptions, Recipe } from "./policy.ts";

/** Methods that rank by the prompt alone have no rule for later tokens. */
export function refuseEvery(name: string, options: PolicyOptions): void {
  if (!options.every) return;
  throw new HyperthinkError(
    "bad-argument",
    `policy ${name} has no rule while decoding: expected no \`every\`, got ${options.every}; use snapkv, knorm, keydiff or random`,
  );
}

const { every: _, ...SETTINGS } = ONCE_SETTINGS;
/** Settings of methods that cut only once. */
export const PROMPT_SETTINGS = SETTINGS;

/** Observed attention (H2O's score without its bias to old keys): mean probability over the prompt's queries that saw the key. */
export const observed: Recipe = {
  name: "observed",
  summary: "keeps the keys with the most attention per query that saw them",
  paper: "https://arxiv.org/abs/2306.14048",
  watches: "attention of all prompt queries",
  acts: "at the prompt's end only: no rule while decoding",
  budgets: ["budget", "cr"],
  settings: PROMPT_SETTINGS,
  make(_model, options) {
    refuseEvery("observed", options);
    return once("observed", options, [{ kind: "mean" }], { watch: { sums: true } });
  },
};
