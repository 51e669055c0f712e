// What every device checks about single arguments; the messages name the operation, what was expected, and what came.
import { badArgument } from "../base/errors.ts";
import { type LaneShape, type Matrix, SPAN_PAGES, WEIGHT_FORMATS } from "./device.ts";

export function fail(op: string, expected: string, got: string): never {
  throw badArgument(`${op}: expected ${expected}, got ${got}`);
}

export function atLeast(op: string, name: string, buffer: { length: number }, length: number): void {
  if (!(buffer.length >= length)) fail(op, `${name} of at least ${length} numbers`, `${buffer.length}`);
}

export function whole(op: string, name: string, value: number, least = 0): void {
  if (!Number.isInteger(value) || value < least) fail(op, `${name} to be a whole number >= ${least}`, `${value}`);
}

/** A whole number in [0, below). */
export function within(op: string, name: string, value: number, below: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value < below)) fail(op, `${name} below ${below}`, `${value}`);
}

export function checkShape(shape: LaneShape): void {
  for (const name of ["sets", "layers", "kvHeads", "queryHeads", "headDim", "pages", "archivePages"] as const)
    whole("lanes", name, shape[name], 1);
  whole("lanes", "doomedPages", shape.doomedPages);
  for (const name of ["archivePages", "doomedPages"] as const)
    if (shape[name] % SPAN_PAGES !== 0) fail("lanes", `${name} in whole spans of ${SPAN_PAGES}`, `${shape[name]}`);
  if (shape.queryHeads % shape.kvHeads !== 0)
    fail("lanes", "query heads to be a multiple of KV heads", `${shape.queryHeads} and ${shape.kvHeads}`);
}

/** Rows that `values` are of `matrix`, from row `first` on. */
export function matrixRows(op: string, matrix: Matrix, first: number, values: Float32Array | Uint8Array): number {
  whole(op, "first", first);
  const bytes = values instanceof Uint8Array;
  const per = bytes ? WEIGHT_FORMATS[matrix.format].bytesPerRow(matrix.cols) : matrix.cols;
  const rows = values.length / per;
  if (!Number.isInteger(rows)) fail(op, `whole rows of ${per} ${bytes ? "bytes" : "numbers"}`, `${values.length}`);
  if (first + rows > matrix.rows) fail(op, `rows below ${matrix.rows}`, `${first} to ${first + rows - 1}`);
  return rows;
}
