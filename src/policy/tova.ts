import { HyperthinkError } from "../base/errors.ts";
import type { Policy, Recipe } from "./policy.ts";

/**
 * TOVA, Token Omission Via Attention (arXiv 2401.06104): while more than B keys live, evicts the key with the least probability
 * under the newest query, mean over all query heads of the layer. The newest key competes too. Dense prefill, cut at its end.
 */
export const tova: Recipe = {
  name: "tova",
  summary: "evicts the key that the newest query attends to least (fixed budget of keys a lane)",
  paper: "https://arxiv.org/abs/2401.06104",
  make(_model, options): Policy {
    const budget =
      options.budget ?? (options.cr && options.tokens ? Math.ceil(options.tokens / options.cr) : undefined);
    if (budget === undefined)
      throw new HyperthinkError(
        "bad-argument",
        "policy tova needs a budget: expected --budget KEYS or --cr RATIO, got neither",
      );
    if (!Number.isInteger(budget) || budget < 1)
      throw new HyperthinkError(
        "bad-argument",
        `policy tova: the budget must be a whole number of keys >= 1, got ${budget}`,
      );
    return {
      name: "tova",
      key: `tova budget ${budget}`,
      watches: "weights",
      prefill: "dense",
      labels: null,
      cut: ({ pass, lanes, layer, steps, scores }) => pass.evict(lanes, layer, steps, scores, budget),
    };
  },
};
