// What operations read and write: buffers, weights, a paged KV store, lists of work. Shapes are row-major.

/** Slots (keys) per page. */
export const PAGE_SLOTS = 16;
/** Pages per span: attention runs span by span and merges in order, so results do not depend on who shares what. */
export const SPAN_PAGES = 16;
export const SPAN_SLOTS = SPAN_PAGES * PAGE_SLOTS;

export type Numbers = Float32Array | Int32Array | Uint32Array;

/** Device memory of `length` numbers that the host writes, or reads after a pass. */
export interface Buffer<T extends Numbers = Numbers> {
  readonly id: number;
  readonly length: number;
  readonly host: T;
  /** Numbers [from, from + count) of `host` were written: they go up before the next pass. Lists need not say so. */
  wrote(from: number, count: number): void;
}
export type F32 = Buffer<Float32Array>;
export type I32 = Buffer<Int32Array>;
export type U32 = Buffer<Uint32Array>;
/** Device memory that the host sees only through `Device.read` and `write`. */
export type Hidden = Pick<F32, "id" | "length">;

/**
 * How a matrix holds its numbers: rows come as floats, which it rounds (to nearest, ties to even), or as the bytes that
 * it stores.
 */
export const WEIGHT_FORMATS = {
  f32: { name: "f32", bytesPerRow: (cols: number) => cols * 4 },
  bf16: { name: "bf16", bytesPerRow: (cols: number) => cols * 2 },
} as const;
export type WeightFormat = keyof typeof WEIGHT_FORMATS;

/** A weight matrix [rows (outputs), cols (inputs)] in the device's own layout. */
export interface Matrix {
  readonly id: number;
  readonly rows: number;
  readonly cols: number;
  readonly format: WeightFormat;
  readonly bytes: number;
}

/** How pages hold keys and values. */
export interface PageFormat {
  readonly name: string;
  /** Bytes of one page: keys, values and a position per slot. */
  bytes(headDim: number): number;
  /** May a full page be written again? Else it is sealed when it is full: no victims, no cuts. */
  readonly rewritable: boolean;
}
const plain = (name: string, bytes: number): PageFormat => ({
  name,
  bytes: (headDim) => PAGE_SLOTS * (2 * headDim * bytes + 4),
  rewritable: true,
});
export const PAGE_FORMATS = { f32: plain("f32", 4), bf16: plain("bf16", 2) } as const;
export type KvFormat = keyof typeof PAGE_FORMATS;

export interface LaneShape {
  sets: number;
  layers: number;
  kvHeads: number;
  queryHeads: number;
  headDim: number;
  format: PageFormat;
  pages: number; // in the pool, shared by all lanes
  archivePages: number; // most pages of one lane's archive, whole spans
  doomedPages: number; // ring of one lane's doomed pages, whole spans
}

/** A lane's dead slot: none; the pending key itself. Others: a slot of the archive that a victim policy emptied. */
export const DEAD_NONE = -1;
export const DEAD_PENDING = -2;
/** `window` of a set whose keys are not labelled. */
export const NO_LABELS = -1;

/**
 * The lanes' tables, in this order for every device: numbers of what, and which way they go ("up": the host's; "both":
 * passes change them and they come back; of lists' sets, and of a pass that failed too). All start as zeros. Lane
 * number = (set * layers + layer) * Hkv + KV head, where a set is one chain's (or root's) lanes. A lane is archive +
 * doomed + pending, all append-only; see DESIGN.md.
 */
export const LANE_TABLES = {
  archive: { per: "lane", goes: "both" }, // slots in the archive
  held: { per: "lane", goes: "both" }, // entries of the archive's table with a page: after a cut more than slots need
  head: { per: "lane", goes: "both" }, // doomed queue: first live logical slot
  tail: { per: "lane", goes: "both" }, // doomed queue: logical slots ever appended
  dead: { per: "lane", goes: "both" }, // dead slot
  used: { per: "lane", goes: "both" }, // spares taken by this pass
  reads: { per: "lane", goes: "both" }, // keys attended, summed over the queries of this pass
  physical: { per: "lane", goes: "both" }, // of decode attention; a span that steps share counts for the first of them
  budget: { per: "lane", goes: "up" }, // keys that a cut leaves
  firstSpare: { per: "lane", goes: "up" }, // the lane's first entry in `spare`
  spares: { per: "lane", goes: "up" }, // entries that the pass may take there, in order
  protect: { per: "set", goes: "up" }, // first positions that no cut takes
  window: { per: "set", goes: "up" }, // labelled key i serves queries up to i + window; NO_LABELS: gates mean nothing
  shift: { per: "set", goes: "up" }, // 1: the gate at token i + 1 labels key i (NVIDIA); 0: the gate at token i does
  threshold: { per: "set", goes: "up" }, // key i is evicted iff z[i + shift] > threshold; the bits of a float32
  spare: { per: "page", goes: "both" }, // pages that the pass may take; once taken: the page replaced, or -1
  places: { per: "page", goes: "both" }, // where a taken spare went: entry e of the archive's table; -1 - e: the ring's
  holders: { per: "page", goes: "up" }, // reference counts; a page with more than one holder is never written
  archiveTable: { per: "archive", goes: "up" }, // page ids [sets, spans, lanes, SPAN_PAGES]: slot s is in entry s / P
  doomedTable: { per: "doomed", goes: "up" }, // the same; slot s is in entry (s / P) mod doomedPages
} as const;
export type LaneTableName = keyof typeof LANE_TABLES;

export type Lanes = { readonly id: number; readonly shape: LaneShape; readonly bytesPerPage: number } & {
  readonly [K in LaneTableName]: I32;
};

/** Numbers in one of the lanes' tables. */
export function tableLength(name: LaneTableName, { sets, layers, kvHeads, ...shape }: LaneShape): number {
  const lanes = sets * layers * kvHeads;
  const counts = {
    lane: lanes,
    set: sets,
    page: shape.pages,
    archive: lanes * shape.archivePages,
    doomed: lanes * shape.doomedPages,
  };
  return counts[LANE_TABLES[name].per];
}

/** All of the lanes' tables, in buffers that `i32` makes. */
export function makeTables(shape: LaneShape, i32: (length: number) => I32): Record<LaneTableName, I32> {
  const names = Object.keys(LANE_TABLES) as LaneTableName[];
  return Object.fromEntries(names.map((name) => [name, i32(tableLength(name, shape))])) as Record<LaneTableName, I32>;
}

/**
 * Where entry `e` of a lane's table of `pages` entries lies; a span's entries are neighbours, and a set's first ones
 * share memory pages.
 */
export function entryAt({ layers, kvHeads }: LaneShape, pages: number, lane: number, e: number): number {
  const width = layers * kvHeads;
  const span = Math.floor(lane / width) * (pages / SPAN_PAGES) + Math.floor(e / SPAN_PAGES);
  return (span * width + (lane % width)) * SPAN_PAGES + (e % SPAN_PAGES);
}

/** What policies have a set remember on the device; nothing of it is the host's to see. Zero or false: nothing. */
export interface SetState {
  /** Scores of keys, by archive slot, per lane; the pending key's stands at index `archive`. */
  slots: number;
  /** Last queries, rotated, per layer [queries, Hq, D]. */
  queries: number;
  /** Sums over a prompt's queries before RoPE, float64, per layer and query head: q [D], then q q^T [D, D]. */
  moments: boolean;
  /**
   * Channel-wise least and greatest key of each page, [2, D] in the lanes' format; they lie with the pages, which sets
   * share.
   */
  bounds: boolean;
  /** Changes of the hidden state, by position: how far it moved at two layers, what of that ranks; room for so many. */
  changes: number;
  /** Numbers of a hidden state, of which the last of both layers stay; 0 where there are no changes. */
  width: number;
}

/** `count` items of a list: an I32 buffer, starting at item `first`. */
export interface Work {
  list: I32;
  first: number;
  count: number;
}
