// All aggregators by name.

import { badArgument } from "../../base/errors.ts";
import type { Aggregator, AggregatorRecipe, Settings } from "./aggregator.ts";
import { best } from "./best.ts";
import { byConfidence } from "./confidence.ts";
import { longest } from "./longest.ts";
import { majority } from "./majority.ts";
import { CONFIDENCE, MEASURES } from "./measure.ts";
import { passAll } from "./pass.ts";
import { byScore } from "./weighted.ts";

export const aggregatorRecipes: readonly AggregatorRecipe[] = [
  {
    name: "majority",
    summary: "one vote a chain; the only one that can be certain of its winner, and stop, before all chains have ended",
    source: "self-consistency, arXiv 2203.11171",
    settings: {},
    make: () => majority,
  },
  {
    name: "confidence",
    summary: "votes weigh as much as the model was sure of their chains",
    source: "DeepConf, arXiv 2508.15260",
    settings: {
      measure: `how sure, by the log-probabilities of the k likeliest tokens: ${MEASURES.join(", ")} (default bottom: the least sure tenth of the windows)`,
      top: "share of the chains that vote, the surest ones (default 1: all; the paper tries 0.1 and 0.9)",
      k: `likeliest tokens of a step (default ${CONFIDENCE.k})`,
      window: `tokens of a window, and of the tail (default ${CONFIDENCE.window}; a shorter chain is one window)`,
    },
    make: (settings) => byConfidence(settings),
  },
  {
    name: "best",
    summary: "best of n: the chain that a verifier scores highest",
    source: "arXiv 2110.14168",
    settings: {},
    make: () => best,
  },
  {
    name: "weighted",
    summary: "votes weigh as much as a verifier scores their chains, from 0 up",
    source: "voting verifier, arXiv 2206.02336",
    settings: { sigmoid: "1: through 1 / (1 + e^-score), for rewards below 0 too (default 0)" },
    make: (settings) => byScore(settings),
  },
  {
    name: "pass",
    summary: "pass@all: the first chain that a verifier passes, for answers that can be checked",
    source: "arXiv 2506.05345",
    settings: { least: "score from which a chain passes (default 1)" },
    make: (settings) => passAll(settings),
  },
  {
    name: "longest",
    summary: "the answer of the chain with the most tokens, a baseline",
    source: "not in the paper",
    settings: {},
    make: () => longest,
  },
];

/** Of `name` or `name:setting=value,...`, as in `confidence:measure=tail,top=0.1`. Throws `bad-argument`. */
export function makeAggregator(spec: string): Aggregator {
  const [name, ...rest] = spec.split(":");
  const recipe = aggregatorRecipes.find((each) => each.name === name.trim());
  if (!recipe)
    throw badArgument(
      `unknown aggregator "${name}": expected one of ${aggregatorRecipes.map((each) => each.name).join(", ")}`,
    );
  return recipe.make(settingsOf(recipe, rest.length > 0 ? rest.join(":").split(",") : []));
}

function settingsOf({ name, settings }: AggregatorRecipe, parts: readonly string[]): Settings {
  const found: Record<string, string | number> = {};
  for (const part of parts) {
    const [, key, value] = /^ *([a-z]+) *= *([^ =]+) *$/.exec(part) ?? [];
    if (key === undefined || !Object.hasOwn(settings, key))
      throw badArgument(
        `aggregator ${name}: expected ${name}:setting=value,... with ${Object.keys(settings).join(", ") || "no settings"}, got "${part}"`,
      );
    if (Object.hasOwn(found, key)) throw badArgument(`aggregator ${name}: expected ${key} once, got it twice`);
    found[key] = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : value;
  }
  return found;
}
