import type { Aggregator } from "./aggregator.ts";
import { choose, NO_ANSWER } from "./ballot.ts";

/** One vote a chain; of equal groups, the one with the lowest chain wins, as in `Vote`. */
export const majority: Aggregator = {
  name: "majority",
  key: "majority",
  confidence: null,
  scored: null,
  choose: (ballots) => choose(ballots, "sum", ({ key }) => (key === null ? NO_ANSWER : 1)),
};
