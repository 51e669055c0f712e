import { group, type Kept, mean, probabilities, range, replay, sum, type Trace, topk } from "./trace.ts";

export interface ObservedSettings {
  keys: number;
}

export function observed(x: Trace, { keys }: ObservedSettings): Kept {
  return replay(x, (live, head, _, event) => {
    if (event > 0) return live;
    const perHead = group(x, head).map((j) => {
      const rows = live.map((query) => probabilities(x, j, query, range(0, query + 1)));
      return live.map((p) => sum(rows.slice(p).map((row) => row[p])) / (x.prompt - p));
    });
    const scores = live.map((_p, i) => mean(perHead.map((row) => row[i])));
    return topk(scores, keys);
  });
}
