// What policies have a pass remember: queries, sums of probabilities, moments, gates.

import { inOrder, labelKeys, rowKeys } from "./admit.ts";
import { headsOf, logits, probabilities, queryAt } from "./attention.ts";
import type { Given, Run } from "./given.ts";
import { changesOf, momentsOf, queryOf, scoresOf } from "./state.ts";
import { archiveKeys, type Key, type LaneStore, laneOf } from "./store.ts";

export function observe({ q, lanes, layer, runs }: Given<"observe">): void {
  const width = lanes.shape.queryHeads * lanes.shape.headDim;
  for (const { set, row, rows, position } of runs)
    for (let i = Math.max(0, rows - Math.max(1, lanes.states[set].queries)); i < rows; i++)
      queryOf(lanes, set, layer, position + i, 1).set(q.subarray((row + i) * width, (row + i + 1) * width));
}

/** Keys of the archive, the pending one and a chunk's, each in the slot of its position. */
function keysSoFar(store: LaneStore, k: Float32Array, lane: number, h: number, chunk: Run): Key[] {
  const keys = [...archiveKeys(store, lane), ...labelKeys(store, rowKeys(store, k, k, chunk, h), lane, h, chunk, null)];
  inOrder(lane, keys, chunk.position + chunk.rows);
  return keys;
}

export function sumAttention({ q, k, lanes, layer, chunks }: Given<"sumAttention">): void {
  for (const chunk of chunks) {
    const { row, rows, set, position: first } = chunk;
    for (let h = 0; h < lanes.shape.kvHeads; h++) {
      const lane = laneOf(lanes, set, layer, h);
      const keys = keysSoFar(lanes, k, lane, h, chunk);
      const scores = scoresOf(lanes, lane, first + rows);
      scores.fill(0, first);
      for (let i = 0; i < rows; i++)
        for (const j of headsOf(lanes, h)) {
          const p = probabilities(logits(queryAt(lanes, q, row + i, j), keys.slice(0, first + i + 1)));
          for (const [s, x] of p.entries()) scores[s] += x;
        }
    }
  }
}

export function maxAttention({ q, k, lanes, layer, chunks, sinks }: Given<"maxAttention">): void {
  for (const chunk of chunks) {
    const { set, row, rows, position: first, target, from, to, tokens } = chunk;
    for (let h = 0; h < lanes.shape.kvHeads; h++) {
      const keys = keysSoFar(lanes, k, laneOf(lanes, set, layer, h), h, chunk);
      const scores = scoresOf(lanes, laneOf(lanes, target, layer, h), to);
      const slots = [...keys.keys()].filter((s) => s < sinks || (s >= from && s < to) || s >= tokens);
      for (let i = 0; i < rows; i++)
        for (const j of headsOf(lanes, h)) {
          const seen = slots.filter((s) => s <= first + i);
          const x = seen.map((s) => keys[s]);
          const p = probabilities(logits(queryAt(lanes, q, row + i, j), x));
          for (const [n, s] of seen.entries()) if (s >= from && s < to) scores[s] = Math.max(scores[s], p[n]);
        }
    }
  }
}

export function addMoments({ q, lanes, layer, chunks, skip }: Given<"addMoments">): void {
  const { queryHeads, headDim: D } = lanes.shape;
  for (const { set, row, rows, position: first } of chunks)
    for (let j = 0; j < queryHeads; j++) {
      const own = momentsOf(lanes, set, layer, j);
      if (first === 0) own.fill(0);
      for (let i = Math.max(0, skip - first); i < rows; i++) {
        const x = queryAt(lanes, q, row + i, j);
        for (let a = 0; a < D; a++) {
          own[a] += x[a];
          for (let b = 0; b < D; b++) own[D + a * D + b] += x[a] * x[b];
        }
      }
    }
}

export function noteGates({ z, shift, lanes, layer, runs }: Given<"noteGates">): void {
  const { kvHeads } = lanes.shape;
  for (const { set, row, rows, position } of runs)
    for (let h = 0; h < kvHeads; h++) {
      const lane = laneOf(lanes, set, layer, h);
      const archive = lanes.archive.host[lane];
      const scores = scoresOf(lanes, lane, archive + 1);
      // The newest key, at slot `archive`, has position + rows - 1; the gate at position p labels key p - shift.
      for (let i = 0; i < rows; i++)
        if (position + i - shift >= 0) scores[archive - (rows - 1 - i) - shift] = -z[(row + i) * kvHeads + h];
    }
}

export function noteChange({ x, dim, lanes, runs, window, late }: Given<"noteChange">): void {
  for (const { set, row, rows, position: first } of runs) {
    const { last, moved, standing } = changesOf(lanes, set, first + rows, dim);
    const [before, changes] = [last[Number(late)], moved[Number(late)]];
    const from = lanes.protect.host[set];
    for (let i = 0; i < rows; i++) {
      const p = first + i;
      const now = x.subarray((row + i) * dim, (row + i + 1) * dim);
      if (p >= from) {
        changes[p] = p === 0 ? 0 : Math.sqrt(now.reduce((sum, y, d) => sum + (y - before[d]) ** 2, 0));
        const z = standingOf(changes.subarray(Math.max(from, p + 1 - window), p + 1));
        standing[p] = late ? standing[p] - z : z;
      }
      before.set(now);
    }
  }
}

/** Deviations of the last of some changes from their mean. */
function standingOf(changes: Float32Array): number {
  const mean = changes.reduce((sum, c) => sum + c, 0) / changes.length;
  const variance = changes.reduce((sum, c) => sum + (c - mean) ** 2, 0) / changes.length;
  return changes.length < 2 ? 0 : (changes[changes.length - 1] - mean) / (Math.sqrt(variance) + 1e-6);
}

export function clear({ lanes, runs }: Given<"clear">): void {
  const width = lanes.shape.layers * lanes.shape.kvHeads;
  for (const { set } of runs)
    for (let lane = set * width; lane < (set + 1) * width; lane++)
      scoresOf(lanes, lane, lanes.archive.host[lane] + 1).fill(0);
}
