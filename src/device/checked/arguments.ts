// What can be checked as an operation is recorded: sizes and ranges.
import { HyperthinkError } from "../../base/errors.ts";
import {
  type Board,
  type Bounds,
  type Buffer,
  boundsLength,
  type Hidden,
  type Labels,
  type Lanes,
  type Matrix,
  type Moments,
  type Ring,
  type Scores,
  type Work,
} from "../device.ts";

export interface Sized {
  readonly length: number;
}

export function fail(op: string, expected: string, got: string): never {
  throw new HyperthinkError("bad-argument", `${op}: expected ${expected}, got ${got}`);
}

export function whole(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) fail(op, `${name} to be a whole number >= ${least}`, `${value}`);
  return value;
}

export function atLeast(op: string, name: string, buffer: Sized, length: number): void {
  if (!(buffer.length >= length)) fail(op, `${name} of at least ${length} numbers`, `${buffer.length}`);
}

export function exactly(op: string, name: string, buffer: Sized, length: number): void {
  if (buffer.length !== length) fail(op, `${name} of ${length} numbers`, `${buffer.length}`);
}

export function apart(op: string, a: string, x: Hidden | Buffer, b: string, y: Hidden | Buffer | Matrix): void {
  if (x === y) fail(op, `${a} and ${b} to be two buffers`, "one for both");
}

export function groups(op: string, queryHeads: number, kvHeads: number): void {
  if (!(kvHeads >= 1) || queryHeads % kvHeads !== 0) {
    fail(op, "query heads to be a multiple of KV heads", `${queryHeads} and ${kvHeads}`);
  }
}

export function range(op: string, work: Work, width: number): void {
  whole(op, "first", work.first, 0);
  whole(op, "count", work.count, 0);
  atLeast(op, "list", work.list, (work.first + work.count) * width);
}

export function work(op: string, lanes: Lanes, layer: number, list: Work, width: number, labels: Labels | null): void {
  range(op, list, width);
  if (!Number.isInteger(layer) || layer < 0 || layer >= lanes.shape.layers) {
    fail(op, `a layer below ${lanes.shape.layers}`, `${layer}`);
  }
  if (!labels) return;
  whole(op, "window", labels.window, 0);
  if (labels.shift !== 0 && labels.shift !== 1) fail(op, "shift 0 or 1", `${labels.shift}`);
  if (Number.isNaN(labels.threshold)) fail(op, "a threshold", "NaN");
}

export function scoreSizes(op: string, lanes: Lanes, steps: Work, scores: Scores): void {
  whole(op, "stride", scores.stride, 1);
  atLeast(op, "raw", scores.raw, steps.count * lanes.shape.queryHeads * scores.stride);
  atLeast(op, "lse", scores.lse, steps.count * lanes.shape.queryHeads);
}

export function boardSize(op: string, lanes: Lanes, board: Board): void {
  const { sets, layers, kvHeads } = lanes.shape;
  whole(op, "the board's stride", board.stride, 1);
  atLeast(op, "board", board.scores, sets * layers * kvHeads * board.stride);
}

export function ringSize(op: string, lanes: Lanes, ring: Ring): void {
  const { sets, layers, queryHeads, headDim } = lanes.shape;
  whole(op, "the ring's queries", ring.queries, 1);
  atLeast(op, "ring", ring.q, sets * layers * ring.queries * queryHeads * headDim);
}

export function boundsSize(op: string, lanes: Lanes, bounds: Bounds): void {
  atLeast(op, "bounds", bounds, boundsLength(lanes.shape));
}

export function momentsSize(op: string, { shape }: Lanes, { sums, skip }: Moments): void {
  const { sets, layers, queryHeads, headDim } = shape;
  whole(op, "skip", skip, 0);
  atLeast(op, "sums", sums, sets * layers * queryHeads * (headDim + headDim * headDim) * 2);
}

/** Rows that all these buffers hold. */
export function rowsOf(
  lanes: Lanes,
  query: Record<string, Hidden>,
  kv: Record<string, Hidden>,
  labels: Labels | null,
): number {
  const { queryHeads, kvHeads, headDim } = lanes.shape;
  return Math.min(
    ...Object.values(query).map((x) => Math.floor(x.length / (queryHeads * headDim))),
    ...Object.values(kv).map((x) => Math.floor(x.length / (kvHeads * headDim))),
    ...(labels ? [Math.floor(labels.z.length / kvHeads)] : []),
  );
}
