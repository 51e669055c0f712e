import { due, type Kept, norm, replay, type Trace, topk } from "./trace.ts";

export interface KeySettings {
  keys: number;
  every: number;
}

export function knorm(x: Trace, { keys, every }: KeySettings): Kept {
  return replay(x, (live, head, _, event) => {
    if (!due(event, every) || live.length <= keys) return live;
    const best = topk(
      live.map((p) => -norm(x.k[p][head])),
      keys,
    );
    return best.map((i) => live[i]);
  });
}
