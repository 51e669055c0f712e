import { badArgument } from "../../base/errors.ts";
import type { Aggregator } from "./aggregator.ts";
import { choose } from "./ballot.ts";
import { unscored } from "./best.ts";

export interface PassAll {
  /** The score from which a chain passes. */
  least: number;
}

/**
 * pass@all: one chain that passes a check is enough (arXiv 2506.05345, for programs); the first of them is chosen, and
 * none where none passes. Throws `bad-argument`.
 */
export function passAll({ least = 1 }: Partial<PassAll> = {}): Aggregator {
  if (!Number.isFinite(least)) throw badArgument(`pass: expected least to be a number, got ${least}`);
  return {
    name: "pass",
    key: `pass least=${least}`,
    confidence: null,
    scored: (ballots) => ballots, // whether an answer could be read or not: a check reads the text
    choose: (ballots) =>
      choose(ballots, "heaviest", (ballot) => {
        const score = ballot.score ?? null;
        if (score === null) return unscored(ballot);
        return score >= least ? 1 : `it does not pass: its score is ${score}`;
      }),
  };
}
