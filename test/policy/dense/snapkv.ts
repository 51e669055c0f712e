import { due, group, type Kept, mean, probabilities, range, replay, sum, type Trace, topk } from "./trace.ts";

export interface SnapkvSettings {
  cap: number;
  window: number;
  /** Odd. */
  kernel: number;
  every: number;
}

export function snapkv(x: Trace, { cap, window, kernel, every }: SnapkvSettings): Kept {
  const half = (kernel - 1) / 2;
  return replay(x, (live, head, now, event) => {
    if (!due(event, every) || live.length <= cap) return live;
    const old = live.slice(0, live.length - window);
    const pooled = group(x, head).map((j) => {
      const rows = range(now - window + 1, now + 1).map((query) => {
        const seen = live.filter((p) => p <= query);
        return probabilities(x, j, query, seen);
      });
      const means = old.map((_, i) => mean(rows.map((row) => row[i])));
      return old.map((_, i) => sum(means.slice(Math.max(0, i - half), i + half + 1)) / kernel);
    });
    const scores = old.map((_, i) => mean(pooled.map((row) => row[i])));
    return [...topk(scores, cap - window).map((i) => old[i]), ...live.slice(live.length - window)];
  });
}
