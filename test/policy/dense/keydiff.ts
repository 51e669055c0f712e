import type { KeySettings } from "./knorm.ts";
import { best, dot, due, type Kept, mean, norm, range, replay, type Trace } from "./trace.ts";

export function keydiff(x: Trace, { keys, every, protect = 0 }: KeySettings): Kept {
  return replay(x, (live, head, _, event) => {
    if (!due(event, every) || live.length <= keys) return live;
    const units = live.map((p) => Array.from(x.k[p][head], (a) => a / norm(x.k[p][head])));
    const centre = range(0, x.headDim).map((d) => mean(units.map((u) => u[d])));
    const scores = units.map((u) => -dot(u, centre) / norm(centre));
    return best(live, scores, keys, (p) => p < protect);
  });
}
