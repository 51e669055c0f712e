// The device contract: buffers, weights, a paged KV store, passes. The operations of a pass stand in ops.ts.
//
// Host and device share no memory. What the host writes goes up before a pass (lists that an operation names by
// themselves, tables when `wrote` is called); what a pass leaves in results and in the lanes' counters has come back
// when `run` resolves. A device may still let one memory serve both sides. Shapes are row-major; a device may split a
// buffer along its first dimension, since none may need a binding of more than 128 MiB.

import type { F32, Hidden, I32, LaneShape, Lanes, Matrix, SetState, U32, WeightFormat } from "./buffers.ts";
import type { Pass } from "./ops.ts";

export * from "./buffers.ts";
export type { Pass } from "./ops.ts";

export interface LaneKeys {
  positions: Int32Array; // [keys]
  keys: Float32Array; // [keys, D] rotated
  values: Float32Array; // [keys, D]
  scores: Float32Array; // [keys], zeros where the set has none
}

export interface Device {
  readonly name: string; // "reference", "cpu"
  readonly description: string; // for people: instruction set, threads
  f32(length: number): F32;
  i32(length: number): I32;
  u32(length: number): U32;
  hidden(length: number): Hidden;
  /** Zeroed [rows, cols]. Throws `no-memory`. */
  matrix(rows: number, cols: number, format: WeightFormat): Matrix;
  /** Writes whole rows from `first` on: floats, or bytes as the format stores them. */
  writeRows(matrix: Matrix, first: number, rows: Float32Array | Uint8Array): void;
  /** Reads whole rows from `first` on as floats. */
  readRows(matrix: Matrix, first: number, into: Float32Array): Promise<void>;
  /** Throws `unsupported` for a page format that this device has not, `no-memory`. */
  lanes(shape: LaneShape): Lanes;
  /**
   * Gives a set the state that is asked for, before the next pass; what it had and still has a place stays (of queries
   * the newest). Throws `no-memory`.
   */
  attach(lanes: Lanes, set: number, state: SetState): void;
  begin(): Pass;
  /** Runs a recorded pass once. The host must not touch host views until it resolves. */
  run(pass: Pass): Promise<void>;
  /** Copies numbers [from, from + into.length) out of device memory. */
  read(buffer: Hidden, from: number, into: Float32Array): Promise<void>;
  write(buffer: Hidden, from: number, values: Float32Array): Promise<void>;
  /** Positions of the live keys of lanes, ascending: for tests and `verify`, not for the step. */
  live(lanes: Lanes, which: readonly number[]): Promise<Int32Array[]>;
  /**
   * Live keys of lanes in slot order, the pending one last: for policies of one's own, between passes. No doomed keys.
   */
  keys(lanes: Lanes, which: readonly number[]): Promise<LaneKeys[]>;
  /** Writes the scores of live keys, as many as `keys` told. */
  score(lanes: Lanes, which: readonly number[], scores: readonly Float32Array[]): Promise<void>;
  /** Frees everything; later calls throw. */
  close(): void;
}
