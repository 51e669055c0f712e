import { badArgument } from "../../base/errors.ts";
import type { Aggregator } from "./aggregator.ts";
import { choose, NO_ANSWER } from "./ballot.ts";
import { unscored } from "./best.ts";

export interface WeightedVote {
  /** 1: a vote weighs 1 / (1 + e^-score), for rewards that are logits. */
  sigmoid: 0 | 1;
}

/**
 * Best of n, weighted: votes weigh as much as a verifier scores their chains (voting verifier, Li et al., arXiv
 * 2206.02336). A score below 0 is no weight: it would make more chains worse than fewer. Throws
 * `bad-argument`.
 */
export function byScore({ sigmoid = 0 }: Partial<WeightedVote> = {}): Aggregator {
  if (sigmoid !== 0 && sigmoid !== 1) throw badArgument(`weighted: expected sigmoid to be 0 or 1, got ${sigmoid}`);
  return {
    name: "weighted",
    key: `weighted sigmoid=${sigmoid}`,
    confidence: null,
    scored: (ballots) => ballots.filter(({ key }) => key !== null),
    choose: (ballots) =>
      choose(ballots, "sum", (ballot) => {
        if (ballot.key === null) return NO_ANSWER;
        const score = ballot.score ?? null;
        if (score === null) return unscored(ballot);
        if (sigmoid === 1) return 1 / (1 + Math.exp(-score));
        return score >= 0
          ? score
          : `its score ${score} is below 0, which is no weight: weighted:sigmoid=1 makes one of it`;
      }),
  };
}
