// Dense softmax over whatever a query row sees.
import { PAGE_SLOTS, SPAN_SLOTS } from "../device.ts";
import {
  archiveKeys,
  chunkKeys,
  doomedKeys,
  type Gates,
  type Key,
  type LaneStore,
  laneOf,
  pendingKey,
} from "./lanes.ts";
import { chosenPages } from "./select.ts";

/** `Scores` with the numbers at hand. */
export interface Weights {
  raw: Float32Array; // [steps, Hq, stride]
  lse: Float32Array; // [steps, Hq]
  stride: number;
}

export function attendChunk(
  out: Float32Array,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  store: LaneStore,
  layer: number,
  chunk: Int32Array,
  gates: Gates | null,
): void {
  const { kvHeads, queryHeads, headDim } = store.shape;
  const group = queryHeads / kvHeads;
  const [set, firstRow, rows, first] = chunk;
  const window = gates ? gates.window : Number.POSITIVE_INFINITY;
  for (let h = 0; h < kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const archive = archiveKeys(store, lane);
    const doomed = doomedKeys(store, lane);
    const fresh = chunkKeys(store, k, v, lane, h, chunk, gates);
    for (let row = firstRow; row < firstRow + rows; row++) {
      const position = first + row - firstRow;
      const seen: Key[] = [
        ...archive,
        ...doomed.filter((key) => position - key.position <= window),
        ...fresh.filter((key) => key.position <= position && !(key.labelled && position - key.position > window)),
      ];
      for (let j = h * group; j < (h + 1) * group; j++) {
        const at = (row * queryHeads + j) * headDim;
        softmax(out.subarray(at, at + headDim), scoresOf(q.subarray(at, at + headDim), seen), seen);
      }
      store.reads.host[lane] += seen.length;
    }
  }
}

export function attend(
  out: Float32Array,
  q: Float32Array,
  store: LaneStore,
  layer: number,
  steps: Int32Array[],
  weights: Weights | null,
  archiveQuery: Float32Array | null,
  bounds: Float32Array | null,
): void {
  const { kvHeads, queryHeads, headDim } = store.shape;
  const group = queryHeads / kvHeads;
  for (let h = 0; h < kvHeads; h++) {
    const dense: Int32Array[] = [];
    for (const [i, [set, row]] of steps.entries()) {
      const lane = laneOf(store, set, layer, h);
      const archive = archiveKeys(store, lane);
      const pending = pendingKey(store, lane);
      if (!pending || archive.length < store.archive.host[lane]) {
        throw new Error(
          `lane ${lane}: expected no dead key at attention, got slot ${store.dead.host[lane]}; admit first`,
        );
      }
      const heads = (x: Float32Array) =>
        x.subarray((row * queryHeads + h * group) * headDim, (row * queryHeads + (h + 1) * group) * headDim);
      const pages = bounds && chosenPages(store, lane, heads(q), bounds);
      const read = pages ? archive.filter((_, s) => pages.has(Math.floor(s / PAGE_SLOTS))) : archive;
      const seen = [...read, ...doomedKeys(store, lane), pending];
      for (let j = h * group; j < (h + 1) * group; j++) {
        const at = (row * queryHeads + j) * headDim;
        const scores = scoresOf(q.subarray(at, at + headDim), seen);
        if (archiveQuery) scores.set(scoresOf(archiveQuery.subarray(at, at + headDim), read));
        const lse = softmax(out.subarray(at, at + headDim), scores, seen);
        if (weights) {
          const base = (i * queryHeads + j) * weights.stride;
          for (let s = 0; s < archive.length; s++) weights.raw[base + s] = scores[s];
          weights.raw[base + archive.length] = scores[scores.length - 1];
          weights.lse[i * queryHeads + j] = lse;
        }
      }
      const reads = seen.length + (pages ? 2 * Math.ceil((archive.length + 1) / PAGE_SLOTS) : 0);
      store.reads.host[lane] += reads;
      if (pages) store.physical.host[layer * kvHeads + h] += reads;
      else dense.push(steps[i]);
    }
    store.physical.host[layer * kvHeads + h] += physical(store, layer, h, dense);
  }
}

/** Keys that these steps read of one KV head, whole archive spans of the same pages once. */
function physical(store: LaneStore, layer: number, h: number, steps: Int32Array[]): number {
  const spanPages = SPAN_SLOTS / PAGE_SLOTS;
  const spans = new Set<string>();
  let keys = 0;
  for (const [set] of steps) {
    const lane = laneOf(store, set, layer, h);
    const whole = Math.floor(store.archive.host[lane] / SPAN_SLOTS);
    for (let span = 0; span < whole; span++) {
      const entry = lane * store.shape.archivePages + span * spanPages;
      spans.add(store.archiveTable.host.subarray(entry, entry + spanPages).join());
    }
    keys += store.archive.host[lane] - whole * SPAN_SLOTS + store.tail.host[lane] - store.head.host[lane] + 1;
  }
  return keys + spans.size * SPAN_SLOTS;
}

export function scoresOf(q: Float32Array, keys: Key[]): Float64Array {
  return Float64Array.from(keys, ({ k }) => {
    let dot = 0;
    for (let d = 0; d < q.length; d++) dot += q[d] * k[d];
    return dot / Math.sqrt(q.length);
  });
}

/** softmax(scores) */
export function probabilities(scores: ArrayLike<number>): Float64Array {
  const p = Float64Array.from(scores);
  const most = p.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  for (let i = 0; i < p.length; i++) p[i] = Math.exp(p[i] - most);
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((x) => x / total);
}

/** out = the keys' values weighted by softmax(scores); returns the log-sum-exp. */
function softmax(out: Float32Array, scores: Float64Array, keys: Key[]): number {
  const most = scores.reduce((a, b) => Math.max(a, b));
  const sum = new Float64Array(out.length);
  let total = 0;
  for (const [i, { v }] of keys.entries()) {
    const weight = Math.exp(scores[i] - most);
    total += weight;
    for (let d = 0; d < sum.length; d++) sum[d] += weight * v[d];
  }
  for (let d = 0; d < sum.length; d++) out[d] = sum[d] / total;
  return most + Math.log(total);
}
