import { best, type Kept, mean, probabilities, range, replay, type Trace } from "./trace.ts";

export interface TovaSettings {
  budget: number;
  /** First positions that stay. */
  protect?: number;
}

/** The score does not depend on the KV head, so every head of the layer cuts the same positions. */
export function tova(x: Trace, { budget, protect = 0 }: TovaSettings): Kept {
  return replay(x, (live, _, now) => {
    const rows = range(0, x.queryHeads).map((j) => probabilities(x, j, now, live));
    const scores = live.map((_p, i) => mean(rows.map((row) => row[i])));
    return best(live, scores, budget, (p) => p < protect);
  });
}
