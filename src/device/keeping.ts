// What policies ask of a pass: to watch queries and keys, to rank keys, to keep the best of them. Part of the contract of
// device.ts, with its letters; a work list holds STEP items unless it says CHUNK. No operation holds a T x T matrix.
import type { Buffer, F32, Hidden, I32, Lanes, Scores, Work } from "./device.ts";

/** Ranks of keys, higher = keep, NaN below all: [lanes, stride] by archive slot; the pending key's stands at index `archive`. */
export interface Board {
  scores: Hidden | Buffer<Float32Array>;
  stride: number;
}

/** The last queries of each chain, rotated: [sets, layers, queries, Hq, D]; position p lies at p mod `queries`. */
export interface Ring {
  q: Hidden;
  queries: number;
}

/** Sums over a prompt's queries before RoPE as float64 in pairs of numbers: [sets, layers, Hq, D + D * D] x 2: q, then q q^T. */
export interface Moments {
  sums: Hidden;
  /** First positions left out. */
  skip: number;
}

/** Channel-wise least and greatest key of each page: [pages, 2, D] in the lanes' dtype, so exact (bf16: two to a number). */
export type Bounds = Hidden;

/** How decode attention differs from reading every key with one query. */
export interface Reading {
  /** [rows, Hq, D] a second copy of the queries, rotated to another position, which attends to the archive. */
  archiveQuery: Hidden | null;
  /**
   * Reads only some pages (Quest, arXiv 2406.10774): where more than `budget[lane]` keys live, the last page (that of the
   * pending key) and the best max(3, floor(budget / P)) - 1 others by the sum over the group of sum_d max(q_d least_d,
   * q_d greatest_d), of equals the older page. Not together with `Scores`, which hold every key's. Counts P reads a chosen page
   * (the last: its keys) and 2 for each page's bounds.
   */
  select: Bounds | null;
}

/** When and how many keys stay. Budgets are the lanes' own (`Lanes.budget`). */
export interface Rule {
  /** Acts on lanes (pool: on their sum) with at least budget + slack live keys; >= 1. */
  slack: number;
  /**
   * Keys newer than t - recent stay in any case, as do positions below `Lanes.protect`; both count against the budget. Below 1
   * it is a share of the lane's budget, rounded down.
   */
  recent: number;
  /** Whose budgets are added up and shared out to the best keys: each lane's own, a layer's lanes', all lanes' of a set. */
  pool: "lane" | "layer" | "set";
  /** Pools: share of its own budget that a lane keeps in any case. */
  floor: number;
  /** One key too many leaves a dead slot for the newcomer (order is lost) instead of closing the gap. */
  replace: boolean;
}

/** Ranks the live keys of a lane; t is the newest position. Runs where the rule acts, in the order of a list. */
export type Scorer =
  /** -||k|| (Knorm). */
  | { kind: "norm" }
  /** -cos(k, mean of the normalised live keys) (KeyDiff). */
  | { kind: "difference" }
  /** A uniform number, a function of (seed, layer * Hkv + head, position). */
  | { kind: "random"; seed: number }
  /** Divides what stands on the board by G times the queries that saw the key, t + 1 - position (observed attention). */
  | { kind: "mean" }
  /**
   * Attention of the last min(queries, t + 1) queries, averaged over them. The ring must hold as many.
   * over: `all`: softmax over the live keys that each query may see; `others`: over keys at positions <= t - queries.
   * group: `mean` of probabilities or `max` of scores (before softmax) over the query heads of the KV head; `layer`: mean over all
   * query heads of the layer. pool: mean or max over `kernel` (odd) neighbours in slot order among positions <= t - queries,
   * the mean with zeros beyond the ends; kernel 1: none. The last `queries` keys rank 0; with group `layer` (over all, kernel 1)
   * they rank like the others, and a slot is one key's in all lanes of the layer: refused where these hold unlike numbers of keys.
   */
  | {
      kind: "attention";
      queries: number;
      over: "all" | "others";
      group: "mean" | "max" | "layer";
      pool: "mean" | "max";
      kernel: number;
    }
  /**
   * R-KV: board = weight * board - (1 - weight) * redundancy. Redundancy: cosines of all live keys, diagonal 0; in each row the
   * last column above `similar` (column 0 where there is none) set to 0; column means; softmax.
   */
  | { kind: "redundancy"; weight: number; similar: number }
  /**
   * Expected attention: queries ~ N(mean, covariance) of the moments, turned by the mean rotation of positions t + 1 .. t + future:
   * softmax over keys >= skip of mu.k / sqrt(D) + k^T Sigma k / (2 D), mean over the group, (+ epsilon) * ||v|| where `values`.
   */
  | {
      kind: "expected";
      moments: Moments;
      frequencies: F32;
      future: number;
      covariance: boolean;
      values: boolean;
      epsilon: number;
    };

/** Numbers an item of a replay list: a chunk's four, then the set whose board is written, first and last + 1 slot, its tokens. */
export const REPLAY = 8;

export interface Keeping {
  /** Each row's z (row, head) = flags[row] ? (fill ? 1 : z) : -1e30; [rows, Hkv]. */
  mark(z: Hidden, flags: I32, rows: number, kvHeads: number, fill: boolean): void;
  /** x = x * Phi(x), exact (erf). */
  gelu(x: Hidden, count: number): void;
  /** Stores the rows' queries in the ring: of a CHUNK list, the last ones of each chunk; else of steps. q [rows, Hq, D]. */
  remember(ring: Ring, q: Hidden, lanes: Lanes, layer: number, work: Work, chunk: boolean): void;
  /**
   * Before `admitChunk`: adds each chunk query's attention probabilities, summed over the group, to the board; new keys start
   * at 0. Refused where a key was dropped: slot = position must hold. CHUNK list; k [rows, Hkv, D].
   */
  sum(board: Board, q: Hidden, k: Hidden, lanes: Lanes, layer: number, chunks: Work): void;
  /** Zeroes the board of all lanes of the steps' sets (up to the pending key). */
  clear(board: Board, lanes: Lanes, steps: Work): void;
  /** Adds a chunk's queries (before RoPE) at positions >= skip; a chunk at position 0 starts anew. CHUNK list. */
  gather(moments: Moments, q: Hidden, lanes: Lanes, layer: number, chunks: Work): void;
  /** After admit(Chunk) without labels: board = -z of the label (z [rows, Hkv]; `shift` as in `Labels`) of the keys that came. */
  note(board: Board, z: Hidden, shift: 0 | 1, lanes: Lanes, layer: number, work: Work, chunk: boolean): void;
  /** After admit(Chunk): bounds of the pages that were written, and of the last one. */
  bound(bounds: Bounds, lanes: Lanes, layer: number, work: Work, chunk: boolean): void;
  /**
   * After `attend`: the newest query's probabilities. `add` false: board = mean over all query heads of the layer (TOVA),
   * refused where its lanes hold unlike numbers of keys.
   * True: the board of the archive += the sum over the group, of the pending key = it (H2O).
   */
  weigh(board: Board, scores: Scores, lanes: Lanes, layer: number, steps: Work, add: boolean): void;
  /** Writes the board of lanes on which the rule acts. */
  score(board: Board, ring: Ring | null, lanes: Lanes, layer: number, steps: Work, rule: Rule, scorer: Scorer): void;
  /**
   * Keeps the best keys by the board, of equals the lower slot (pools: lower layer, head, slot). Closes gaps in order, in
   * place or (where others hold a page) into spares; the board moves along, and the pages past the new end stay in the table
   * for the host. Layers [layer, layer + layers): more than one only for pool `set`. No doomed keys, no dead slot.
   */
  keep(board: Board, lanes: Lanes, layer: number, layers: number, steps: Work, rule: Rule): void;
  /**
   * KVzip: queries of a chunk that replays a prompt over a fork of its lanes (before `admitChunk`). Probabilities by softmax over
   * slots below `sinks`, the item's slots, and replayed keys (slots >= its tokens, then the chunk's, causal); the board of the
   * item's set takes the greatest over group and queries. Refused where the fork has dropped a key, as `sum` is.
   */
  replay(board: Board, q: Hidden, k: Hidden, lanes: Lanes, layer: number, items: Work, sinks: number): void;
}
