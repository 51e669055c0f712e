// Perplexities of equally long windows of a text: a window's score is the reciprocal of its own, and 0 where it failed.

import type { ChainRow } from "./chain.ts";
import { bootstrapMean, type Interval, type Resampling } from "./interval.ts";

/** A window that failed has no perplexity, rather than an infinite one. */
export const hasPerplexity = ({ score }: Pick<ChainRow, "score">): boolean => score > 0;

/** In nats a token, of windows that have a perplexity. */
export const lossesOf = (scores: readonly number[]): number[] => scores.map((score) => -Math.log(score));

/** exp of the mean loss. Throws `bad-argument` for no windows. */
export function perplexityInterval(scores: readonly number[], resampling?: Resampling): Interval {
  const { mean, low, high } = bootstrapMean(lossesOf(scores), resampling);
  return { mean: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) };
}
