import { range } from "./trace.ts";

/** The published numbers come from Python, whose round() takes halves to the even neighbour. */
function round(a: number): number {
  const low = Math.floor(a);
  if (a - low !== 0.5) return Math.round(a);
  return low % 2 === 0 ? low : low + 1;
}

/** Keys kept by each layer; `ratio` 2 keeps half. */
export function pyramidBudgets(length: number, layers: number, ratio: number, window: number, beta: number): number[] {
  const r = 1 - 1 / ratio;
  const cap = window + length * (1 - r);
  let min = (cap - window) / beta;
  let max = 2 * (cap - window) - min;
  if (max >= length - window) {
    max = length - window;
    min = 2 * (cap - window) - max;
  }
  const monotone = length >= max && max >= min && min >= window;
  // One layer has no slope: it gets the average.
  if (!monotone || layers === 1) return range(0, layers).map(() => round(length * (1 - r)));
  return range(0, layers).map((l) => round(max - (l * (max - min)) / (layers - 1)));
}
