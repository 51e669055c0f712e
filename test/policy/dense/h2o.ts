import { best, group, type Kept, probabilities, range, replay, type Trace } from "./trace.ts";

export interface H2oSettings {
  heavy: number;
  recent: number;
  /** First positions that stay; they count as heavy ones. */
  protect?: number;
}

export function h2o(x: Trace, { heavy, recent, protect = 0 }: H2oSettings): Kept {
  const total = range(0, x.kvHeads).map(() => new Array<number>(x.length).fill(0));
  const attend = (head: number, query: number, positions: number[]): void => {
    for (const j of group(x, head)) {
      probabilities(x, j, query, positions).forEach((p, i) => {
        total[head][positions[i]] += p;
      });
    }
  };
  return replay(x, (live, head, now, event) => {
    for (const query of event === 0 ? range(0, x.prompt) : [now]) {
      attend(
        head,
        query,
        live.filter((p) => p <= query),
      );
    }
    if (live.length <= heavy + recent) return live;
    const scores = live.map((p) => total[head][p]);
    return best(live, scores, heavy + recent, (p) => p < protect || p > now - recent);
  });
}
