// Turns the calls of `Keeping` into words.
import { HyperthinkError } from "../../base/errors.ts";
import {
  type Board,
  type Buffer,
  boundsLength,
  CHUNK,
  type Hidden,
  type Lanes,
  type Ring,
  STEP,
  type Work,
} from "../device.ts";
import { type Keeping, REPLAY, type Scorer } from "../keeping.ts";
import { GROUPS, KINDS, type OpName, OVERS, POOLS, SMOOTHINGS } from "../native.ts";
import { bits, wide } from "./words.ts";

/** The checks and the pen of a recording. */
export interface Pen {
  start(op: OpName): void;
  push(...args: number[]): void;
  /** The id of a buffer, found long enough. */
  at(buffer: Hidden | Buffer, least: number): number;
  own(lanes: Lanes): number;
  layerOf(lanes: Lanes, layer: number): number;
  work(work: Work, width: number): [number, number, number];
}

/** Whole numbers beyond what 32 bits hold act like the greatest. */
const clamped = (x: number) => Math.max(-(2 ** 31 - 1), Math.min(Math.ceil(x), 2 ** 31 - 1));

export function keeping({ start, push, at, own, layerOf, work }: Pen): Keeping {
  const lanesIn = ({ shape }: Lanes) => shape.sets * shape.layers * shape.kvHeads;
  const ranks = (board: Board, lanes: Lanes) => [at(board.scores, lanesIn(lanes) * board.stride), board.stride];
  const place = (lanes: Lanes, layer: number) => [own(lanes), layerOf(lanes, layer)];
  const refuse = (message: string) => new HyperthinkError("bad-argument", message);
  function queries(ring: Ring, { shape }: Lanes): [number, number] {
    const width = shape.queryHeads * shape.headDim;
    return [at(ring.q, shape.sets * shape.layers * ring.queries * width), ring.queries];
  }
  function sums(moments: Hidden, { shape }: Lanes): number {
    const { sets, layers, queryHeads, headDim } = shape;
    return at(moments, sets * layers * queryHeads * (headDim + headDim * headDim) * 2);
  }
  /** Five words of the kind, then its buffers. */
  function parameters(scorer: Scorer, lanes: Lanes, ring: Ring | null): number[] {
    switch (scorer.kind) {
      case "random":
        return [scorer.seed | 0, 0, 0, 0, 0, -1, -1];
      case "attention":
        if (!ring || !(scorer.queries >= 1 && scorer.queries <= ring.queries))
          throw refuse(`score: expected a ring of at least ${scorer.queries} queries, got ${ring?.queries ?? "none"}`);
        return [
          ...[scorer.queries, OVERS[scorer.over], GROUPS[scorer.group], SMOOTHINGS[scorer.pool], scorer.kernel],
          ...[-1, -1],
        ];
      case "redundancy":
        return [bits(scorer.weight), bits(scorer.similar), 0, 0, 0, -1, -1];
      case "expected": {
        const { moments, future, covariance, values, epsilon } = scorer;
        const flags = [covariance ? 1 : 0, values ? 1 : 0];
        const buffers = [sums(moments.sums, lanes), at(scorer.frequencies, lanes.shape.headDim / 2)];
        return [future, ...flags, bits(epsilon), moments.skip, ...buffers];
      }
      default:
        return [0, 0, 0, 0, 0, -1, -1];
    }
  }

  return {
    mark(z, flags, rows, kvHeads, fill) {
      start("mark");
      push(at(z, rows * kvHeads), at(flags, rows), rows, kvHeads, fill ? 1 : 0);
    },
    gelu(x, count) {
      start("gelu");
      push(at(x, count), count);
    },
    remember(ring, q, lanes, layer, list, chunk) {
      start("remember");
      const items = work(list, chunk ? CHUNK : STEP);
      push(...queries(ring, lanes), at(q, 0), ...place(lanes, layer), ...items, chunk ? 1 : 0);
    },
    sum(board, q, k, lanes, layer, chunks) {
      start("sum");
      push(...ranks(board, lanes), at(q, 0), at(k, 0), ...place(lanes, layer), ...work(chunks, CHUNK));
    },
    clear(board, lanes, steps) {
      start("clear");
      push(...ranks(board, lanes), own(lanes), ...work(steps, STEP));
    },
    gather(moments, q, lanes, layer, chunks) {
      start("gather");
      push(sums(moments.sums, lanes), moments.skip, at(q, 0), ...place(lanes, layer), ...work(chunks, CHUNK));
    },
    note(board, z, shift, lanes, layer, list, chunk) {
      start("note");
      const items = work(list, chunk ? CHUNK : STEP);
      push(...ranks(board, lanes), at(z, 0), shift, ...place(lanes, layer), ...items, chunk ? 1 : 0);
    },
    bound(bounds, lanes, layer, list, chunk) {
      start("bound");
      const all = at(bounds, boundsLength(lanes.shape));
      push(all, ...place(lanes, layer), ...work(list, chunk ? CHUNK : STEP), chunk ? 1 : 0);
    },
    weigh(board, scores, lanes, layer, steps, add) {
      start("weigh");
      const heads = steps.count * lanes.shape.queryHeads;
      const weights = [at(scores.raw, heads * scores.stride), at(scores.lse, heads), scores.stride];
      push(...ranks(board, lanes), ...weights, ...place(lanes, layer), ...work(steps, STEP), add ? 1 : 0);
    },
    score(board, ring, lanes, layer, steps, rule, scorer) {
      start("score");
      const asked = ring ? queries(ring, lanes) : [-1, 0];
      const acts = [clamped(rule.slack), POOLS[rule.pool], KINDS[scorer.kind]];
      const where = [...place(lanes, layer), ...work(steps, STEP)];
      push(...ranks(board, lanes), ...asked, ...where, ...acts, ...parameters(scorer, lanes, ring));
    },
    keep(board, lanes, layer, layers, steps, rule) {
      start("keep");
      if (!(layers >= 1 && layer + layers <= lanes.shape.layers))
        throw refuse(`keep: expected layers up to ${lanes.shape.layers}, got ${layer} to ${layer + layers}`);
      const where = [...place(lanes, layer), layers, ...work(steps, STEP)];
      const acts = [clamped(rule.slack), ...wide(rule.recent), POOLS[rule.pool], ...wide(rule.floor)];
      push(...ranks(board, lanes), ...where, ...acts, rule.replace ? 1 : 0);
    },
    replay(board, q, k, lanes, layer, items, sinks) {
      start("replay");
      push(...ranks(board, lanes), at(q, 0), at(k, 0), ...place(lanes, layer), ...work(items, REPLAY), sinks);
    },
  };
}
