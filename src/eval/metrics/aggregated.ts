// What other aggregators than the majority would have chosen of fewer chains, from a run of more.

import type { Aggregator } from "../../scale/aggregate/aggregator.ts";
import type { Ballot } from "../../scale/aggregate/ballot.ts";
import { meanOverSubsets, type Score, type SubsetOptions, scoreOf } from "./majority.ts";

/** The chains of one problem, and grades from 0 to 1 of their answers by key; a key without one has 0. */
export interface GradedBallots {
  ballots: readonly Ballot[];
  grades: ReadonlyMap<string, number>;
}

/**
 * The expected grade of what `aggregator` chooses of k chains, over subsets as `meanOverSubsets` takes them; where it
 * chooses nothing, 0. Of `majority` it is maj@k. Throws `bad-argument` unless every problem has k chains.
 */
export const aggregatedAtK = (
  problems: readonly GradedBallots[],
  k: number,
  aggregator: Aggregator,
  options?: SubsetOptions,
): Score =>
  scoreOf(
    problems.map(({ ballots, grades }) => {
      const chains = ballots.toSorted((a, b) => a.chain - b.chain);
      const grade = (subset: readonly number[]) => {
        const { key } = aggregator.choose(subset.map((i) => chains[i]));
        return key === null ? 0 : (grades.get(key) ?? 0);
      };
      return meanOverSubsets(chains.length, k, grade, options);
    }),
  );
