import { best, due, type Kept, norm, replay, type Trace } from "./trace.ts";

export interface KeySettings {
  keys: number;
  every: number;
  /** First positions that stay. */
  protect?: number;
}

/** The smaller a key, the more it draws. */
export const knormScores = (x: Trace, head: number, live: number[]): number[] => live.map((p) => -norm(x.k[p][head]));

export function knorm(x: Trace, { keys, every, protect = 0 }: KeySettings): Kept {
  return replay(x, (live, head, _, event) => {
    if (!due(event, every) || live.length <= keys) return live;
    return best(live, knormScores(x, head, live), keys, (p) => p < protect);
  });
}
