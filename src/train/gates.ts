// Decisions of a batch: their noise, how many evict, and the term that asks for more of them (arXiv 2506.05345).
import { uniform } from "../base/rng.ts";

/** Gumbel - Gumbel, which is logistic: log(u / (1 - u)). A function of seed, step and layer. */
export function fillNoise(into: Float32Array, seed: number, step: number, layer: number): void {
  for (let i = 0; i < into.length; i++) {
    const u = uniform(seed, step, layer, i) + 2 ** -25; // in the middle of what 24 bits tell apart: never 0 or 1
    into[i] = Math.log(u / (1 - u));
  }
}

/** Decisions of the windows of a batch. */
export interface Sparsity {
  /** Share of evicting decisions z > 0, [windows]: over layers, KV heads and the positions of a window. */
  fractions: Float64Array;
  /** Mean over windows of max(0, target - fraction). */
  loss: number;
}

/**
 * z: [layers] of [rows, Hkv]; window: [rows] the window of each row, -1: of none. Writes to `pull` [rows] the gradient
 * of the term, times `weight`, for each decision of a row.
 */
export function sparsityOf(
  z: readonly Float32Array[],
  kvHeads: number,
  window: Int32Array,
  windows: number,
  target: number,
  weight: number,
  pull: Float32Array,
): Sparsity {
  const [closed, rows] = [new Float64Array(windows), new Float64Array(windows)];
  for (const w of window) if (w >= 0) rows[w]++;
  for (const layer of z)
    for (let r = 0; r < window.length; r++) {
      if (window[r] < 0) continue;
      for (let h = 0; h < kvHeads; h++) if (layer[r * kvHeads + h] > 0) closed[window[r]]++;
    }
  const decisions = rows.map((n) => n * z.length * kvHeads);
  const fractions = closed.map((n, w) => (decisions[w] > 0 ? n / decisions[w] : target));
  for (let r = 0; r < window.length; r++) {
    const w = window[r];
    pull[r] = w >= 0 && fractions[w] < target ? -weight / (windows * decisions[w]) : 0;
  }
  const loss = fractions.reduce((sum, fraction) => sum + Math.max(0, target - fraction), 0) / windows;
  return { fractions, loss };
}
