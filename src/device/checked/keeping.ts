// Checks of the operations in which policies rank and keep.
import { CHUNK, type Lanes, type Pass, type Ring, STEP, type Work } from "../device.ts";
import { type Keeping, REPLAY, type Rule, type Scorer } from "../keeping.ts";
import {
  atLeast,
  boardSize,
  boundsSize,
  exactly,
  fail,
  momentsSize,
  range,
  ringSize,
  rowsOf,
  scoreSizes,
  whole,
  work,
} from "./arguments.ts";
import type { Use } from "./tables.ts";

export function checkedKeeping(pass: Pass, uses: Use[]): Keeping {
  /** A list of chunks or steps over `rows` rows; `stride` is what the board has for a lane. */
  function list(op: string, lanes: Lanes, layer: number, items: Work, chunk: boolean, rows: number, stride?: number) {
    work(op, lanes, layer, items, chunk ? CHUNK : STEP, null);
    uses.push({ op, kind: chunk ? "chunk" : "step", lanes, work: items, rows, stride });
  }
  const steps = (op: string, lanes: Lanes, layer: number, items: Work, stride: number) =>
    list(op, lanes, layer, items, false, Number.POSITIVE_INFINITY, stride);

  return {
    mark(z, flags, rows, kvHeads, fill) {
      whole("mark", "rows", rows, 0);
      whole("mark", "KV heads", kvHeads, 1);
      atLeast("mark", "z", z, rows * kvHeads);
      atLeast("mark", "flags", flags, rows);
      pass.mark(z, flags, rows, kvHeads, fill);
    },
    gelu(x, count) {
      whole("gelu", "count", count, 0);
      atLeast("gelu", "x", x, count);
      pass.gelu(x, count);
    },
    remember(ring, q, lanes, layer, items, chunk) {
      ringSize("remember", lanes, ring);
      list("remember", lanes, layer, items, chunk, rowsOf(lanes, { q }, {}, null));
      pass.remember(ring, q, lanes, layer, items, chunk);
    },
    sum(board, q, k, lanes, layer, chunks) {
      boardSize("sum", lanes, board);
      list("sum", lanes, layer, chunks, true, rowsOf(lanes, { q }, { k }, null), board.stride);
      pass.sum(board, q, k, lanes, layer, chunks);
    },
    clear(board, lanes, items) {
      boardSize("clear", lanes, board);
      steps("clear", lanes, 0, items, board.stride);
      pass.clear(board, lanes, items);
    },
    gather(moments, q, lanes, layer, chunks) {
      momentsSize("gather", lanes, moments);
      list("gather", lanes, layer, chunks, true, rowsOf(lanes, { q }, {}, null));
      pass.gather(moments, q, lanes, layer, chunks);
    },
    note(board, z, shift, lanes, layer, items, chunk) {
      boardSize("note", lanes, board);
      if (shift !== 0 && shift !== 1) fail("note", "shift 0 or 1", `${shift}`);
      list("note", lanes, layer, items, chunk, Math.floor(z.length / lanes.shape.kvHeads));
      pass.note(board, z, shift, lanes, layer, items, chunk);
    },
    bound(bounds, lanes, layer, items, chunk) {
      boundsSize("bound", lanes, bounds);
      list("bound", lanes, layer, items, chunk, Number.POSITIVE_INFINITY);
      pass.bound(bounds, lanes, layer, items, chunk);
    },
    weigh(board, scores, lanes, layer, items, add) {
      boardSize("weigh", lanes, board);
      scoreSizes("weigh", lanes, items, scores);
      steps("weigh", lanes, layer, items, Math.min(board.stride, scores.stride));
      pass.weigh(board, scores, lanes, layer, items, add);
    },
    score(board, ring, lanes, layer, items, rule, scorer) {
      boardSize("score", lanes, board);
      if (ring) ringSize("score", lanes, ring);
      ruleRanges("score", rule);
      scorerRanges(lanes, ring, scorer);
      steps("score", lanes, layer, items, board.stride);
      pass.score(board, ring, lanes, layer, items, rule, scorer);
    },
    keep(board, lanes, layer, layers, items, rule) {
      boardSize("keep", lanes, board);
      ruleRanges("keep", rule);
      steps("keep", lanes, layer, items, board.stride);
      whole("keep", "layers", layers, 1);
      if (layer + layers > lanes.shape.layers)
        fail("keep", `layers up to ${lanes.shape.layers}`, `${layer} to ${layer + layers}`);
      if (layers > 1 && rule.pool !== "set") fail("keep", "one layer where the pool is no set", `${layers}`);
      pass.keep(board, lanes, layer, layers, items, rule);
    },
    replay(board, q, k, lanes, layer, items, sinks) {
      boardSize("replay", lanes, board);
      work("replay", lanes, layer, { ...items, count: 0 }, REPLAY, null);
      range("replay", items, REPLAY);
      whole("replay", "sinks", sinks, 0);
      const rows = rowsOf(lanes, { q }, { k }, null);
      uses.push({ op: "replay", kind: "replay", lanes, work: items, rows, stride: board.stride });
      pass.replay(board, q, k, lanes, layer, items, sinks);
    },
  };
}

function ruleRanges(op: string, { slack, recent, pool, floor }: Rule): void {
  whole(op, "slack", slack, 1);
  if (!(recent >= 0) || (recent >= 1 && !Number.isInteger(recent)))
    fail(op, "recent keys, a whole number or a share below 1", `${recent}`);
  if (!["lane", "layer", "set"].includes(pool)) fail(op, "a pool of a lane, a layer or a set", pool);
  share(op, "floor", floor);
}

function scorerRanges(lanes: Lanes, ring: Ring | null, scorer: Scorer): void {
  const op = `score by ${scorer.kind}`;
  switch (scorer.kind) {
    case "random":
      finite(op, "seed", scorer.seed);
      break;
    case "attention": {
      const { queries, over, group, kernel } = scorer;
      if (!ring) fail(op, "a ring", "none");
      whole(op, "queries", queries, 1);
      if (queries > ring.queries) fail(op, `queries up to the ring's ${ring.queries}`, `${queries}`);
      if (whole(op, "kernel", kernel, 1) % 2 === 0) fail(op, "an odd kernel", `${kernel}`);
      if (group === "layer" && (over !== "all" || kernel !== 1))
        fail(op, "softmax over all keys and kernel 1 for a layer", `over ${over}, kernel ${kernel}`);
      break;
    }
    case "redundancy":
      share(op, "weight", scorer.weight);
      finite(op, "similar", scorer.similar);
      break;
    case "expected":
      momentsSize(op, lanes, scorer.moments);
      exactly(op, "frequencies", scorer.frequencies, lanes.shape.headDim / 2);
      whole(op, "future", scorer.future, 1);
      finite(op, "epsilon", scorer.epsilon);
  }
}

function share(op: string, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) fail(op, `${name} from 0 to 1`, `${value}`);
}

function finite(op: string, name: string, value: number): void {
  if (!Number.isFinite(value)) fail(op, `a finite ${name}`, `${value}`);
}
