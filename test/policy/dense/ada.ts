import { topk } from "./trace.ts";

/**
 * Kept indices per head of scores [kvHeads][n]. `budget` is the average per head, so the layer keeps
 * budget * kvHeads; `floor` keys of each head are safe. Equal scores: lower head first, then older key.
 */
export function ada(scores: number[][], budget: number, floor: number): number[][] {
  const n = scores[0].length;
  const marked = scores.map((row) => {
    const safe = topk(row, floor);
    return row.map((s, i) => (safe.includes(i) ? Infinity : s));
  });
  const best = topk(marked.flat(), budget * scores.length);
  return scores.map((_, head) => best.filter((i) => Math.floor(i / n) === head).map((i) => i % n));
}
