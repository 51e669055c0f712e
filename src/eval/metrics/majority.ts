// What a vote of fewer chains would have reached, from a run of more.

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import { seeded } from "../../base/rng.ts";

/** What W chains said to one problem: keys by chain index (null: abstained), and the right key. */
export interface Answers {
  keys: readonly (string | null)[];
  correct: string;
}

/** The same where answers have grades from 0 to 1 by key; a key without one has 0. */
export interface Graded {
  keys: readonly (string | null)[];
  grades: ReadonlyMap<string, number>;
}

export interface Score {
  mean: number;
  perProblem: number[]; // in the order of the problems, so that two scores can be paired
}

/** How subsets are drawn where there are too many to count. */
export interface SubsetOptions {
  seed?: number;
  /** Random ones a problem, default 2000. */
  subsets?: number;
  /** Most multiplications a problem that exact counting may take; default 5e7, W = 128 takes less by far. */
  work?: number;
}

/** The mean of problems' scores. Throws `bad-argument` where there is none. */
export const scoreOf = (perProblem: number[]): Score => {
  if (perProblem.length === 0) throw badArgument("a score needs at least one problem");
  return { mean: mean(perProblem), perProblem };
};

/** Mean share of chains that are right; one that abstains is wrong. */
export function avgAt1(problems: readonly Answers[]): Score {
  return scoreOf(problems.map(({ keys, correct }) => keys.filter((key) => key === correct).length / keys.length));
}

/**
 * The chance that a vote of k chains is right, the k drawn from a run's W without replacement: an
 * unbiased estimate of a run of k, with the tie rule of `Vote` within the subset. Abstentions never vote;
 * a subset without a winner is wrong.
 *
 * Counted over all subsets, without listing them, where that takes at most `work` multiplications a problem; else the
 * mean of `subsets` seeded random ones. Throws `bad-argument` unless 1 <= k <= W.
 */
export const majAtK = (problems: readonly Answers[], k: number, options: SubsetOptions = {}): Score =>
  gradedMajAtK(
    problems.map(({ keys, correct }) => ({ keys, grades: new Map([[correct, 1]]) })),
    k,
    options,
  );

/** The same for answers with grades: the expected grade of the winner. */
export function gradedMajAtK(problems: readonly Graded[], k: number, options: SubsetOptions = {}): Score {
  const { seed = 0, subsets = 2000, work = 5e7 } = options;
  const rng = seeded(seed);
  return scoreOf(
    problems.map(({ keys, grades }) => {
      checkSize(keys.length, k);
      const worth = [...new Set(keys)].filter((key) => key !== null && (grades.get(key) ?? 0) > 0) as string[];
      if (keys.length <= 1000 && worth.reduce((sum, key) => sum + workOf(keys, key, k), 0) <= work)
        return worth.reduce((sum, key) => sum + grades.get(key)! * counted(keys, key, k), 0);
      let won = 0;
      for (let i = 0; i < subsets; i++) {
        const key = winner(subset(keys.length, k, rng.below), keys);
        won += key === null ? 0 : (grades.get(key) ?? 0);
      }
      return won / subsets;
    }),
  );
}

/**
 * The mean of any measure of k of W chains, over all k-subsets where there are at most `subsets`, else over so many
 * seeded random ones: what another aggregator than the majority would have reached. `measure`: of ascending chains.
 */
export function meanOverSubsets(
  W: number,
  k: number,
  measure: (chains: readonly number[]) => number,
  { seed = 0, subsets = 2000 }: SubsetOptions = {},
): number {
  checkSize(W, k);
  let sum = 0;
  if (binomials(W)(W, k) <= subsets) {
    let count = 0;
    for (const chains of allSubsets(W, k)) {
      sum += measure(chains);
      count++;
    }
    return sum / count;
  }
  const rng = seeded(seed);
  for (let i = 0; i < subsets; i++) sum += measure(subset(W, k, rng.below));
  return sum / subsets;
}

function checkSize(W: number, k: number): void {
  if (!(Number.isInteger(k) && k >= 1 && k <= W))
    throw badArgument(`maj@k needs 1 <= k <= ${W}, the chains of a problem; got ${k}`);
}

/** Multiplications that `counted` takes: per first right chain and count, one product of polynomials of at most W k. */
function workOf(keys: readonly (string | null)[], right: string, k: number): number {
  const count = keys.filter((key) => key === right).length;
  return count * Math.min(count, k) * keys.length * k;
}

/**
 * Share of all k-subsets that `correct` wins. Fix the first right chain f and the count c of right
 * ones: c - 1 come from those after f, and every rival group gives fewer than c chains, or c of them
 * all after f (ties go to the lower first).
 */
function counted(keys: readonly (string | null)[], correct: string, k: number): number {
  const choose = binomials(keys.length);
  const rivals = [...new Set(keys)].filter((key) => key !== null && key !== correct);
  const chains = (key: string | null) => keys.flatMap((other, i) => (other === key ? [i] : []));
  const right = chains(correct);
  const groups = rivals.map(chains);
  const silent = chains(null).length;
  let won = 0;
  for (const [at, first] of right.entries()) {
    const later = right.length - at - 1;
    for (let c = 1; c <= Math.min(k, later + 1); c++) {
      let ways = Array.from({ length: k - c + 1 }, (_, j) => choose(silent, j)); // by chains taken
      for (const group of groups) {
        const after = group.filter((chain) => chain > first).length;
        ways = times(
          ways,
          Array.from({ length: Math.min(c, group.length) + 1 }, (_, j) => choose(j < c ? group.length : after, j)),
        );
      }
      won += choose(later, c - 1) * ways[k - c];
    }
  }
  return won / choose(keys.length, k);
}

/** The product of two polynomials, cut to the length of the first. */
function times(a: readonly number[], b: readonly number[]): number[] {
  return a.map((_, n) => {
    let sum = 0;
    for (let j = 0; j <= Math.min(n, b.length - 1); j++) sum += a[n - j] * b[j];
    return sum;
  });
}

/** n over k for n up to `most`, in floats: a relative error near 1e-13, and C(1000, 500) still fits. */
function binomials(most: number): (n: number, k: number) => number {
  const rows = [Float64Array.of(1)];
  for (let n = 1; n <= most; n++)
    rows.push(Float64Array.from({ length: n + 1 }, (_, k) => (rows[n - 1][k - 1] ?? 0) + (rows[n - 1][k] ?? 0)));
  return (n, k) => (k > n ? 0 : rows[n][k]);
}

/** k of 0 .. n - 1, ascending: Floyd's sampling. */
function subset(n: number, k: number, below: (n: number) => number): number[] {
  const taken = new Set<number>();
  for (let top = n - k; top < n; top++) {
    const i = below(top + 1);
    taken.add(taken.has(i) ? top : i);
  }
  return [...taken].sort((a, b) => a - b);
}

/** All of them, in the order of a counter. */
function* allSubsets(n: number, k: number): Generator<number[]> {
  const chosen = Array.from({ length: k }, (_, i) => i);
  for (;;) {
    yield [...chosen];
    let at = k - 1;
    while (at >= 0 && chosen[at] === n - k + at) at--;
    if (at < 0) return;
    chosen[at]++;
    for (let i = at + 1; i < k; i++) chosen[i] = chosen[i - 1] + 1;
  }
}

/**
 * The key with most of the chains, which are ascending; the first met wins a tie, and that one has the lowest chain.
 */
function winner(chains: readonly number[], keys: readonly (string | null)[]): string | null {
  const counts = new Map<string, number>();
  for (const chain of chains) {
    const key = keys[chain];
    if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let best: string | null = null;
  for (const [key, count] of counts) if (best === null || count > counts.get(best)!) best = key;
  return best;
}
