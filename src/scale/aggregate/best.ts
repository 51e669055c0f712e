import type { Aggregator } from "./aggregator.ts";
import { type Ballot, choose, NO_ANSWER } from "./ballot.ts";

/** Why a chain that was to be scored has no vote. */
export const unscored = ({ fault }: Ballot): string => fault ?? "it has no score";

/** Chains with an answer; where none has one (programs, prose), all that ended by themselves. */
export function answering(ballots: readonly Ballot[]): readonly Ballot[] {
  const answered = ballots.filter(({ key }) => key !== null);
  return answered.length > 0 ? answered : ballots.filter(({ finished }) => finished);
}

/** Best of n: the chain that a verifier scores highest (Cobbe et al., arXiv 2110.14168); of equal ones, the first. */
export const best: Aggregator = {
  name: "best",
  key: "best",
  confidence: null,
  scored: answering,
  choose(ballots) {
    const asked = new Set(answering(ballots));
    return choose(ballots, "heaviest", (ballot) =>
      asked.has(ballot) ? (ballot.score ?? unscored(ballot)) : NO_ANSWER,
    );
  },
};
