import type { Aggregator } from "./aggregator.ts";
import { choose, NO_ANSWER } from "./ballot.ts";

/** The answer of the chain with the most tokens, of those that have an answer. No paper's method: a baseline. */
export const longest: Aggregator = {
  name: "longest",
  key: "longest (not in the paper)",
  confidence: null,
  scored: null,
  choose: (ballots) => choose(ballots, "heaviest", ({ key, tokens }) => (key === null ? NO_ANSWER : tokens)),
};
