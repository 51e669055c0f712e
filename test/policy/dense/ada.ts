import { due, type Kept, replayLayer, sum, type Trace, topk } from "./trace.ts";

/**
 * Kept indices per head of scores [kvHeads][keys of the head]. `budget` is the average per head, so the layer keeps
 * budget * kvHeads; `floor` keys of each head are safe. Equal scores: lower head first, then older key.
 */
export function ada(scores: number[][], budget: number, floor: number): number[][] {
  const marked = scores.map((row) => {
    const safe = topk(row, floor);
    return row.map((s, i) => (safe.includes(i) ? Infinity : s));
  });
  const best = topk(marked.flat(), budget * scores.length);
  return marked.map((row, head) => {
    const from = sum(marked.slice(0, head).map((other) => other.length));
    return best.filter((i) => i >= from && i < from + row.length).map((i) => i - from);
  });
}

export interface PooledSettings {
  budget: number;
  share: number;
  every: number;
}

/**
 * A layer's heads share their budgets; `score` ranks the live keys of one head,
 * Infinity for those that stay in any case.
 */
export const pooled = (
  x: Trace,
  { budget, share, every }: PooledSettings,
  score: (live: number[], head: number, now: number) => number[],
): Kept =>
  replayLayer(x, (live, now, event) => {
    if (!due(event, every) || sum(live.map((keys) => keys.length)) <= budget * x.kvHeads) return live;
    const scores = live.map((keys, head) => score(keys, head, now));
    return ada(scores, budget, Math.floor(budget * share)).map((kept, head) => kept.map((i) => live[head][i]));
  });
