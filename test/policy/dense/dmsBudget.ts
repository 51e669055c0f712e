import { best, type Kept, range, replay, type Trace } from "./trace.ts";

export interface DmsBudgetSettings {
  capacity: number;
  keep: number;
  window: number;
  shift: number;
  /** Prompt tokens at a time. */
  chunk?: number;
  protect?: number;
}

/**
 * A full lane keeps the newest window + 1 keys and the `keep` best others by gate. The
 * prompt is cut where its chunks end.
 */
export function dmsBudget(x: Trace, settings: DmsBudgetSettings): Kept {
  const { capacity, keep, window, shift, chunk = x.prompt, protect = 0 } = settings;
  const cut = (live: number[], head: number, now: number): number[] => {
    if (live.length < capacity) return live;
    const forced = (p: number) => p < protect || p > now - (window + 1);
    const scores = live.map((p) => (forced(p) ? 0 : -x.z[p + shift][head]));
    return best(live, scores, keep + window + 1, forced);
  };
  return replay(x, (live, head, now, event) => {
    if (event > 0) return cut(live, head, now);
    let kept: number[] = [];
    for (let from = 0; from < x.prompt; from += chunk) {
      const to = Math.min(x.prompt, from + chunk);
      kept = cut([...kept, ...range(from, to)], head, to - 1);
    }
    return kept;
  });
}
