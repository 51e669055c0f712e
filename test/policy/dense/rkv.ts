import { best, dot, group, type Kept, logits, mean, norm, range, replay, softmax, type Trace } from "./trace.ts";

export interface RkvSettings {
  budget: number;
  buffer: number;
  window: number;
  /** Odd. */
  kernel: number;
  lambda: number;
  /** First positions that stay. */
  protect?: number;
}

function importance(x: Trace, head: number, now: number, old: number[], window: number, kernel: number): number[] {
  const half = (kernel - 1) / 2;
  const rows = range(now - window + 1, now + 1).map((query) => {
    const perHead = group(x, head).map((j) => logits(x, j, query, old));
    return softmax(old.map((_, i) => Math.max(...perHead.map((row) => row[i]))));
  });
  const means = old.map((_, i) => mean(rows.map((row) => row[i])));
  return old.map((_, i) => Math.max(...means.slice(Math.max(0, i - half), i + half + 1)));
}

function redundancy(x: Trace, head: number, live: number[]): number[] {
  const rows = live.map((a) =>
    live.map((b) => {
      const [ka, kb] = [x.k[a][head], x.k[b][head]];
      return a === b ? 0 : dot(ka, kb) / (norm(ka) * norm(kb));
    }),
  );
  for (const row of rows)
    row[
      Math.max(
        0,
        row.findLastIndex((c) => c > 0.5),
      )
    ] = 0;
  return softmax(live.map((_, i) => mean(rows.map((row) => row[i]))));
}

export function rkv(x: Trace, { budget, buffer, window, kernel, lambda, protect = 0 }: RkvSettings): Kept {
  return replay(x, (live, head, now) => {
    if (live.length < budget + buffer) return live;
    const old = live.slice(0, live.length - window);
    const useful = importance(x, head, now, old, window, kernel);
    const similar = redundancy(x, head, live);
    const scores = live.map((_, i) => (i < old.length ? lambda * useful[i] - (1 - lambda) * similar[i] : Infinity));
    return best(live, scores, budget, (p) => p < protect || p > now - window);
  });
}
