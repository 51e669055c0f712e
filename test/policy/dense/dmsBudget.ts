import { type Kept, replay, type Trace, topk } from "./trace.ts";

export interface DmsBudgetSettings {
  capacity: number;
  keep: number;
  window: number;
  shift: number;
}

export function dmsBudget(x: Trace, { capacity, keep, window, shift }: DmsBudgetSettings): Kept {
  return replay(x, (live, head) => {
    if (live.length < capacity) return live;
    const old = live.slice(0, Math.max(0, live.length - (window + 1)));
    const best = topk(
      old.map((p) => -x.z[p + shift][head]),
      keep,
    );
    return [...best.map((i) => old[i]), ...live.slice(old.length)];
  });
}
