/** Random queries, keys, values of one layer, float32 numbers as read. */
export interface Trace {
  /** Tokens of the prompt; tokens prompt .. length - 1 are fed one by one. */
  prompt: number;
  length: number;
  /** Query head j belongs to KV head floor(j / (queryHeads / kvHeads)). */
  queryHeads: number;
  kvHeads: number;
  headDim: number;
  /** [length] -> [hidden], the hidden state before the layer. */
  x: Float32Array[];
  /** [length][queryHeads] -> [headDim], after RoPE. */
  q: Float32Array[][];
  /** The same before RoPE. */
  qPre: Float32Array[][];
  /** [length][kvHeads] -> [headDim], after RoPE. */
  k: Float32Array[][];
  v: Float32Array[][];
  /** [length][kvHeads] decision logits of a gate, or minus the scores of a probe. */
  z: Float32Array[];
  /** [headDim / 2] of RoPE. */
  frequencies: Float32Array;
}

/**
 * Kept positions (ascending) by event and KV head: event 0 = after the prompt, event n = after fed token n
 * (position prompt + n - 1), the newest key included.
 */
export type Kept = number[][][];

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
export const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
export const mean = (list: number[]): number => sum(list) / list.length;

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let s = 0;
  for (let d = 0; d < a.length; d++) s += a[d] * b[d];
  return s;
}
export const norm = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a));

export function softmax(list: number[]): number[] {
  const top = Math.max(...list);
  const e = list.map((s) => Math.exp(s - top));
  const total = sum(e);
  return e.map((p) => p / total);
}

/** Indices (ascending) of the `count` best scores; of equal scores the older index stays. */
export function topk(scores: number[], count: number): number[] {
  const order = scores
    .map((_, i) => i)
    .sort((a, b) => (scores[a] === scores[b] ? a - b : scores[b] > scores[a] ? 1 : -1));
  return order.slice(0, Math.max(0, count)).sort((a, b) => a - b);
}

/** The `keys` best of the live keys by score; those that `forced` names stay in any case, and count among them. */
export function best(
  live: number[],
  scores: number[],
  keys: number,
  forced: (position: number) => boolean = () => false,
): number[] {
  const marked = scores.map((s, i) => (forced(live[i]) ? Infinity : s));
  return topk(marked, Math.max(keys, live.filter(forced).length)).map((i) => live[i]);
}

/** Query heads that read KV head `head`. */
export function group(x: Trace, head: number): number[] {
  const g = x.queryHeads / x.kvHeads;
  return range(head * g, (head + 1) * g);
}

/** Scaled logits of query head `j` at position `query` over the keys at `positions`. */
export function logits(x: Trace, j: number, query: number, positions: number[]): number[] {
  const head = Math.floor(j / (x.queryHeads / x.kvHeads));
  return positions.map((p) => dot(x.q[query][j], x.k[p][head]) / Math.sqrt(x.headDim));
}

/** Attention probabilities of query head `j` at position `query` over the keys at `positions`. */
export const probabilities = (x: Trace, j: number, query: number, positions: number[]): number[] =>
  softmax(logits(x, j, query, positions));

/** Called after the attention of the newest query `now`; returns which of the `live` positions stay. */
export type Cut = (live: number[], head: number, now: number, event: number) => number[];
/** The same for all KV heads of the layer at once. */
export type LayerCut = (live: number[][], now: number, event: number) => number[][];

/** Dense prompt, then one token per event; a key once cut never returns. */
export function replayLayer(x: Trace, cut: LayerCut): Kept {
  const kept: Kept = [];
  let live = range(0, x.kvHeads).map(() => range(0, x.prompt));
  for (let event = 0; event <= x.length - x.prompt; event++) {
    const now = x.prompt - 1 + event;
    if (event > 0) live = live.map((positions) => [...positions, now]);
    live = cut(live, now, event);
    kept.push(live);
  }
  return kept;
}

export const replay = (x: Trace, cut: Cut): Kept =>
  replayLayer(x, (live, now, event) => live.map((positions, head) => cut(positions, head, now, event)));

/** True at the prompt end and, with `every` > 0, after every `every` fed tokens. */
export const due = (event: number, every: number): boolean => event === 0 || (every > 0 && event % every === 0);

/** Rotate-half RoPE of a vector. */
export function rotate(a: ArrayLike<number>, position: number, frequencies: ArrayLike<number>): Float32Array {
  const half = frequencies.length;
  const out = new Float32Array(2 * half);
  for (let j = 0; j < half; j++) {
    const c = Math.cos(position * frequencies[j]);
    const s = Math.sin(position * frequencies[j]);
    out[j] = a[j] * c - a[j + half] * s;
    out[j + half] = a[j + half] * c + a[j] * s;
  }
  return out;
}

export interface Shape {
  prompt: number;
  length: number;
  queryHeads: number;
  kvHeads: number;
  headDim: number;
}

/** Seeded normal numbers; queries are rotated as RoPE would. */
export function randomTrace(shape: Shape, seed: number): Trace {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const vector = (n: number): Float32Array => Float32Array.from({ length: n }, normal);
  const heads = (n: number): Float32Array[][] =>
    range(0, shape.length).map(() => range(0, n).map(() => vector(shape.headDim)));
  const frequencies = Float32Array.from({ length: shape.headDim / 2 }, (_, j) => 10000 ** ((-2 * j) / shape.headDim));
  const qPre = heads(shape.queryHeads);
  return {
    ...shape,
    frequencies,
    qPre,
    q: qPre.map((row, t) => row.map((a) => rotate(a, t, frequencies))),
    k: heads(shape.kvHeads),
    v: heads(shape.kvHeads),
    z: range(0, shape.length).map(() => vector(shape.kvHeads)),
    x: range(0, shape.length).map(() => vector(2 * shape.headDim)),
  };
}
