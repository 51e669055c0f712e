// How sure a measured mean is.

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import { seeded } from "../../base/rng.ts";

/** A mean and the ends of its 95% interval. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/** How a bootstrap is drawn. */
export interface Resampling {
  seed?: number;
  /** Draws of all problems with replacement, default 10,000. */
  resamples?: number;
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

/** The same by bootstrap over problems. Throws `bad-argument` as `bootstrap` does. */
export function pairedBootstrap(a: readonly number[], b: readonly number[], resampling: Resampling = {}): Interval {
  return bootstrapMean(paired(a, b), resampling);
}

function paired(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length || a.length < 2)
    throw badArgument(`a paired interval needs the same problems twice, at least two; got ${a.length} and ${b.length}`);
  return b.map((value, i) => value - a[i]);
}

/** The mean of problems' values, with its interval by bootstrap over problems. */
export function bootstrapMean(values: readonly number[], resampling: Resampling = {}): Interval {
  const { low, high } = bootstrap(values.length, (drawn) => meanAt(values, drawn), resampling);
  return { mean: mean(values), low, high };
}

/** The mean of the values at these indices, each as often as it is there. */
export function meanAt(values: readonly number[], indices: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < indices.length; i++) sum += values[indices[i]];
  return sum / indices.length;
}

/**
 * The mean of problems' scores in [0, 1]. Wilson's interval where each is all or nothing, or where they do not differ
 * at all, so that there is no spread to draw from; else by bootstrap over problems.
 */
export function scoreInterval(scores: readonly number[], resampling: Resampling = {}): Interval {
  const whole = scores.every((score) => score === 0 || score === 1);
  if (!whole && scores.some((score) => score !== scores[0])) return bootstrapMean(scores, resampling);
  const middle = mean(scores);
  return { ...wilson(Math.round(middle * scores.length), scores.length), mean: middle };
}

/** Percentiles 2.5 and 97.5; `undefinedDraws`: how many had no value, the percentiles are of the others. */
export interface Percentiles {
  low: number;
  high: number;
  undefinedDraws: number;
}

/**
 * Percentiles of a statistic of problems, over draws of as many problems with replacement. `statistic`: of the indices
 * drawn, valid until it returns; null where it is undefined there. Percentiles are NaN where it always is. Throws
 * `bad-argument` for no problems, or fewer than 100 draws.
 */
export const bootstrap = (
  problems: number,
  statistic: (drawn: Int32Array) => number | null,
  resampling: Resampling = {},
): Percentiles => bootstrapAll(problems, 1, (drawn) => [statistic(drawn)], resampling)[0];

/** The same for `count` statistics of the same draws. */
export function bootstrapAll(
  problems: number,
  count: number,
  statistics: (drawn: Int32Array) => readonly (number | null)[],
  { seed = 0, resamples = 10_000 }: Resampling = {},
): Percentiles[] {
  if (!(problems >= 1)) throw badArgument("an interval needs at least one problem");
  if (!(Number.isInteger(resamples) && resamples >= 100))
    throw badArgument(`percentiles need at least 100 resamples, got ${resamples}`);
  const draws = drawsOf(problems, seed, resamples);
  const values: number[][] = Array.from({ length: count }, () => []);
  for (let r = 0; r < resamples; r++) {
    const found = statistics(draws(r));
    for (let i = 0; i < count; i++) if (found[i] !== null) values[i].push(found[i]!);
  }
  return values.map((defined) => {
    const sorted = Float64Array.from(defined).sort();
    const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))] ?? Number.NaN;
    return { low: at(0.025), high: at(0.975), undefinedDraws: resamples - sorted.length };
  });
}

const MOST_KEPT = 1 << 24;
let kept = { problems: 0, seed: 0, drawn: new Int32Array(0) };

/** Draw r, for ascending r: all statistics of one run take the same, so the last ones are kept while they are few. */
function drawsOf(problems: number, seed: number, resamples: number): (r: number) => Int32Array {
  const rng = seeded(seed);
  const fill = (drawn: Int32Array<ArrayBuffer>) => {
    for (let i = 0; i < drawn.length; i++) drawn[i] = rng.below(problems);
    return drawn;
  };
  const length = problems * resamples;
  if (length > MOST_KEPT) {
    const drawn = new Int32Array(problems);
    return () => fill(drawn);
  }
  if (kept.problems !== problems || kept.seed !== seed || kept.drawn.length < length)
    kept = { problems, seed, drawn: fill(new Int32Array(length)) };
  const { drawn } = kept;
  return (r) => drawn.subarray(r * problems, (r + 1) * problems);
}
