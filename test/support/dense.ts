import type { Raw } from "./tiny.ts";

/**
 * May query q of KV head h in layer l see key i <= q? `z` holds the decision logits so far, [layer][token][KV head].
 */
export type Visible = (z: number[][][], l: number, h: number, i: number, q: number) => boolean;

type Vector = number[];
const norm = (x: Vector, w: ArrayLike<number>, eps: number): Vector => {
  const scale = 1 / Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length + eps);
  return x.map((v, i) => v * scale * w[i]);
};
const times = (w: Float32Array, x: Vector): Vector =>
  Array.from({ length: w.length / x.length }, (_, r) => x.reduce((s, v, k) => s + v * w[r * x.length + k], 0));
const heads = (x: Vector, n: number): Vector[] =>
  Array.from({ length: n }, (_, h) => x.slice((h * x.length) / n, ((h + 1) * x.length) / n));
const rotate = (x: Vector, position: number, f: ArrayLike<number>): Vector =>
  x.map((v, j) => {
    const half = x.length / 2;
    const angle = position * f[j % half];
    return v * Math.cos(angle) + (j < half ? -x[j + half] : x[j - half]) * Math.sin(angle);
  });

/** What a layer's attention sees, token by token. */
export interface Look {
  x: Vector[]; // residual stream before the layer
  normed: Vector[]; // what the attention is handed
  v: Vector[][]; // [T][Hkv]
  parts: Vector[][]; // [T][Hq]: probabilities of the keys that are seen, in order
}

/**
 * A transformer without pages, chunks or cache: each token attends to all that `visible` allows. Double precision.
 * Returns logits [T][V] and decision logits [L][T][Hkv].
 */
export function dense(
  { config: c, ...w }: Raw,
  ids: readonly number[],
  visible: Visible,
  look?: (layer: number, seen: Look) => void,
): { logits: Vector[]; z: number[][][] } {
  let x = ids.map((id) => Array.from(w.embed.subarray(id * c.hidden, (id + 1) * c.hidden)));
  const z: number[][][] = [];
  const G = c.queryHeads / c.kvHeads;
  w.layers.forEach((layer, l) => {
    const normed = x.map((row) => norm(row, layer.inputNorm, c.normEps));
    const q = normed.map((row) =>
      heads(times(layer.q, row), c.queryHeads).map((head) => norm(head, layer.qNorm, c.normEps)),
    );
    const k = normed.map((row, t) =>
      heads(times(layer.k, row), c.kvHeads).map((head) => rotate(norm(head, layer.kNorm, c.normEps), t, c.frequencies)),
    );
    const v = normed.map((row) => heads(times(layer.v, row), c.kvHeads));
    z.push(
      x.map((row, t) => {
        const raw = c.dms!.borrowed
          ? Array.from({ length: c.kvHeads }, (_, h) => q[t][h * G][c.headDim - 1])
          : times(layer.alpha, norm(row, layer.alphaNorm, c.normEps));
        return raw.map((_, h) => raw[c.dms!.perLayer ? 0 : h] * c.dms!.scale - c.dms!.offset);
      }),
    );
    const blank = (head: Vector, h: number) => {
      if (c.dms!.borrowed && h % G === 0) head[c.headDim - 1] = 0;
      return head;
    };
    const parts: Vector[][] = x.map(() => []);
    look?.(l, { x, normed, v, parts });
    x = x.map((row, t) => {
      const mixed = q[t].flatMap((raw, h) => {
        const kv = Math.floor(h / G);
        const query = blank(rotate(blank([...raw], h), t, c.frequencies), h);
        const seen = Array.from({ length: t + 1 }, (_, i) => i).filter((i) => visible(z, l, kv, i, t));
        const scores = seen.map(
          (i) => query.reduce((s, value, d) => s + value * k[i][kv][d], 0) / Math.sqrt(c.headDim),
        );
        const most = Math.max(...scores);
        const p = scores.map((s) => Math.exp(s - most));
        const sum = p.reduce((a, b) => a + b, 0);
        parts[t].push(p.map((e) => e / sum));
        return query.map((_, d) => seen.reduce((s, i, n) => s + (p[n] / sum) * v[i][kv][d], 0));
      });
      const y = times(layer.o, mixed).map((value, n) => value + row[n]);
      const post = norm(y, layer.postNorm, c.normEps);
      const up = times(layer.up, post);
      const act = times(layer.gate, post).map((g, n) => (g / (1 + Math.exp(-g))) * up[n]);
      return times(layer.down, act).map((value, n) => value + y[n]);
    });
  });
  return { logits: x.map((row) => times(w.head, norm(row, w.norm, c.normEps))), z };
}

/** The DMS rule (arXiv 2506.05345), literally. */
export const dmsRule =
  (window: number, shift: 0 | 1): Visible =>
  (z, l, h, i, q) =>
    !(q - i > window && i + shift < z[l].length && z[l][i + shift][h] > 0);

/** Smallest |z|: seeds where a decision hangs on rounding say nothing and are skipped. */
export const smallest = (z: number[][][]): number => Math.min(...z.flat(2).map(Math.abs));
