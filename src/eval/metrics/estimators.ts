// What a run of W chains a problem says about a run of k. `docs/metrics.md` has the formulas.

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import type { ProblemChains } from "./chain.ts";
import { gradedMajAtK, type Score, type SubsetOptions, scoreOf } from "./majority.ts";

/** avg@W: the mean score of chains, which is that of a run of any k. Abstentions and failures count, as 0. */
export const averageScore = (problems: readonly ProblemChains[]): Score =>
  scoreOf(problems.map(({ chains }) => mean(chains.map(({ score }) => score))));

/**
 * maj@k: the expected score of what wins a vote of k chains, over all k-subsets (`gradedMajAtK`). Throws `bad-argument`
 * unless every problem has k chains.
 */
export const majorityAtK = (problems: readonly ProblemChains[], k: number, options?: SubsetOptions): Score =>
  gradedMajAtK(
    problems.map(({ chains }) => ({
      keys: chains.map(({ key }) => key),
      grades: new Map(chains.flatMap(({ key, score }) => (key === null ? [] : [[key, score]]))),
    })),
    k,
    options,
  );

/**
 * pass@k: the chance that at least one of k chains is right (a score of 1), without bias (Chen et al., arXiv
 * 2107.03374, equation 1). null, undefined, where a problem has fewer than k chains.
 */
export function passAtK(problems: readonly ProblemChains[], k: number): Score | null {
  const shares = problems.map(({ chains }) =>
    passChance(chains.length, chains.filter(({ score }) => score === 1).length, k),
  );
  return shares.includes(null) ? null : scoreOf(shares as number[]);
}

/** pass@all: the share of problems that any of their chains solves. */
export const passAtAll = (problems: readonly ProblemChains[]): Score =>
  scoreOf(problems.map(({ chains }) => Number(chains.some(({ score }) => score === 1))));

/**
 * 1 - C(n - c, k) / C(n, k), of n chains of which c are right; null where n < k. Throws `bad-argument` where these
 * numbers are none.
 */
export function passChance(n: number, c: number, k: number): number | null {
  if (!([n, c, k].every(Number.isInteger) && k >= 1 && c >= 0 && c <= n))
    throw badArgument(`pass@k needs k from 1, and 0 to n right chains; got n ${n}, right ${c}, k ${k}`);
  if (n < k) return null;
  if (n - c < k) return 1;
  let none = 1;
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i;
  return 1 - none;
}
