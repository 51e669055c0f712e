// Dense softmax over whatever a query row sees.
import { entryAt, PAGE_SLOTS, SPAN_PAGES, SPAN_SLOTS } from "../device.ts";
import { gatesOf, labelKeys, rowKeys } from "./admit.ts";
import type { Given, Run } from "./given.ts";
import { chosenPages } from "./select.ts";
import { scoresOf } from "./state.ts";
import { alike, archiveKeys, doomedKeys, type Key, type LaneStore, laneOf, pendingKey } from "./store.ts";

export function attendChunk({ out, q, k, v, z, lanes, layer, chunks }: Given<"attendChunk">): void {
  for (const chunk of chunks)
    for (let h = 0; h < lanes.shape.kvHeads; h++) {
      const { set, row: firstRow, rows, position: first } = chunk;
      const lane = laneOf(lanes, set, layer, h);
      const gates = gatesOf(lanes, set, z);
      const window = gates ? gates.window : Number.POSITIVE_INFINITY;
      const archive = archiveKeys(lanes, lane);
      const doomed = doomedKeys(lanes, lane);
      const fresh = labelKeys(lanes, rowKeys(lanes, k, v, chunk, h), lane, h, chunk, gates);
      for (let row = firstRow; row < firstRow + rows; row++) {
        const position = first + row - firstRow;
        const seen: Key[] = [
          ...archive,
          ...doomed.filter((key) => position - key.position <= window),
          ...fresh.filter((key) => key.position <= position && !(key.labelled && position - key.position > window)),
        ];
        for (const j of headsOf(lanes, h))
          softmax(queryAt(lanes, out, row, j), logits(queryAt(lanes, q, row, j), seen), seen);
        lanes.reads.host[lane] += seen.length;
      }
    }
}

/** What one query head saw of a set's archive and pending key. */
interface Logits {
  raw: Float32Array; // [keys]
  lse: number;
}

export function attend({ out, q, archiveQuery, lanes, layer, steps, pages, rank }: Given<"attend">): void {
  const { kvHeads, queryHeads } = lanes.shape;
  const told = steps.map(() => new Array<Logits>(queryHeads));
  for (let h = 0; h < kvHeads; h++) {
    const dense: Run[] = [];
    for (const [i, step] of steps.entries()) {
      const { set, row } = step;
      const lane = laneOf(lanes, set, layer, h);
      const archive = archiveKeys(lanes, lane);
      const pending = pendingKey(lanes, lane);
      if (!pending || archive.length < lanes.archive.host[lane]) {
        throw new Error(
          `lane ${lane}: expected no dead key at attention, got slot ${lanes.dead.host[lane]}; admit first`,
        );
      }
      const heads = headsOf(lanes, h);
      const queries = heads.map((j) => queryAt(lanes, q, row, j));
      const chosen = pages ? chosenPages(lanes, lane, queries) : null;
      const read = chosen ? archive.filter((_, s) => chosen.has(Math.floor(s / PAGE_SLOTS))) : archive;
      const seen = [...read, ...doomedKeys(lanes, lane), pending];
      for (const [g, j] of heads.entries()) {
        const x = logits(queries[g], seen);
        if (archiveQuery) x.set(logits(queryAt(lanes, archiveQuery, row, j), read));
        const lse = softmax(queryAt(lanes, out, row, j), x, seen);
        told[i][j] = { raw: Float32Array.of(...x.subarray(0, read.length), x[x.length - 1]), lse: Math.fround(lse) };
      }
      const reads = seen.length + (chosen ? 2 * Math.ceil((archive.length + 1) / PAGE_SLOTS) : 0);
      lanes.reads.host[lane] += reads;
      if (chosen) lanes.physical.host[lane] += reads;
      else dense.push(step);
    }
    countPhysical(lanes, layer, h, dense);
  }
  if (rank !== "none")
    for (const [i, { set }] of steps.entries()) rankKeys(lanes, layer, set, told[i], rank === "group");
}

/** Scores of keys by the newest query's probabilities. */
function rankKeys(store: LaneStore, layer: number, set: number, told: Logits[], group: boolean): void {
  if (!group) alike(store, set, layer);
  for (let h = 0; h < store.shape.kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const archive = store.archive.host[lane];
    const scores = scoresOf(store, lane, archive + 1);
    const heads = group ? headsOf(store, h).map((j) => told[j]) : told;
    for (let s = 0; s <= archive; s++) {
      let total = 0;
      for (const { raw, lse } of heads) total += Math.exp(raw[s] - lse) / (group ? 1 : heads.length);
      scores[s] = group && s < archive ? scores[s] + total : total;
    }
  }
}

/**
 * Keys that these steps read of one KV head: a whole archive span of the same pages counts once, for the first step
 * that has it.
 */
function countPhysical(store: LaneStore, layer: number, h: number, steps: Run[]): void {
  const { shape, archive, archiveTable, head, tail, physical } = store;
  const spans = new Set<string>();
  for (const { set } of steps) {
    const lane = laneOf(store, set, layer, h);
    const whole = Math.floor(archive.host[lane] / SPAN_SLOTS);
    let keys = archive.host[lane] - whole * SPAN_SLOTS + tail.host[lane] - head.host[lane] + 1;
    for (let span = 0; span < whole; span++) {
      const at = entryAt(shape, shape.archivePages, lane, span * SPAN_PAGES);
      const pages = archiveTable.host.subarray(at, at + SPAN_PAGES).join();
      if (!spans.has(pages)) keys += SPAN_SLOTS;
      spans.add(pages);
    }
    physical.host[lane] += keys;
  }
}

/** Query heads of a KV head. */
export function headsOf({ shape }: LaneStore, h: number): number[] {
  const group = shape.queryHeads / shape.kvHeads;
  return Array.from({ length: group }, (_, g) => h * group + g);
}

/** Query head `j` of a row of x [rows, Hq, D]. */
export function queryAt({ shape }: LaneStore, x: Float32Array, row: number, j: number): Float32Array {
  const at = (row * shape.queryHeads + j) * shape.headDim;
  return x.subarray(at, at + shape.headDim);
}

/** Scaled products of a query with keys. */
export function logits(q: Float32Array, keys: readonly Key[]): Float64Array {
  return Float64Array.from(keys, ({ k }) => {
    let dot = 0;
    for (let d = 0; d < q.length; d++) dot += q[d] * k[d];
    return dot / Math.sqrt(q.length);
  });
}

/** softmax(x) */
export function probabilities(x: ArrayLike<number>): Float64Array {
  const p = Float64Array.from(x);
  const most = p.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  for (let i = 0; i < p.length; i++) p[i] = Math.exp(p[i] - most);
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / total);
}

/** out = the keys' values weighted by softmax(x); returns the log-sum-exp. */
function softmax(out: Float32Array, x: Float64Array, keys: readonly Key[]): number {
  const most = x.reduce((a, b) => Math.max(a, b));
  const sum = new Float64Array(out.length);
  let total = 0;
  for (const [i, { v }] of keys.entries()) {
    const weight = Math.exp(x[i] - most);
    total += weight;
    for (let d = 0; d < sum.length; d++) sum[d] += weight * v[d];
  }
  for (let d = 0; d < sum.length; d++) out[d] = sum[d] / total;
  return most + Math.log(total);
}
