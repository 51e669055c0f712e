/** How rates go over a run. */
export interface Schedule {
  steps: number;
  warmup: number; // steps until the full rate
  shape: "constant" | "linear" | "cosine" | "exponential"; // after them
  last: number; // share of the rate at the end
}

/** Share of the peak rates at a step, from 1. */
export function rateAt(step: number, { steps, warmup, shape, last }: Schedule): number {
  if (step <= warmup) return step / (warmup + 1);
  if (shape === "constant") return 1;
  const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  if (shape === "exponential") return last ** done;
  return last + (1 - last) * (shape === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2);
}

/** How the nominal compression ratio rises: by 1 every `perUnit` steps, up to `cr` (arXiv 2506.05345). */
export interface Ramp {
  from: number;
  cr: number;
  perUnit: number; // steps
}

/** Nominal CR at a step, from 1. */
export const ratioAt = (step: number, { from, cr, perUnit }: Ramp): number =>
  Math.min(cr, from + step / Math.max(1, perUnit));

/** Share of decisions that must evict for a CR. */
export const evictedShare = (cr: number): number => 1 - 1 / cr;
