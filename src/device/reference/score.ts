// How policies rank the live keys of a lane.
import { uniform } from "../../base/rng.ts";
import type { Rule, Scorer } from "../keeping.ts";
import { probabilities, scoresOf } from "./attention.ts";
import type { Ranks } from "./keep.ts";
import { dueLanes } from "./keep.ts";
import { alike, archiveKeys, type Key, type LaneStore, pendingKey } from "./lanes.ts";
import { momentsOf } from "./watch.ts";

/** The ring with the numbers at hand. */
export interface Queries {
  q: Float32Array; // [sets, layers, queries, Hq, D]
  queries: number;
}

/** What a scorer is told of one lane. */
interface View {
  store: LaneStore;
  set: number;
  layer: number;
  head: number;
  newest: number;
  keys: Key[]; // live, in slot order, the pending one last
  board: Float32Array; // [keys]
}

export function score(
  ranks: Ranks,
  ring: Queries | null,
  store: LaneStore,
  layer: number,
  steps: Int32Array[],
  rule: Rule,
  scorer: Scorer,
  data: { sums: Float32Array; frequencies: Float32Array } | null,
): void {
  const { kvHeads } = store.shape;
  for (const [set, , newest] of steps) {
    const due = dueLanes(store, set, layer, rule);
    if (due.length > 0 && scorer.kind === "attention" && scorer.group === "layer") alike(store, set, layer);
    for (const lane of due) {
      const keys = [...archiveKeys(store, lane), pendingKey(store, lane)!];
      const board = ranks.scores.subarray(lane * ranks.stride, lane * ranks.stride + keys.length);
      const view: View = { store, set, layer, head: lane % kvHeads, newest, keys, board };
      board.set(ranksOf(view, ring, scorer, data));
    }
  }
}

function ranksOf(view: View, ring: Queries | null, scorer: Scorer, data: Parameters<typeof score>[7]): number[] {
  const { keys, board, newest, store } = view;
  const group = store.shape.queryHeads / store.shape.kvHeads;
  switch (scorer.kind) {
    case "norm":
      return keys.map(({ k }) => -norm(k));
    case "difference":
      return difference(keys.map(({ k }) => k));
    case "random": {
      const lane = view.layer * store.shape.kvHeads + view.head;
      return keys.map(({ position }) => uniform(scorer.seed, 0x6b76, lane, position));
    }
    case "mean":
      return keys.map(({ position }, s) => board[s] / (group * (newest + 1 - position)));
    case "attention":
      return attention(view, ring!, scorer);
    case "redundancy": {
      const redundant = redundancy(
        keys.map(({ k }) => k),
        scorer.similar,
      );
      return redundant.map((r, s) => scorer.weight * board[s] - (1 - scorer.weight) * r);
    }
    case "expected":
      return expected(view, scorer, data!);
  }
}

const dot = (a: Float32Array | number[], b: Float32Array | number[]): number => {
  let total = 0;
  for (let d = 0; d < a.length; d++) total += a[d] * b[d];
  return total;
};
const norm = (x: Float32Array): number => Math.sqrt(dot(x, x));
const unit = (x: Float32Array): number[] => {
  const length = Math.max(norm(x), 1e-12);
  return Array.from(x, (y) => y / length);
};

function difference(keys: Float32Array[]): number[] {
  const mean = new Float32Array(keys[0].length);
  const sums = new Float64Array(mean.length);
  for (const k of keys) for (const [d, y] of unit(k).entries()) sums[d] += y;
  mean.set(sums.map((x) => x / keys.length));
  return keys.map((k) => -dot(unit(k), unit(mean)));
}

function attention(view: View, ring: Queries, scorer: Scorer & { kind: "attention" }): number[] {
  const { store, set, layer, head, newest, keys } = view;
  const { queryHeads, kvHeads, headDim, layers } = store.shape;
  const group = queryHeads / kvHeads;
  const queries = Math.min(scorer.queries, newest + 1);
  const query = (position: number, j: number): Float32Array => {
    const slot = (set * layers + layer) * ring.queries + (position % ring.queries);
    return ring.q.subarray((slot * queryHeads + j) * headDim, (slot * queryHeads + j + 1) * headDim);
  };
  // A layer's other KV heads hold other keys in the same slots.
  const keysOf = (j: number): Key[] => {
    if (scorer.group !== "layer" || Math.floor(j / group) === head) return keys;
    const lane = (set * layers + layer) * kvHeads + Math.floor(j / group);
    return [...archiveKeys(store, lane), pendingKey(store, lane)!];
  };
  const heads = scorer.group === "layer" ? Array.from({ length: queryHeads }, (_, j) => j) : ofGroup(head, group);
  const old = keys.map(({ position }) => position <= newest - queries);
  const total = new Float64Array(keys.length);
  for (let position = newest - queries + 1; position <= newest; position++) {
    const seen = [...keys.keys()].filter((s) => (scorer.over === "all" ? keys[s].position <= position : old[s]));
    const rows = heads.map((j) =>
      scoresOf(
        query(position, j),
        seen.map((s) => keysOf(j)[s]),
      ),
    );
    const merged = scorer.group === "max" ? [rows.reduce((a, b) => a.map((x, i) => Math.max(x, b[i])))] : rows;
    for (const row of merged)
      for (const [n, p] of probabilities(row).entries()) total[seen[n]] += p / (queries * merged.length);
  }
  if (scorer.group === "layer") return [...total];
  const others = [...keys.keys()].filter((s) => old[s]);
  const out = new Array<number>(keys.length).fill(0);
  for (const [n, s] of others.entries())
    out[s] = pooled(
      others.map((o) => total[o]),
      n,
      scorer,
    );
  return out;
}

const ofGroup = (head: number, group: number): number[] => Array.from({ length: group }, (_, g) => head * group + g);

function pooled(x: number[], n: number, { pool, kernel }: { pool: "mean" | "max"; kernel: number }): number {
  const reach = (kernel - 1) / 2;
  const near = x.slice(Math.max(0, n - reach), n + reach + 1);
  return pool === "max" ? Math.max(...near) : near.reduce((a, b) => a + b, 0) / kernel;
}

function redundancy(keys: Float32Array[], similar: number): number[] {
  const units = keys.map(unit);
  const mean = new Array<number>(keys.length).fill(0);
  for (const [i, a] of units.entries()) {
    const row = units.map((b, j) => (i === j ? 0 : dot(a, b)));
    const last = row.findLastIndex((x) => x > similar);
    row[Math.max(last, 0)] = 0;
    for (const [j, x] of row.entries()) mean[j] += x / keys.length;
  }
  return [...probabilities(Float64Array.from(mean))];
}

function expected(
  view: View,
  scorer: Scorer & { kind: "expected" },
  data: { sums: Float32Array; frequencies: Float32Array },
): number[] {
  const { store, set, layer, head, newest, keys } = view;
  const { queryHeads, kvHeads, headDim: D, layers } = store.shape;
  const { skip } = scorer.moments;
  const count = newest + 1 - skip;
  const scored = keys.filter(({ position }) => position >= skip);
  const mean = new Float64Array(scored.length);
  if (count > 0)
    for (const j of ofGroup(head, queryHeads / kvHeads)) {
      const sums = momentsOf(data.sums, (set * layers + layer) * queryHeads + j, D);
      const q = (a: number) => sums[a] / count;
      const turn = meanTurn(data.frequencies, newest + 1, scorer.future);
      const mu = turned(turn, (a) => q(a), D);
      const half = Array.from({ length: D }, (_, b) =>
        turned(turn, (a) => sums[D + a * D + b] / count - q(a) * q(b), D),
      );
      const sigma = Array.from({ length: D }, (_, a) => turned(turn, (b) => half[b][a], D));
      const rows = scored.map(({ k }) => {
        let z = dot(k, mu) / Math.sqrt(D);
        if (scorer.covariance) for (let a = 0; a < D; a++) z += (k[a] * dot(k, sigma[a])) / (2 * D);
        return z;
      });
      const p = probabilities(Float64Array.from(rows));
      for (const [n, x] of p.entries()) mean[n] += (x * kvHeads) / queryHeads;
    }
  const ranks = [...mean].map((p, n) => (p + scorer.epsilon) * (scorer.values ? norm(scored[n].v) : 1));
  // The first `skip` keys rank above all others.
  const top = Math.max(0, ...ranks) + 1;
  let n = 0;
  return keys.map(({ position }) => (position < skip ? top : ranks[n++]));
}

/** Mean cosine and sine of each pair of channels over positions [from, from + count). */
function meanTurn(frequencies: Float32Array, from: number, count: number): { cos: number; sin: number }[] {
  return Array.from(frequencies, (f) => {
    const turn = { cos: 0, sin: 0 };
    for (let p = from; p < from + count; p++) {
      turn.cos += Math.cos(Math.fround(p * f)) / count;
      turn.sin += Math.sin(Math.fround(p * f)) / count;
    }
    return turn;
  });
}

function turned(turn: { cos: number; sin: number }[], x: (a: number) => number, D: number): number[] {
  const out = new Array<number>(D);
  for (const [j, { cos, sin }] of turn.entries()) {
    const [a, b] = [x(j), x(j + D / 2)];
    out[j] = a * cos - b * sin;
    out[j + D / 2] = b * cos + a * sin;
  }
  return out;
}
