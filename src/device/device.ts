// The device contract: buffers, a paged KV store, and the operations of one pass.
// `reference.ts` says in plain TypeScript what each operation means; every other device must match it.
//
// What policies ask of a pass stands in `keeping.ts`. Shapes are row-major. Letters: V vocabulary, H hidden, D head width, Hq query heads, Hkv KV heads, G = Hq / Hkv,
// P slots a page. Lane number = (set * layers + layer) * Hkv + KV head, where a set is one chain's (or root's) lanes.

import type { Board, Keeping, Moments, Reading, Ring } from "./keeping.ts";

export type { Board, Bounds, Keeping, Moments, Reading, Ring, Rule, Scorer } from "./keeping.ts";
export { REPLAY } from "./keeping.ts";

/** Slots (keys) a page. */
export const PAGE_SLOTS = 16;
/** Logical slots a span: attention runs span by span and merges in order, so results do not depend on who shares what. */
export const SPAN_SLOTS = 256;
/** Most log-probabilities that `sample` reports for one token. */
export const MAX_TOP = 20;

export type Dtype = "f32" | "bf16";
export const DTYPE_BYTES = { f32: 4, bf16: 2 } as const;
/** Bytes of a page: keys, values and a position a slot. */
export const pageBytes = (headDim: number, dtype: Dtype): number => PAGE_SLOTS * (2 * headDim * DTYPE_BYTES[dtype] + 4);
/** Numbers of a buffer of `Bounds`. */
export const boundsLength = ({ pages, headDim, dtype }: LaneShape): number =>
  (pages * 2 * headDim * DTYPE_BYTES[dtype]) / 4;
export type Numbers = Float32Array | Int32Array | Uint32Array;

/** Device memory of `length` numbers. `host` is a view that the host may read and write between passes. */
export interface Buffer<T extends Numbers = Numbers> {
  readonly id: number;
  readonly length: number;
  readonly host: T;
}
export type F32 = Buffer<Float32Array>;
export type I32 = Buffer<Int32Array>;
export type U32 = Buffer<Uint32Array>;
/** Device memory that the host sees only through `Device.read`. */
export type Hidden = Omit<F32, "host">;

/** A weight matrix [rows (outputs), cols (inputs)] in the device's own layout. */
export interface Matrix {
  readonly id: number;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: Dtype;
  readonly bytes: number;
}

export interface LaneShape {
  sets: number;
  layers: number;
  kvHeads: number;
  queryHeads: number;
  headDim: number;
  dtype: Dtype; // of keys and values
  pages: number; // in the pool, shared by all lanes
  archivePages: number; // most pages of one lane's archive
  doomedPages: number; // ring of one lane's doomed pages
  sparePages: number; // most pages that one pass may take for one lane
}

/**
 * The lanes' tables (written by the host between passes) and counters (written by the pass too).
 * A lane is archive + doomed + pending, all append-only; see DESIGN.md.
 */
export interface Lanes {
  readonly id: number;
  readonly shape: LaneShape;
  readonly bytesPerPage: number;
  readonly archive: I32; // [lanes] slots in the archive
  readonly head: I32; // [lanes] doomed queue: first live logical slot
  readonly tail: I32; // [lanes] doomed queue: logical slots ever appended
  readonly budget: I32; // [lanes] keys that a cut leaves
  readonly protect: I32; // [sets] first positions that no cut takes
  readonly dead: I32; // [lanes] archive slot that a victim policy emptied; -1 none, -2 the pending key itself
  readonly archiveTable: I32; // [lanes, archivePages] page ids; logical slot s lies in entry s / P; -1 past the pages held
  readonly doomedTable: I32; // [lanes, doomedPages] page ids; logical slot s lies in entry (s / P) mod doomedPages
  readonly spare: I32; // [lanes, sparePages] pages the pass may take, in order
  readonly used: I32; // [lanes] spares taken; a taken entry turns to -1, or to the page that a copy-on-write let go
  readonly holders: I32; // [pages] reference counts; a page with more than one holder is never written
  readonly reads: I32; // [lanes] keys attended, summed over the queries of this pass (the host zeroes it)
  readonly physical: I32; // [layers * Hkv] keys read by this pass's decode attention, shared whole spans once
}

/** Labels that a gate gives to keys: key i is evicted iff z[i + shift] > threshold; it serves queries up to i + window. */
export interface Labels {
  z: Hidden; // [rows, Hkv]
  threshold: number;
  window: number;
  shift: 0 | 1; // 1: the gate at token i + 1 labels key i (NVIDIA); 0: the gate at token i does
}

/** `count` items of a work list: an I32 buffer, starting at item `first`. */
export interface Work {
  list: I32;
  first: number;
  count: number;
}
/** Numbers an item of a chunk list: set, first row, rows, first position. Rows hold consecutive positions of one chain. */
export const CHUNK = 4;
/** Numbers an item of a step list: set, row, position. */
export const STEP = 3;
/** Numbers an item of a fork list: source set, destination set. */
export const FORK = 2;
/** Numbers an item of a sample list: row of logits, sampler, position (RNG counter), log-probabilities wanted (0..MAX_TOP, -1: none at all). */
export const SAMPLE = 4;

/** Numbers a sampler (f32): temperature, top-p, min-p, repetition penalty. */
export const SAMPLER_F = 4;
/** Numbers a sampler (u32): top-k (0: all), seed low, seed high, chain. */
export const SAMPLER_U = 4;

export interface Samplers {
  real: F32; // [samplers, SAMPLER_F]
  whole: U32; // [samplers, SAMPLER_U]
  seen: U32; // [samplers, ceil(V / 32)] bit set: token is in the prompt or was generated (read where penalty != 1)
}
export interface Sampled {
  ids: I32; // [items]
  logprob: F32; // [items] log-probability of the drawn id under the unmodified logits
  topIds: I32; // [items, MAX_TOP]
  topLogprobs: F32; // [items, MAX_TOP]
}

/** Raw attention scores of steps, for policies that watch weights; not where `Reading.select` leaves out keys. */
export interface Scores {
  raw: Hidden; // [steps, Hq, stride]: scaled q.k of archive slots 0 .. archive - 1, then of the pending key
  lse: Hidden; // [steps, Hq] log-sum-exp over the live keys
  stride: number;
}

/** One recorded step. Calls append operations; nothing runs before `Device.run`. */
export interface Pass extends Keeping {
  /** out[r] = table[ids[r]]; [rows, H]. */
  embed(out: Hidden, table: Matrix, ids: I32, rows: number): void;
  /** out[i] = x[index[i]]; rows of `dim`. */
  pick(out: Hidden, x: Hidden, index: I32, count: number, dim: number): void;
  /** RMS norm of each row: x / sqrt(mean(x^2) + eps) * weight. out may be x. */
  norm(out: Hidden, x: Hidden, weight: F32, rows: number, dim: number, eps: number): void;
  /** out[r, n] = (add ? out[r, n] : 0) + bias[n] + sum_k x[r, k] w[n, k], k ascending, one fused accumulator. */
  matmul(out: Hidden, x: Hidden, w: Matrix, rows: number, bias: F32 | null, add: boolean): void;
  /** out[r] = cos then sin of position * frequency, D / 2 each (angle rounded to f32 first); [rows, D]. */
  angles(out: Hidden, positions: I32, frequencies: F32, rows: number): void;
  /** Rotates the halves (x[j], x[j + D/2]) of each head in place; x [rows, heads, D]. */
  rope(x: Hidden, angles: Hidden, rows: number, heads: number, dim: number): void;
  /** out = silu(gate) * up, elementwise; out may be gate. */
  swiglu(out: Hidden, gate: Hidden, up: Hidden, count: number): void;
  /** raw[r, h] = last channel of the first query head of group h, which is then set to 0; q [rows, Hq, D], raw [rows, Hkv]. */
  borrow(raw: Hidden, q: Hidden, rows: number, queryHeads: number, kvHeads: number, dim: number): void;
  /** Sets those channels to 0 again (after RoPE has mixed into them). */
  blank(q: Hidden, rows: number, queryHeads: number, kvHeads: number, dim: number): void;
  /** z[r, h] = raw[r, perLayer ? 0 : h] * scale - offset; [rows, Hkv]. z may be raw. */
  gate(z: Hidden, raw: Hidden, rows: number, kvHeads: number, scale: number, offset: number, perLayer: boolean): void;
  /**
   * Chunked-prefill attention of one layer. Query row at position q sees, of its own set: the archive; doomed keys i with
   * q - i <= window; the pending key and the chunk's keys i <= q unless labelled with q - i > window. k, v [rows, Hkv, D]
   * are rounded to the lanes' dtype first; out, q [rows, Hq, D]; scores scaled by 1 / sqrt(D). Adds to `reads`.
   */
  attendChunk(
    out: Hidden,
    q: Hidden,
    k: Hidden,
    v: Hidden,
    lanes: Lanes,
    layer: number,
    chunks: Work,
    labels: Labels | null,
  ): void;
  /**
   * Stores what `attendChunk` left: drops doomed keys i < last - window (last = the chunk's last position), then moves the
   * pending key and the chunk's keys but the last, in order: unlabelled to the archive, labelled with i >= last - window to
   * doomed, other labelled keys nowhere. The last key becomes pending.
   */
  admitChunk(k: Hidden, v: Hidden, lanes: Lanes, layer: number, chunks: Work, labels: Labels | null): void;
  /**
   * Decode, before `attend`, for each step (position t): drops doomed keys i < t - window; moves the pending key t - 1 into
   * the dead slot if there is one (nowhere if it is itself dead), else by its label to the archive, to doomed (window >= 1), or
   * nowhere; key t becomes pending. Writing into a page with several holders takes a spare and copies first; a page that a cut
   * left in the archive's table is used again before a spare is.
   */
  admit(k: Hidden, v: Hidden, lanes: Lanes, layer: number, steps: Work, labels: Labels | null): void;
  /** Decode attention: each step's row over archive, doomed, pending; partials a span, merged in that order. Adds to `reads`. */
  attend(
    out: Hidden,
    q: Hidden,
    lanes: Lanes,
    layer: number,
    steps: Work,
    scores: Scores | null,
    reading: Reading | null,
  ): void;
  /**
   * For each pair: copies the last archive page and the last doomed page where the two sets' tables differ, the pending key, and
   * what policies remember of the set.
   */
  fork(lanes: Lanes, pairs: Work, board: Board | null, ring: Ring | null, moments: Moments | null): void;
  /**
   * Draws an id for each item; the exact order of filters stands in `reference/sample.ts`. logits [rows, V] stay as they are. An
   * item whose row is no distribution (NaN or +infinity in it, or -infinity alone) gets the id -1 and nothing else; a token of
   * -infinity among others has probability 0.
   */
  sample(out: Sampled, logits: Hidden, vocabulary: number, samplers: Samplers, items: Work): void;
}

export interface LaneKeys {
  positions: Int32Array; // [keys]
  keys: Float32Array; // [keys, D] rotated
  values: Float32Array; // [keys, D]
}

export interface Device {
  readonly name: string; // "reference", "cpu"
  readonly description: string; // for people: instruction set, threads
  f32(length: number): F32;
  i32(length: number): I32;
  u32(length: number): U32;
  hidden(length: number): Hidden;
  /** Zeroed [rows, cols]. Throws `no-memory`. */
  matrix(rows: number, cols: number, dtype: Dtype): Matrix;
  /** Writes rows [first, first + values.length / cols), rounding to the matrix's dtype (to nearest, ties to even). */
  writeRows(matrix: Matrix, first: number, values: Float32Array): void;
  lanes(shape: LaneShape): Lanes;
  begin(): Pass;
  /** Runs a recorded pass once. The host must not touch host views until it resolves. */
  run(pass: Pass): Promise<void>;
  /** Copies numbers [from, from + into.length) out of device memory. */
  read(buffer: Hidden, from: number, into: Float32Array): Promise<void>;
  /** Positions of the live keys of one lane, ascending: for tests and `verify`, not for the step. */
  live(lanes: Lanes, lane: number): Int32Array;
  /** Live keys of one lane in slot order, the pending one last: for policies of one's own, between passes. No doomed keys. */
  keys(lanes: Lanes, lane: number): LaneKeys;
  /** Frees everything; later calls throw. */
  close(): void;
}
