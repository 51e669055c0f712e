import { best, due, group, type Kept, mean, probabilities, range, replay, sum, type Trace } from "./trace.ts";

export interface SnapkvSettings {
  cap: number;
  window: number;
  /** Odd. */
  kernel: number;
  every: number;
  /** First positions that stay. */
  protect?: number;
}

/**
 * Attention of the last `window` queries to each live key, pooled along the older
 * ones; Infinity for keys of the window.
 */
export function snapkvScores(
  x: Trace,
  { window, kernel }: Pick<SnapkvSettings, "window" | "kernel">,
  live: number[],
  head: number,
  now: number,
): number[] {
  const half = (kernel - 1) / 2;
  const old = live.filter((p) => p <= now - window);
  const pooled = group(x, head).map((j) => {
    const rows = range(Math.max(0, now - window + 1), now + 1).map((query) =>
      probabilities(
        x,
        j,
        query,
        live.filter((p) => p <= query),
      ),
    );
    const means = old.map((_, i) => mean(rows.map((row) => row[i])));
    return old.map((_, i) => sum(means.slice(Math.max(0, i - half), i + half + 1)) / kernel);
  });
  return live.map((_, i) => (i < old.length ? mean(pooled.map((row) => row[i])) : Infinity));
}

export function snapkv(x: Trace, { cap, every, protect = 0, ...settings }: SnapkvSettings): Kept {
  return replay(x, (live, head, now, event) => {
    if (!due(event, every) || live.length <= cap) return live;
    const scores = snapkvScores(x, settings, live, head, now);
    return best(live, scores, cap, (p) => p < protect || p > now - settings.window);
  });
}
