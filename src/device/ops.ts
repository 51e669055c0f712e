// The operations of a pass, one description each (of training: training.ts): what they take, of what size, and how it
// is used. From it come the types of their arguments, recording with its checks (recorder.ts), what must travel to a
// device that shares no memory with the host, and the header of the native kernels (kernels/ops.h, written by `npm run
// ops`). `reference/` says in plain TypeScript what each one does.
//
// Sizes are products of arguments, of a matrix's sides and of the lanes' letters: Hq query heads, Hkv KV heads, D head
// width. Rows "runs.row" are those that the items of the list `runs` name. In a list each `set` stands but once, so
// that its items may run together.
import type { Args, Field } from "./fields.ts";
import {
  choice,
  double,
  flag,
  floats,
  ints,
  lanes,
  layer,
  list,
  matrix,
  maybe,
  positive,
  real,
  result,
  rewritable,
  steps,
  table,
  whole,
} from "./fields.ts";
import { TRAINING } from "./training.ts";

/** Most log-probabilities that `sample` reports for one token. */
export const MAX_TOP = 20;
/**
 * Numbers per sampler. Real: temperature, top-p, min-p, repetition penalty. Whole: top-k (0: all), seed low, seed high,
 * chain.
 */
export const SAMPLER = 4;

/** Whose budgets are added up and shared out to the best keys: a lane's own, a layer's lanes', all lanes' of a set. */
const share = choice("lane", "layer", "set");
/** Lanes on which scorers and `keep` act: where at least budget + slack keys live (summed over the share). */
const acts = { lanes, layer, runs: list("run"), slack: positive, share } as const;
const query = "Hq * D";
const key = "Hkv * D";

export const OPS = {
  /** out[r] = table[ids[r]]. */
  embed: { out: floats("write", "rows", "table.cols"), table: matrix, ids: ints("rows", "table"), rows: whole },
  /** out[i] = x[index[i]]; rows of `dim`. */
  gather: {
    out: floats("apart", "count", "dim"),
    x: floats("read", null, "dim"),
    index: ints("count", "x"),
    count: whole,
    dim: whole,
  },
  /** RMS norm of each row: x / sqrt(mean(x^2) + eps) * weight. out may be x. */
  norm: {
    out: floats("write", "rows", "dim"),
    x: floats("read", "rows", "dim"),
    weight: floats("read", null, "dim"),
    rows: whole,
    dim: whole,
    eps: real,
  },
  /** out[r, n] = (add ? out[r, n] : 0) + bias[n] + sum_k x[r, k] w[n, k], k ascending, one fused accumulator. */
  matmul: {
    out: floats("apart", "rows", "w.rows"),
    x: floats("read", "rows", "w.cols"),
    w: matrix,
    rows: whole,
    bias: maybe(floats("read", null, "w.rows")),
    add: flag,
  },
  /** out[r] = cos then sin of position * frequency, `half` each (angle rounded to f32 first). */
  angles: {
    out: floats("write", "rows", "2 * half"),
    positions: ints("rows"),
    frequencies: floats("read", null, "half"),
    rows: whole,
    half: whole,
  },
  /** Rotates the halves (x[j], x[j + dim / 2]) of each head in place. */
  rope: {
    x: floats("both", "rows", "heads * dim"),
    angles: floats("read", "rows", "dim"),
    rows: whole,
    heads: whole,
    dim: whole,
  },
  /** out = silu(gate) * up, elementwise; out may be gate. */
  swiglu: {
    out: floats("write", null, "count"),
    gate: floats("read", null, "count"),
    up: floats("read", null, "count"),
    count: whole,
  },
  /** x = x * Phi(x), exact (erf). */
  gelu: { x: floats("both", null, "count"), count: whole },
  /** raw[r, h] = last channel of the first query head of group h, which is then set to 0. */
  borrow: {
    raw: floats("write", "rows", "kvHeads"),
    q: floats("both", "rows", "queryHeads * dim"),
    rows: whole,
    queryHeads: whole,
    kvHeads: whole,
    dim: whole,
  },
  /** Sets those channels to 0 again (after RoPE has mixed into them). */
  blank: { q: floats("both", "rows", "queryHeads * dim"), rows: whole, queryHeads: whole, kvHeads: whole, dim: whole },
  /** Decision logits: z[r, h] = raw[r, perLayer ? 0 : h] * scale - offset. z may be raw. */
  decide: {
    z: floats("write", "rows", "kvHeads"),
    raw: floats("read", "rows", "kvHeads"),
    rows: whole,
    kvHeads: whole,
    scale: real,
    offset: real,
    perLayer: flag,
  },
  /** Which rows label: marks[r] 0: none (z = -1e30); 1: by z as it stands; 2: all (z = 1); 3: by the probe's scores. */
  mark: {
    z: floats("both", "rows", "kvHeads"),
    probed: maybe(floats("read", "rows", "kvHeads")),
    marks: ints("rows"),
    rows: whole,
    kvHeads: whole,
  },

  /**
   * Chunked-prefill attention of one layer. A query row at position q sees, of its own set: the archive; doomed keys i
   * with q - i <= window; the pending key and the chunk's keys i <= q unless labelled with q - i > window. k, v are
   * rounded to the lanes' format first; scores scaled by 1 / sqrt(D). Adds to `reads`.
   */
  attendChunk: {
    out: floats("apart", "chunks.row", query),
    q: floats("read", "chunks.row", query),
    k: floats("read", "chunks.row", key),
    v: floats("read", "chunks.row", key),
    z: maybe(floats("read", "chunks.row", "Hkv")),
    lanes,
    layer,
    chunks: list("run"),
  },
  /**
   * Keys come in, run by run (a chunk after `attendChunk`, or one decoded token before `attend`; last = the run's last
   * position): drops doomed keys i < last - window; moves the pending key and the run's keys but the last, in order,
   * into the dead slot if there is one (nowhere if the key is itself dead), else by their labels to the archive, to
   * doomed (i >= last - window), or nowhere. The last key becomes pending. Writing into a page with several holders
   * takes a spare and copies first; a page that a cut left in the archive's table is used again before a spare is.
   */
  admit: {
    k: floats("read", "runs.row", key),
    v: floats("read", "runs.row", key),
    z: maybe(floats("read", "runs.row", "Hkv")),
    lanes,
    layer,
    runs: list("run"),
  },
  /** As `admit`, of keys that another set's archive holds at the same slots as positions: nothing may have left it. */
  readmit: { z: maybe(floats("read", "copies.row", "Hkv")), lanes, layer, copies: list("copy") },
  /**
   * Decode attention, after `admit`: each run's one row over archive, doomed, pending; partials per span, merged in
   * that order. Adds to `reads` and `physical`. `archiveQuery`: queries rotated to another position, which attend to
   * the archive. `pages` (Quest, arXiv 2406.10774): where more than `budget` keys live, reads only the last page (that
   * of the pending key) and the best max(3, floor(budget / 16)) - 1 others by the sum over the group of sum_d max(q_d
   * least_d, q_d greatest_d), of equals the older; counts 16 reads per chosen page (the last: its keys) and 2 for each
   * page's bounds. `rank` (without `pages`) writes the scores of keys: "layer": mean probability over all query heads
   * of the layer (TOVA), whose lanes must hold equal numbers of keys; "group": the archive's += the group's sum, the
   * pending key's = it (H2O).
   */
  attend: {
    out: floats("apart", "steps.row", query),
    q: floats("read", "steps.row", query),
    archiveQuery: maybe(floats("read", "steps.row", query)),
    lanes,
    layer,
    steps,
    pages: flag,
    rank: choice("none", "layer", "group"),
  },
  /**
   * Copies the last archive page and the last doomed page where the two sets' tables differ, the pending key, and the
   * state that both have.
   */
  fork: { lanes, pairs: list("pair") },
  /**
   * Draws an id per item; the exact order of filters stands in `reference/sample.ts`. Logits stay as they are. An item
   * whose row is no distribution (NaN or +infinity in it, or -infinity alone) gets the id -1 and nothing else.
   */
  sample: {
    ids: result("i32", "draws", "1"),
    logprob: result("f32", "draws", "1"), // of the drawn id under the unmodified logits
    topIds: result("i32", "draws", `${MAX_TOP}`),
    topLogprobs: result("f32", "draws", `${MAX_TOP}`),
    logits: floats("read", "draws.row", "vocabulary"),
    vocabulary: whole,
    real: table("f32", "draws.sampler", `${SAMPLER}`),
    whole: table("u32", "draws.sampler", `${SAMPLER}`),
    seen: table("u32", "draws.sampler", "vocabulary / 32"), // bit: the token is in the prompt or was generated
    draws: list("draw"),
  },

  // What policies watch goes to the state of the sets (`Device.attach`).
  /** Keeps the runs' last queries: position p at p mod `queries`. */
  observe: { q: floats("read", "runs.row", query), lanes, layer, runs: list("run") },
  /**
   * Before `admit`: adds each query's attention probabilities, summed over the group; new keys start at 0. Refused
   * where a key was dropped.
   */
  sumAttention: {
    q: floats("read", "chunks.row", query),
    k: floats("read", "chunks.row", key),
    lanes,
    layer,
    chunks: list("run"),
  },
  /**
   * Before `admit`, of chunks that read on after a whole prompt over a fork of its lanes: softmax over slots below
   * `sinks`, the item's slots from..to and the keys from slot `tokens` on (causal); the scores of the item's target
   * take the greatest over group and queries.
   */
  maxAttention: {
    q: floats("read", "chunks.row", query),
    k: floats("read", "chunks.row", key),
    lanes,
    layer,
    chunks: list("repeat"),
    sinks: whole,
  },
  /** Adds a chunk's queries before RoPE at positions >= skip to the moments; a chunk at position 0 starts anew. */
  addMoments: { q: floats("read", "chunks.row", query), lanes, layer, chunks: list("run"), skip: whole },
  /**
   * After `admit` without labels: score = -z of the label of the keys that came; the gate at position p labels key p -
   * shift.
   */
  noteGates: { z: floats("read", "runs.row", "Hkv"), shift: whole, lanes, layer, runs: list("run") },
  /** After `admit`: bounds of the pages that were written, and of the last one. */
  bound: { lanes, layer, runs: list("run") },
  /** Zeroes the scores of the runs' sets (up to the pending key). */
  clear: { lanes, runs: list("run") },

  // Scorers write the scores of live keys, higher = keep, NaN below all; each item's position is the newest, t.
  /** -||k|| (Knorm). */
  scoreNorm: acts,
  /** -cos(k, mean of the normalised live keys) (KeyDiff). */
  scoreDifference: acts,
  /** A uniform number, a function of (seed, layer * Hkv + head, position). */
  scoreRandom: { ...acts, seed: whole },
  /** Divides the scores by G times the queries that saw the key, t + 1 - position (observed attention). */
  scoreMean: acts,
  /**
   * Attention of the last min(queries, t + 1) observed queries, averaged over them. over: `all`: softmax over the live
   * keys that each query may see; `others`: over keys at positions <= t - queries. group: `mean` of probabilities or
   * `max` of scores (before softmax) over the query heads of the KV head; `layer`: mean over all query heads of the
   * layer. smooth: mean or max over `kernel` (odd) neighbours in slot order among positions <= t - queries, the mean
   * with zeros beyond the ends; kernel 1: none. The last `queries` keys rank 0; with group `layer` (over all, kernel 1)
   * they rank like the others, and a layer's lanes must hold equal numbers of keys.
   */
  scoreAttention: {
    ...acts,
    queries: positive,
    over: choice("all", "others"),
    group: choice("mean", "max", "layer"),
    smooth: choice("mean", "max"),
    kernel: whole,
  },
  /**
   * R-KV: weight * score - (1 - weight) * redundancy. Redundancy: cosines of all live keys, diagonal 0; in each row the
   * last column above `similar` (column 0 where there is none) set to 0; column means; softmax.
   */
  scoreRedundancy: { ...acts, weight: real, similar: real },
  /**
   * Expected attention: queries ~ N(mean, covariance) of the moments, turned by the mean rotation of positions t + 1 ..
   * t + future: softmax over keys >= skip of mu.k / sqrt(D) + k^T Sigma k / (2 D), mean over the group, (+ epsilon) *
   * ||v|| where `values`.
   */
  scoreExpected: {
    ...acts,
    skip: whole,
    frequencies: floats("read", null, "D / 2"),
    future: positive,
    covariance: flag,
    values: flag,
    epsilon: real,
  },
  /**
   * Keeps the best keys by score, of equals the lower slot (shared budgets: lower layer, head, slot). `recent`: keys
   * newer than t - recent stay in any case, as do positions below `protect`; both count against the budget; below 1 it
   * is a share of the lane's budget, rounded down. `floor`: share of its own budget that a lane keeps in any case.
   * `replace`: one key too many leaves a dead slot for the newcomer (order is lost). Else gaps close in order, in place
   * or (where others hold a page) into spares; scores move along, and the pages past the new end stay in the table for
   * the host. Layers [layer, layer + layers): more than one only for share `set`. No doomed keys, no dead slot.
   */
  keep: { ...acts, lanes: rewritable, layers: positive, recent: double, floor: double, replace: flag },
  ...TRAINING,
} as const satisfies Record<string, Record<string, Field>>;
export type OpName = keyof typeof OPS;
/** One recorded step. Calls append operations; nothing runs before `Device.run`. No operation holds a T x T matrix. */
export type Pass = { readonly [K in OpName]: (args: Args<(typeof OPS)[K]>) => void };
