// What `distant` and its worker say to each other.
import type { ErrorCode } from "../../src/base/errors.ts";
import type { LaneShape, LaneTableName, Numbers, SetState, WeightFormat } from "../../src/device/device.ts";
import type { OpName } from "../../src/device/ops.ts";
import type { Values } from "../../src/device/recorder.ts";

/** Numbers of a buffer from `from` on. */
export interface Span {
  buffer: number;
  from: number;
  numbers: Numbers;
}
/** Objects among the arguments are told by their ids. */
export interface SentCall {
  op: OpName;
  args: Values;
}
export interface SentPass {
  calls: SentCall[];
  spans: Span[];
  sets: { lanes: number; set: number }[]; // whose counters are to come back
}
/** What a pass left: results, counters, spares; of one that failed too. */
export interface Ran {
  spans: Span[];
  failure: Failure | null;
}
export interface Failure {
  code: ErrorCode | null;
  message: string;
}

export type Make =
  | { kind: "f32" | "i32" | "u32" | "hidden"; length: number }
  | { kind: "matrix"; rows: number; cols: number; format: WeightFormat }
  | { kind: "lanes"; shape: Omit<LaneShape, "format">; format: string }
  | { kind: "table"; lanes: number; name: LaneTableName };

export type Order =
  | { kind: "open" | "close" }
  | { kind: "make"; id: number; how: Make }
  | { kind: "writeRows"; matrix: number; first: number; rows: Float32Array | Uint8Array }
  | { kind: "readRows"; matrix: number; first: number; count: number }
  | { kind: "attach"; lanes: number; set: number; state: SetState }
  | { kind: "run"; pass: SentPass }
  | { kind: "read"; buffer: number; from: number; count: number }
  | { kind: "write"; buffer: number; from: number; values: Float32Array }
  | { kind: "live" | "keys"; lanes: number; which: readonly number[] }
  | { kind: "score"; lanes: number; which: readonly number[]; scores: readonly Float32Array[] };

/** `ticket` null: no answer is awaited. */
export interface Letter {
  device: number;
  order: Order;
  ticket: number | null;
}
export interface Answer {
  ticket: number;
  failure: Failure | null;
  value: unknown;
}
