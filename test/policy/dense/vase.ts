import { uniform } from "../../../src/base/rng.ts";
import { best, group, type Kept, logits, mean, range, replay, softmax, sum, type Trace, topk } from "./trace.ts";

export interface VaseSettings {
  budget: number;
  /** Newest keys that stay, queries that rank, keys between two cuts. */
  window: number;
  /** Keys of largest values, sinks among them. */
  large: number;
  /** Odd. */
  kernel: number;
  sinks: number;
  seed: number;
  layer?: number;
}

/** Attention of the last `window` queries to older keys alone, pooled along them. */
function attention(x: Trace, head: number, now: number, old: number[], window: number, kernel: number): number[] {
  const half = (kernel - 1) / 2;
  const heads = group(x, head).map((j) => {
    const rows = range(now - window + 1, now + 1).map((query) => softmax(logits(x, j, query, old)));
    const means = old.map((_, i) => mean(rows.map((row) => row[i])));
    return old.map((_, i) => sum(means.slice(Math.max(0, i - half), i + half + 1)) / kernel);
  });
  return old.map((_, i) => mean(heads.map((row) => row[i])));
}

/** One draw after the other, each of what is left in proportion to the weights, by exponential clocks. */
const drawn = (weights: number[], numbers: number[]): number[] =>
  weights.map((w, i) => w / -Math.log(numbers[i] + 1 / 33554432));

export function vase(x: Trace, settings: VaseSettings): Kept {
  const { budget, window, large, kernel, sinks, seed, layer = 0 } = settings;
  return replay(x, (live, head, now, event) => {
    if (event === 0 || live.length < budget + window) return live;
    const old = live.filter((p) => p <= now - window);
    const first = old.filter((p) => p < sinks);
    const others = old.filter((p) => p >= sinks);
    const spread = others.map((p) => Math.max(...x.v[p][head]) - Math.min(...x.v[p][head]));
    const reserved = topk(spread, large - first.length).map((i) => others[i]);
    const numbers = old.map((p) => uniform(seed, now, layer * x.kvHeads + head, p));
    const ranks = drawn(attention(x, head, now, old, window, kernel), numbers);
    const scores = live.map((p) => (reserved.includes(p) ? Infinity : (ranks[old.indexOf(p)] ?? 0)));
    return best(live, scores, budget, (p) => p < sinks || p > now - window);
  });
}
