// How sure a measured accuracy is, and what a vote of fewer chains would have reached.

import { badArgument } from "../base/errors.ts";
import { mean } from "../base/mean.ts";
import { seeded } from "../base/rng.ts";

/** A mean and the ends of its 95% interval. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
}

const Z = 1.959963984540054; // two-sided 95% of the standard normal

/**
 * Wilson's interval of a proportion: honest near 0 and 1, where the normal one leaves [0, 1].
 * Throws `bad-argument` for no trials.
 */
export function wilson(successes: number, trials: number): Interval {
  if (!(trials >= 1 && successes >= 0 && successes <= trials))
    throw badArgument(`successes out of at least one trial, got ${successes} of ${trials}`);
  const mean = successes / trials;
  const shrink = 1 + Z ** 2 / trials;
  const middle = (mean + Z ** 2 / (2 * trials)) / shrink;
  const half = (Z * Math.sqrt((mean * (1 - mean)) / trials + Z ** 2 / (4 * trials ** 2))) / shrink;
  // Rounding must not push the ends past what is certain.
  return { mean, low: successes === 0 ? 0 : middle - half, high: successes === trials ? 1 : middle + half };
}

/**
 * Mean of b - a over problems, paired: what both find hard cancels. Normal interval from the differences' own spread.
 * Throws `bad-argument` for unequal lengths or fewer than two problems.
 */
export function pairedDifference(a: readonly number[], b: readonly number[]): Interval {
  const differences = paired(a, b);
  const middle = mean(differences);
  const variance = differences.reduce((sum, d) => sum + (d - middle) ** 2, 0) / (differences.length - 1);
  const half = Z * Math.sqrt(variance / differences.length);
  return { mean: middle, low: middle - half, high: middle + half };
}

/**
 * The same by bootstrap: percentiles 2.5 and 97.5 of the mean over `resamples` draws of the problems with replacement.
 */
export function pairedBootstrap(
  a: readonly number[],
  b: readonly number[],
  { seed = 0, resamples = 10_000 }: { seed?: number; resamples?: number } = {},
): Interval {
  const differences = paired(a, b);
  if (!(Number.isInteger(resamples) && resamples >= 100))
    throw badArgument(`percentiles need at least 100 resamples, got ${resamples}`);
  const rng = seeded(seed);
  const n = differences.length;
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[rng.below(n)];
    return sum / n;
  }).sort();
  const at = (q: number) => means[Math.round(q * (resamples - 1))];
  return { mean: mean(differences), low: at(0.025), high: at(0.975) };
}

function paired(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length || a.length < 2)
    throw badArgument(`a paired interval needs the same problems twice, at least two; got ${a.length} and ${b.length}`);
  return b.map((value, i) => value - a[i]);
}

/** What W chains said to one problem: keys by chain index (null: abstained), and the right key. */
export interface Answers {
  keys: readonly (string | null)[];
  correct: string;
}

export interface Score {
  mean: number;
  perProblem: number[]; // in the order of the problems, so that two scores can be paired
}

/** Mean share of chains that are right; one that abstains is wrong. */
export function avgAt1(problems: readonly Answers[]): Score {
  return score(problems.map(({ keys, correct }) => keys.filter((key) => key === correct).length / keys.length));
}

/**
 * The chance that a vote of k chains is right, the k drawn from a run's W without replacement: an
 * unbiased estimate of a run of k, with the tie rule of `Vote` within the subset. Abstentions never vote;
 * a subset without a winner is wrong.
 *
 * Counted over all subsets, without listing them, where that takes at most `work` multiplications a problem (W = 128
 * does by far); else the mean of `subsets` seeded random ones. Throws `bad-argument` unless 1 <= k <= W.
 */
export function majAtK(
  problems: readonly Answers[],
  k: number,
  { seed = 0, subsets = 2000, work = 5e7 }: { seed?: number; subsets?: number; work?: number } = {},
): Score {
  const rng = seeded(seed);
  return score(
    problems.map(({ keys, correct }) => {
      if (!(Number.isInteger(k) && k >= 1 && k <= keys.length))
        throw badArgument(`maj@k needs 1 <= k <= ${keys.length}, the chains of a problem; got ${k}`);
      const right = keys.filter((key) => key === correct).length;
      // Per first right chain and count: one product of polynomials, whose work is at most W k.
      if (right * Math.min(right, k) * keys.length * k <= work && keys.length <= 1000) return counted(keys, correct, k);
      let won = 0;
      for (let i = 0; i < subsets; i++) won += Number(winner(subset(keys.length, k, rng.below), keys) === correct);
      return won / subsets;
    }),
  );
}

const score = (perProblem: number[]): Score => {
  if (perProblem.length === 0) throw badArgument("a score needs at least one problem");
  return { mean: mean(perProblem), perProblem };
};

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
