import { group, type Kept, probabilities, range, replay, type Trace, topk } from "./trace.ts";

export interface H2oSettings {
  heavy: number;
  recent: number;
}

export function h2o(x: Trace, { heavy, recent }: H2oSettings): Kept {
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
    const old = live.slice(0, live.length - recent);
    const best = topk(
      old.map((p) => total[head][p]),
      heavy,
    );
    return [...best.map((i) => old[i]), ...live.slice(live.length - recent)];
  });
}
