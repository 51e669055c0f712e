// How far a distribution over the vocabulary is from the full cache's.

/** The full cache's distributions at some positions of one text. */
export interface Baseline {
  p: Float32Array; // [rows, V]
  plogp: Float64Array; // [rows] sum of p log p
  best: Int32Array; // [rows]
}

export const newBaseline = (rows: number, V: number): Baseline => ({
  p: new Float32Array(rows * V),
  plogp: new Float64Array(rows),
  best: new Int32Array(rows),
});

/** Log of the sum of e^x, and where the largest x stands. */
export function logSumExp(x: Float32Array): { lse: number; best: number } {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (x[i] > x[best]) best = i;
  const top = x[best];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.exp(x[i] - top);
  return { lse: top + Math.log(sum), best };
}

/** Keeps row `row` of the full cache's logits as probabilities. */
export function record(baseline: Baseline, row: number, logits: Float32Array): { lse: number; best: number } {
  const { lse, best } = logSumExp(logits);
  const p = baseline.p.subarray(row * logits.length, (row + 1) * logits.length);
  let plogp = 0;
  for (let i = 0; i < p.length; i++) {
    const log = logits[i] - lse;
    p[i] = Math.exp(log);
    plogp += p[i] * log;
  }
  baseline.plogp[row] = plogp;
  baseline.best[row] = best;
  return { lse, best };
}

/** KL(full || policy) = sum p log p - sum p l + lse(l), in nats, of logits l; rounding below 0 counts as 0. */
export function divergence(
  baseline: Baseline,
  row: number,
  logits: Float32Array,
): { kl: number; lse: number; agrees: boolean } {
  const { lse, best } = logSumExp(logits);
  const V = logits.length;
  const { p } = baseline;
  let cross = 0;
  for (let i = 0, at = row * V; i < V; i++, at++) cross += p[at] * logits[i];
  return { kl: Math.max(0, baseline.plogp[row] - cross + lse), lse, agrees: best === baseline.best[row] };
}

/** The q-th quantile (0..1) of numbers, the smallest of which at least that share is no larger. */
export function quantile(numbers: readonly number[], q: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}
