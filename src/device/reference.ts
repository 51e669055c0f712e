// Every operation of `device.ts`, plain and slow: the oracle that other devices are compared with.
// Numbers are stored as float32 (rounded to bf16 where the dtype says so); sums run in float64 and are rounded once.
import { HyperthinkError } from "../base/errors.ts";
import { roundBf16 } from "../base/half.ts";
import type { Board, Buffer, Device, Dtype, Hidden, I32, Lanes, Matrix, Numbers, Pass, Work } from "./device.ts";
import { REPLAY } from "./keeping.ts";
import { attend, attendChunk } from "./reference/attention.ts";
import { keep } from "./reference/keep.ts";
import {
  admit,
  admitChunk,
  archiveKeys,
  fork,
  type LaneStore,
  laneStore,
  live,
  pendingKey,
} from "./reference/lanes.ts";
import { sample } from "./reference/sample.ts";
import { score } from "./reference/score.ts";
import * as watch from "./reference/watch.ts";

interface Grid extends Matrix {
  readonly values: Float32Array; // [rows, cols]
}

/** Runs everything in this thread, one operation after the other. */
export function reference(): Device {
  let nextId = 1;
  let open = true;
  const recorded = new WeakMap<Pass, (() => void)[]>();

  function alive(): void {
    if (!open)
      throw new HyperthinkError("bad-argument", "expected an open device, got one after close(): make another");
  }
  function buffer<T extends Numbers>(host: T): Buffer<T> {
    alive();
    return { id: nextId++, length: host.length, host };
  }
  const i32 = (length: number) => buffer(new Int32Array(length));

  return {
    name: "reference",
    description: "plain TypeScript, one thread, float64 sums",
    f32: (length) => buffer(new Float32Array(length)),
    i32,
    u32: (length) => buffer(new Uint32Array(length)),
    hidden: (length) => buffer(new Float32Array(length)),
    matrix(rows, cols, dtype): Grid {
      alive();
      const bytes = rows * cols * bytesOf(dtype);
      return { id: nextId++, rows, cols, dtype, bytes, values: new Float32Array(rows * cols) };
    },
    writeRows(matrix, first, values) {
      alive();
      const to = (matrix as Grid).values.subarray(first * matrix.cols, first * matrix.cols + values.length);
      to.set(values);
      if (matrix.dtype === "bf16") for (let i = 0; i < to.length; i++) to[i] = roundBf16(to[i]);
    },
    lanes(shape) {
      alive();
      return laneStore(nextId++, shape, i32);
    },
    begin() {
      alive();
      const ops: (() => void)[] = [];
      const pass = record(ops);
      recorded.set(pass, ops);
      return pass;
    },
    async run(pass) {
      alive();
      const ops = recorded.get(pass);
      if (!ops) {
        throw new HyperthinkError(
          "bad-argument",
          "expected a new pass of this device, got one that already ran: record it again",
        );
      }
      recorded.delete(pass);
      for (const op of ops) op();
    },
    async read(from, at, into) {
      alive();
      into.set(data(from).subarray(at, at + into.length));
    },
    live(lanes, lane) {
      alive();
      return live(lanes as LaneStore, lane);
    },
    keys(lanes, lane) {
      alive();
      const own = lanes as LaneStore;
      const pending = pendingKey(own, lane);
      const live = [...archiveKeys(own, lane), ...(pending ? [pending] : [])];
      const flat = (part: "k" | "v") => Float32Array.from(live.flatMap((key) => [...key[part]]));
      return { positions: Int32Array.from(live, (key) => key.position), keys: flat("k"), values: flat("v") };
    },
    close() {
      open = false;
    },
  };
}

/** A `Hidden` of this device has a host array all the same; only its type keeps callers away from it. */
function data(buffer: Hidden): Float32Array {
  return (buffer as Buffer<Float32Array>).host;
}

function bytesOf(dtype: Dtype): number {
  return dtype === "bf16" ? 2 : 4;
}

/** `count` items of `width` numbers, read when the operation runs. */
function items(work: Work, width: number): Int32Array[] {
  return Array.from({ length: work.count }, (_, i) => {
    const at = (work.first + i) * width;
    return work.list.host.subarray(at, at + width);
  });
}

function record(ops: (() => void)[]): Pass {
  const store = (lanes: Lanes) => lanes as LaneStore;
  const gates = (labels: Parameters<Pass["admit"]>[5]) => labels && { ...labels, z: data(labels.z) };
  const weights = (scores: NonNullable<Parameters<Pass["attend"]>[5]>) => ({
    raw: data(scores.raw),
    lse: data(scores.lse),
    stride: scores.stride,
  });
  const ranks = (board: Board) => ({ scores: data(board.scores), stride: board.stride });
  const each = (list: Work, chunk: boolean, act: (item: Int32Array) => void) =>
    ops.push(() => {
      for (const item of items(list, chunk ? 4 : 3)) act(item);
    });
  return {
    embed: (out, table, ids, rows) => ops.push(() => embed(data(out), table as Grid, ids, rows)),
    pick: (out, x, index, count, dim) => ops.push(() => pick(data(out), data(x), index, count, dim)),
    norm: (out, x, weight, rows, dim, eps) => ops.push(() => norm(data(out), data(x), weight.host, rows, dim, eps)),
    matmul: (out, x, w, rows, bias, add) =>
      ops.push(() => matmul(data(out), data(x), w as Grid, rows, bias?.host ?? null, add)),
    angles: (out, positions, frequencies, rows) =>
      ops.push(() => angles(data(out), positions.host, frequencies.host, rows)),
    rope: (x, turn, rows, heads, dim) => ops.push(() => rope(data(x), data(turn), rows, heads, dim)),
    swiglu: (out, gate, up, count) => ops.push(() => swiglu(data(out), data(gate), data(up), count)),
    borrow: (raw, q, rows, queryHeads, kvHeads, dim) =>
      ops.push(() => borrow(data(raw), data(q), rows, queryHeads, kvHeads, dim)),
    blank: (q, rows, queryHeads, kvHeads, dim) => ops.push(() => borrow(null, data(q), rows, queryHeads, kvHeads, dim)),
    gate: (z, raw, rows, kvHeads, scale, offset, perLayer) =>
      ops.push(() => gate(data(z), data(raw), rows, kvHeads, scale, offset, perLayer)),
    attendChunk: (out, q, k, v, lanes, layer, chunks, labels) =>
      ops.push(() => {
        for (const item of items(chunks, 4)) {
          attendChunk(data(out), data(q), data(k), data(v), store(lanes), layer, item, gates(labels));
        }
      }),
    admitChunk: (k, v, lanes, layer, chunks, labels) =>
      ops.push(() => {
        for (const item of items(chunks, 4)) admitChunk(data(k), data(v), store(lanes), layer, item, gates(labels));
      }),
    admit: (k, v, lanes, layer, steps, labels) =>
      ops.push(() => {
        for (const item of items(steps, 3)) admit(data(k), data(v), store(lanes), layer, item, gates(labels));
      }),
    attend: (out, q, lanes, layer, steps, scores, reading) =>
      ops.push(() =>
        attend(
          data(out),
          data(q),
          store(lanes),
          layer,
          items(steps, 3),
          scores && weights(scores),
          reading?.archiveQuery ? data(reading.archiveQuery) : null,
          reading?.select ? data(reading.select) : null,
        ),
      ),
    fork: (lanes, pairs, board, ring, moments) =>
      ops.push(() => {
        for (const [from, to] of items(pairs, 2)) {
          fork(store(lanes), from, to);
          if (board) watch.copyBoard(ranks(board), store(lanes), from, to);
          const { layers, queryHeads, headDim: D } = lanes.shape;
          if (ring) copySet(data(ring.q), layers * ring.queries * queryHeads * D, from, to);
          if (moments) copySet(data(moments.sums), layers * queryHeads * (D + D * D) * 2, from, to);
        }
      }),
    sample: (out, logits, vocabulary, samplers, list) =>
      ops.push(() => {
        for (const [i, item] of items(list, 4).entries()) sample(out, i, data(logits), vocabulary, samplers, item);
      }),
    mark: (z, flags, rows, kvHeads, fill) => ops.push(() => watch.mark(data(z), flags.host, rows, kvHeads, fill)),
    gelu: (x, count) => ops.push(() => watch.gelu(data(x), count)),
    remember: (ring, q, lanes, layer, work, chunk) =>
      each(work, chunk, (item) =>
        watch.remember(data(ring.q), ring.queries, data(q), store(lanes), layer, item, chunk),
      ),
    sum: (board, q, k, lanes, layer, chunks) =>
      each(chunks, true, (item) => watch.sum(ranks(board), data(q), data(k), store(lanes), layer, item)),
    clear: (board, lanes, steps) => each(steps, false, ([set]) => watch.clear(ranks(board), store(lanes), set)),
    gather: (moments, q, lanes, layer, chunks) =>
      each(chunks, true, (item) => watch.gather(data(moments.sums), moments.skip, data(q), store(lanes), layer, item)),
    note: (board, z, shift, lanes, layer, work, chunk) =>
      each(work, chunk, (item) => watch.note(ranks(board), data(z), shift, store(lanes), layer, item, chunk)),
    bound: (bounds, lanes, layer, work, chunk) =>
      each(work, chunk, (item) => watch.bound(data(bounds), store(lanes), layer, item, chunk)),
    weigh: (board, scores, lanes, layer, steps, add) =>
      ops.push(() => watch.weigh(ranks(board), weights(scores), store(lanes), layer, items(steps, 3), add)),
    score: (board, ring, lanes, layer, steps, rule, scorer) =>
      ops.push(() => {
        const queries = ring && { q: data(ring.q), queries: ring.queries };
        const told =
          scorer.kind === "expected" ? { sums: data(scorer.moments.sums), frequencies: scorer.frequencies.host } : null;
        score(ranks(board), queries, store(lanes), layer, items(steps, 3), rule, scorer, told);
      }),
    keep: (board, lanes, layer, layers, steps, rule) =>
      ops.push(() => keep(ranks(board), store(lanes), layer, layers, items(steps, 3), rule)),
    replay: (board, q, k, lanes, layer, list, sinks) =>
      ops.push(() => {
        for (const item of items(list, REPLAY))
          watch.replay(ranks(board), data(q), data(k), store(lanes), layer, item, sinks);
      }),
  };
}

/** A set's share of a buffer that has as much for each set. */
function copySet(numbers: Float32Array, each: number, from: number, to: number): void {
  numbers.copyWithin(to * each, from * each, (from + 1) * each);
}

function embed(out: Float32Array, table: Grid, ids: I32, rows: number): void {
  const { cols, values } = table;
  for (let r = 0; r < rows; r++) out.set(values.subarray(ids.host[r] * cols, (ids.host[r] + 1) * cols), r * cols);
}

function pick(out: Float32Array, x: Float32Array, index: I32, count: number, dim: number): void {
  for (let i = 0; i < count; i++) out.set(x.subarray(index.host[i] * dim, (index.host[i] + 1) * dim), i * dim);
}

function norm(out: Float32Array, x: Float32Array, weight: Float32Array, rows: number, dim: number, eps: number): void {
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let c = 0; c < dim; c++) squares += x[r * dim + c] ** 2;
    const scale = 1 / Math.sqrt(squares / dim + eps);
    for (let c = 0; c < dim; c++) out[r * dim + c] = x[r * dim + c] * scale * weight[c];
  }
}

function matmul(
  out: Float32Array,
  x: Float32Array,
  w: Grid,
  rows: number,
  bias: Float32Array | null,
  add: boolean,
): void {
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < w.rows; n++) {
      let sum = 0;
      for (let k = 0; k < w.cols; k++) sum += x[r * w.cols + k] * w.values[n * w.cols + k];
      out[r * w.rows + n] = (add ? out[r * w.rows + n] : 0) + (bias ? bias[n] : 0) + sum;
    }
  }
}

function angles(out: Float32Array, positions: Int32Array, frequencies: Float32Array, rows: number): void {
  const half = frequencies.length;
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < half; j++) {
      const angle = Math.fround(positions[r] * frequencies[j]);
      out[r * 2 * half + j] = Math.cos(angle);
      out[r * 2 * half + half + j] = Math.sin(angle);
    }
  }
}

function rope(x: Float32Array, turn: Float32Array, rows: number, heads: number, dim: number): void {
  const half = dim / 2;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < half; j++) {
        const at = (r * heads + h) * dim + j;
        const [a, b] = [x[at], x[at + half]];
        const [cos, sin] = [turn[r * dim + j], turn[r * dim + half + j]];
        x[at] = a * cos - b * sin;
        x[at + half] = b * cos + a * sin;
      }
    }
  }
}

function swiglu(out: Float32Array, gate: Float32Array, up: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) out[i] = (gate[i] / (1 + Math.exp(-gate[i]))) * up[i];
}

/** `raw` null: only blanks the channels. */
function borrow(
  raw: Float32Array | null,
  q: Float32Array,
  rows: number,
  queryHeads: number,
  kvHeads: number,
  dim: number,
): void {
  const group = queryHeads / kvHeads;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < kvHeads; h++) {
      const at = (r * queryHeads + h * group) * dim + dim - 1;
      if (raw) raw[r * kvHeads + h] = q[at];
      q[at] = 0;
    }
  }
}

function gate(
  z: Float32Array,
  raw: Float32Array,
  rows: number,
  kvHeads: number,
  scale: number,
  offset: number,
  perLayer: boolean,
): void {
  for (let r = 0; r < rows; r++) {
    const first = raw[r * kvHeads]; // read before z, which may be raw, is written
    for (let h = 0; h < kvHeads; h++) {
      z[r * kvHeads + h] = (perLayer ? first : raw[r * kvHeads + h]) * scale - offset;
    }
  }
}
