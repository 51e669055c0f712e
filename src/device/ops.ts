// The operations of a pass, one description each (of policies: ranking.ts; of training: training.ts): what they take,
// of what size, and how it is used. From it come the types of their arguments, recording with its checks (recorder.ts),
// what must travel to a device that shares no memory with the host, and the header of the native kernels
// (kernels/ops.h, written by `npm run ops`). `reference/` says in plain TypeScript what each one does.
//
// Sizes are products of arguments, of a matrix's sides and of the lanes' letters: Hq query heads, Hkv KV heads, D head
// width. Rows "runs.row" are those that the items of the list `runs` name. In a list each `set` stands but once, so
// that its items may run together.
import type { Args, Field } from "./fields.ts";
import {
  choice,
  flag,
  floats,
  ints,
  lanes,
  layer,
  list,
  matrix,
  maybe,
  real,
  result,
  steps,
  table,
  whole,
} from "./fields.ts";
import { RANKING } from "./ranking.ts";
import { TRAINING } from "./training.ts";

/** Most log-probabilities that `sample` reports for one token. */
export const MAX_TOP = 20;
/**
 * Numbers per sampler. Real: temperature, top-p, min-p, repetition penalty. Whole: top-k (0: all), seed low, seed high,
 * chain.
 */
export const SAMPLER = 4;

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

  ...RANKING,
  ...TRAINING,
} as const satisfies Record<string, Record<string, Field>>;
export type OpName = keyof typeof OPS;
/** One recorded step. Calls append operations; nothing runs before `Device.run`. No operation holds a T x T matrix. */
export type Pass = { readonly [K in OpName]: (args: Args<(typeof OPS)[K]>) => void };
