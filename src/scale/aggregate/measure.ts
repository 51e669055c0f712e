// How sure a model was of a chain: the measures of DeepConf ("Deep Think with Confidence", arXiv 2508.15260). What the
// paper leaves open is as in its authors' program (facebookresearch/deepconf).

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import { MAX_TOP } from "../../device/ops.ts";
import type { Token } from "../../engine/chain.ts";

export interface ConfidenceOptions {
  /** Likeliest tokens of a step that count. */
  k: number;
  /** Tokens of a group, and of the tail. */
  window: number;
}

/** The paper's own. */
export const CONFIDENCE: ConfidenceOptions = { k: 20, window: 2048 };

const MOST_WINDOW = 1 << 24;

/** Throws `bad-argument` naming what is out of range. */
export function confidenceOptions(options: Partial<ConfidenceOptions> = {}): ConfidenceOptions {
  const { k = CONFIDENCE.k, window = CONFIDENCE.window } = options;
  const whole = (name: string, value: number, most: number) => {
    if (!(Number.isInteger(value) && value >= 1 && value <= most))
      throw badArgument(`confidence: expected ${name} to be a whole number from 1 to ${most}, got ${value}`);
  };
  whole("k", k, MAX_TOP);
  whole("window", window, MOST_WINDOW);
  return { k, window };
}

/** Of a chain, in nats: larger is surer. Groups are all runs of `window` tokens, which overlap. */
export interface Confidence {
  /** Mean over all tokens. */
  average: number;
  /** Mean over the tenth of the groups, at least one, whose means are lowest. */
  bottom: number;
  /** The lowest mean of a group. */
  lowest: number;
  /** Mean over the last `window` tokens. */
  tail: number;
  tokens: number; // that were drawn, and so measured
}

export const MEASURES = ["average", "bottom", "lowest", "tail"] as const;
export type ConfidenceMeasure = (typeof MEASURES)[number];

/**
 * A token's confidence, -(1/k) times the sum of log P(j) over the k likeliest tokens: large where all but few of them
 * are unlikely. Those that cannot come at all (log 0) are left out. null where nothing was measured: the chain was made
 * to say it, or no log-probabilities were asked for.
 */
export function tokenConfidence({ top }: Pick<Token, "top">): number | null {
  let sum = 0;
  let count = 0;
  for (const { logprob } of top) {
    if (logprob === Number.NEGATIVE_INFINITY) continue;
    sum += logprob;
    count++;
  }
  return count === 0 ? null : 0 - sum / count;
}

/** The measures of a chain's tokens; null where it has none. A chain shorter than the window is one group. */
export function chainConfidence(tokens: readonly number[], window: number): Confidence | null {
  if (tokens.length === 0) return null;
  const size = Math.min(window, tokens.length);
  const groups = groupMeans(tokens, size).sort();
  const lowest = groups[0];
  return {
    average: mean(tokens),
    bottom: mean(groups.subarray(0, Math.max(1, Math.floor(groups.length * 0.1)))),
    lowest,
    tail: mean(tokens.slice(-size)),
    tokens: tokens.length,
  };
}

function groupMeans(tokens: readonly number[], size: number): Float64Array {
  const means = new Float64Array(tokens.length - size + 1);
  let sum = 0;
  for (const [i, confidence] of tokens.entries()) {
    sum += confidence;
    if (i < size - 1) continue;
    means[i - size + 1] = sum / size;
    sum -= tokens[i - size + 1];
  }
  return means;
}
