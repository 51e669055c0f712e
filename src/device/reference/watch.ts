// What policies have a pass remember: queries, sums of probabilities, moments, gates, bounds of pages.
import { CHUNK, PAGE_SLOTS } from "../device.ts";
import type { Weights } from "./attention.ts";
import { probabilities, scoresOf } from "./attention.ts";
import type { Ranks } from "./keep.ts";
import {
  alike,
  archiveKeys,
  archiveSlot,
  chunkKeys,
  type Key,
  keyAt,
  type LaneStore,
  laneOf,
  pendingKey,
} from "./lanes.ts";
import { writeBounds } from "./select.ts";

export function mark(z: Float32Array, flags: Int32Array, rows: number, kvHeads: number, fill: boolean): void {
  for (let i = 0; i < rows * kvHeads; i++) z[i] = flags[Math.floor(i / kvHeads)] ? (fill ? 1 : z[i]) : -1e30;
}

export function gelu(x: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) x[i] = (x[i] * (1 + erf(x[i] / Math.SQRT2))) / 2;
}

/** Series near 0, continued fraction beyond: 1e-15 of it. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 60; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (a + fraction) / Math.sqrt(Math.PI));
}

/** Rows of an item that lie at consecutive positions: [set, first row, rows, first position]. */
const run = (item: Int32Array, chunk: boolean): [number, number, number, number] =>
  chunk ? [item[0], item[1], item[2], item[3]] : [item[0], item[1], 1, item[2]];

export function remember(
  ring: Float32Array,
  queries: number,
  q: Float32Array,
  { shape }: LaneStore,
  layer: number,
  item: Int32Array,
  chunk: boolean,
): void {
  const width = shape.queryHeads * shape.headDim;
  const [set, row, rows, first] = run(item, chunk);
  for (let i = Math.max(0, rows - queries); i < rows; i++) {
    const to = ((set * shape.layers + layer) * queries + ((first + i) % queries)) * width;
    ring.set(q.subarray((row + i) * width, (row + i + 1) * width), to);
  }
}

/** Keys of the archive, the pending one and a chunk's, each in the slot of its position. */
function completeKeys(store: LaneStore, k: Float32Array, lane: number, h: number, chunk: Int32Array): Key[] {
  const [, , rows, first] = chunk;
  const keys = [...archiveKeys(store, lane), ...chunkKeys(store, k, k, lane, h, chunk, null)];
  if (keys.length !== first + rows)
    throw new Error(
      `lane ${lane}: expected every key up to position ${first - 1} in its own slot, got ${keys.length - rows} keys; nothing may leave before`,
    );
  return keys;
}

export function sum(
  ranks: Ranks,
  q: Float32Array,
  k: Float32Array,
  store: LaneStore,
  layer: number,
  chunk: Int32Array,
): void {
  const { kvHeads, queryHeads, headDim } = store.shape;
  const [set, firstRow, rows, first] = chunk;
  for (let h = 0; h < kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const keys = completeKeys(store, k, lane, h, chunk);
    const board = ranks.scores.subarray(lane * ranks.stride, lane * ranks.stride + first + rows);
    board.fill(0, first);
    for (let i = 0; i < rows; i++)
      for (let j = (h * queryHeads) / kvHeads; j < ((h + 1) * queryHeads) / kvHeads; j++) {
        const at = ((firstRow + i) * queryHeads + j) * headDim;
        const p = probabilities(scoresOf(q.subarray(at, at + headDim), keys.slice(0, first + i + 1)));
        for (const [s, x] of p.entries()) board[s] += x;
      }
  }
}

export function gather(
  sums: Float32Array,
  skip: number,
  q: Float32Array,
  { shape }: LaneStore,
  layer: number,
  chunk: Int32Array,
): void {
  const { queryHeads, headDim: D, layers } = shape;
  const [set, firstRow, rows, first] = chunk;
  for (let j = 0; j < queryHeads; j++) {
    const own = momentsOf(sums, (set * layers + layer) * queryHeads + j, D);
    if (first === 0) own.fill(0);
    for (let i = Math.max(0, skip - first); i < rows; i++) {
      const x = q.subarray(((firstRow + i) * queryHeads + j) * D, ((firstRow + i) * queryHeads + j + 1) * D);
      for (let a = 0; a < D; a++) {
        own[a] += x[a];
        for (let b = 0; b < D; b++) own[D + a * D + b] += x[a] * x[b];
      }
    }
  }
}

/** Moments of one query head of one layer and set, by its number. */
export function momentsOf(sums: Float32Array, number: number, D: number): Float64Array {
  const length = D + D * D;
  return new Float64Array(sums.buffer, sums.byteOffset + number * length * 8, length);
}

export function note(
  ranks: Ranks,
  z: Float32Array,
  shift: 0 | 1,
  store: LaneStore,
  layer: number,
  item: Int32Array,
  chunk: boolean,
): void {
  const { kvHeads } = store.shape;
  const [set, row, rows, first] = run(item, chunk);
  for (let h = 0; h < kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const board = ranks.scores.subarray(lane * ranks.stride, (lane + 1) * ranks.stride);
    // The newest key, at slot `archive`, has position first + rows - 1; the gate at position p labels key p - shift.
    for (let i = 0; i < rows; i++) {
      const slot = store.archive.host[lane] - (rows - 1 - i) - shift;
      if (first + i - shift >= 0) board[slot] = -z[(row + i) * kvHeads + h];
    }
  }
}

export function bound(bounds: Float32Array, store: LaneStore, layer: number, item: Int32Array, chunk: boolean): void {
  const { kvHeads, headDim: D, archivePages } = store.shape;
  const [set, , rows] = run(item, chunk);
  for (let h = 0; h < kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const archive = store.archive.host[lane];
    const from = Math.floor(Math.max(0, archive - rows) / PAGE_SLOTS);
    for (let p = from; p * PAGE_SLOTS < archive; p++) {
      const page = store.archiveTable.host[lane * archivePages + p];
      const least = new Array<number>(D).fill(Number.POSITIVE_INFINITY);
      const most = new Array<number>(D).fill(Number.NEGATIVE_INFINITY);
      for (let s = p * PAGE_SLOTS; s < Math.min(archive, (p + 1) * PAGE_SLOTS); s++) {
        const { k } = keyAt(store, archiveSlot(store, lane, s));
        for (let d = 0; d < D; d++) {
          least[d] = Math.min(least[d], k[d]);
          most[d] = Math.max(most[d], k[d]);
        }
      }
      writeBounds(store, bounds, page, [...least, ...most]);
    }
  }
}

export function weigh(
  ranks: Ranks,
  weights: Weights,
  store: LaneStore,
  layer: number,
  steps: Int32Array[],
  add: boolean,
): void {
  const { kvHeads, queryHeads } = store.shape;
  const group = queryHeads / kvHeads;
  for (const [i, [set]] of steps.entries()) {
    if (!add) alike(store, set, layer);
    for (let h = 0; h < kvHeads; h++) {
      const lane = laneOf(store, set, layer, h);
      const archive = store.archive.host[lane];
      const heads = add
        ? { from: h * group, to: (h + 1) * group, each: 1 }
        : { from: 0, to: queryHeads, each: queryHeads };
      for (let s = 0; s <= archive; s++) {
        let total = 0;
        for (let j = heads.from; j < heads.to; j++) {
          const row = i * queryHeads + j;
          total += Math.exp(weights.raw[row * weights.stride + s] - weights.lse[row]) / heads.each;
        }
        const before = add && s < archive ? ranks.scores[lane * ranks.stride + s] : 0;
        ranks.scores[lane * ranks.stride + s] = before + total;
      }
    }
  }
}

/** `item`: a chunk of a replay, then the set to write, its slots from and to, the tokens before the replay. */
export function replay(
  ranks: Ranks,
  q: Float32Array,
  k: Float32Array,
  store: LaneStore,
  layer: number,
  item: Int32Array,
  sinks: number,
): void {
  const { kvHeads, queryHeads, headDim } = store.shape;
  const [set, firstRow, rows, first, target, from, to, tokens] = item;
  for (let h = 0; h < kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const board = ranks.scores.subarray(laneOf(store, target, layer, h) * ranks.stride);
    const keys = completeKeys(store, k, lane, h, item.subarray(0, CHUNK));
    const slots = [...keys.keys()].filter((s) => s < sinks || (s >= from && s < to) || s >= tokens);
    for (let i = 0; i < rows; i++)
      for (let j = (h * queryHeads) / kvHeads; j < ((h + 1) * queryHeads) / kvHeads; j++) {
        const at = ((firstRow + i) * queryHeads + j) * headDim;
        const seen = slots.filter((s) => s <= first + i);
        const p = probabilities(
          scoresOf(
            q.subarray(at, at + headDim),
            seen.map((s) => keys[s]),
          ),
        );
        for (const [n, s] of seen.entries()) if (s >= from && s < to) board[s] = Math.max(board[s], p[n]);
      }
  }
}

/** The forked set's ranks. */
export function copyBoard(ranks: Ranks, store: LaneStore, from: number, to: number): void {
  const lanes = store.shape.layers * store.shape.kvHeads;
  for (let i = 0; i < lanes; i++) {
    const [a, b] = [from * lanes + i, to * lanes + i];
    const live = store.archive.host[a] + (pendingKey(store, a) ? 1 : 0);
    ranks.scores.copyWithin(b * ranks.stride, a * ranks.stride, a * ranks.stride + live);
  }
}

export function clear(ranks: Ranks, store: LaneStore, set: number): void {
  const lanes = store.shape.layers * store.shape.kvHeads;
  for (let lane = set * lanes; lane < (set + 1) * lanes; lane++)
    ranks.scores.fill(0, lane * ranks.stride, lane * ranks.stride + store.archive.host[lane] + 1);
}
