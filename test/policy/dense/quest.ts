import { group, type Kept, range, replay, sum, type Trace, topk } from "./trace.ts";

export interface QuestSettings {
  budget: number;
  page: number;
}

/** Positions read, not kept: nothing is ever dropped. Event 0 and a layer that is dense read everything. */
export function quest(x: Trace, { budget, page }: QuestSettings): Kept {
  return replay(x, (live) => live).map((heads, event) =>
    heads.map((live, head) => (event === 0 ? live : read(live, head))),
  );

  function read(live: number[], head: number): number[] {
    if (live.length <= budget) return live;
    const now = live.length - 1;
    const last = Math.floor(now / page);
    const bounds = range(0, last).map((p) => {
      const keys = range(p * page, (p + 1) * page).map((i) => x.k[i][head]);
      const low = range(0, x.headDim).map((d) => Math.min(...keys.map((k) => k[d])));
      const high = range(0, x.headDim).map((d) => Math.max(...keys.map((k) => k[d])));
      const bound = (q: Float32Array): number => sum(low.map((_, d) => Math.max(q[d] * low[d], q[d] * high[d])));
      return sum(group(x, head).map((j) => bound(x.q[now][j])));
    });
    const pages = [...topk(bounds, Math.max(3, Math.floor(budget / page)) - 1), last];
    return live.filter((p) => pages.includes(Math.floor(p / page)));
  }
}
