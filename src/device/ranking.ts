// The operations of policies, described as all are (ops.ts): what is watched while keys come and queries run, how keys
// are ranked, which of them stay.
import { choice, double, flag, floats, lanes, layer, list, positive, real, rewritable, whole } from "./fields.ts";

/** Whose budgets are added up and shared out to the best keys: a lane's own, a layer's lanes', all lanes' of a set. */
const share = choice("lane", "layer", "set");
/** Lanes on which scorers and `keep` act: where at least budget + slack keys live (summed over the share). */
const acts = { lanes, layer, runs: list("run"), slack: positive, share } as const;
const query = "Hq * D";
const key = "Hkv * D";

export const RANKING = {
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
  /**
   * Hidden states x, token by token: how far each moved, c(p) = ||x(p) - x(p - 1)||, 0 at position 0, and where that
   * stands among the set's last `window`, z(p) = (c(p) - mean) / (deviation + 1e-6), 0 where it is alone. Positions
   * below `protect` have no c. A position's rank is z at one layer; at a later one (`late`) its z is taken off.
   */
  noteChange: {
    x: floats("read", "runs.row", "dim"),
    dim: positive,
    lanes,
    runs: list("run"),
    window: positive,
    late: flag,
  },
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
  /** What `noteChange` left of a key's position (EpiKV); of one that it has not seen, nothing in particular. */
  scoreChange: acts,
  /**
   * A draw in proportion to the scores, without return: score / -ln(u + 2^-25), u a uniform number, a function of
   * (seed, t, layer * Hkv + head, position). The n highest are what n draws would take, each of what is left (VaSE).
   */
  scoreDraw: { ...acts, seed: whole },
  /**
   * Of floor(part * budget) keys, those at positions below `protect` among them, the others get Infinity: those at
   * positions <= t - recent whose values have the largest range, max - min over channels, of equals the lower slot
   * (VaSE).
   */
  scoreRange: { ...acts, part: double, recent: whole },
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
} as const;
