import { ONCE_SETTINGS, once } from "./once.ts";
import { refuse, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * Random eviction (arXiv 2609.03430), the control that every method must beat: keeps sinks and recent keys, and others
 * uniformly per head; `protect` prompt keeps the prompt as well.
 */
export const random: Recipe = {
  name: "random",
  summary: "keeps keys at random (the control)",
  paper: "https://arxiv.org/abs/2609.03430",
  watches: "nothing",
  acts: "at the prompt's end; with `every`, while decoding too",
  budgets: ["budget", "cr"],
  settings: { sinks: "4", recent: "8", seed: "0", ...ONCE_SETTINGS },
  make(_model, options) {
    const sinks = whole("random", options, "sinks", 4);
    const recent = whole("random", options, "recent", 8);
    if (options.budget !== undefined && options.budget < sinks + recent)
      throw refuse("random", `a budget of at least sinks + recent = ${sinks + recent} keys`, options.budget);
    const seed = whole("random", options, "seed", 0);
    return once("random", options, [{ kind: "random", seed }], { recent, sinks, settings: { sinks, recent, seed } });
  },
};
