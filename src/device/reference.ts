// Every operation of ops.ts, plain and slow: the oracle that other devices are compared with. Host and device are one
// memory. Numbers are stored as float32 (rounded to what formats hold); sums run in float64 and are rounded once.
import { unsupported } from "../base/errors.ts";
import { fromBf16, roundBf16 } from "../base/half.ts";
import { atLeast, checkShape, fail, matrixRows, within } from "./checks.ts";
import type { Buffer, Device, Hidden, Lanes, Numbers, Pass } from "./device.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "./device.ts";
import { type Call, checkLists, passOf } from "./recorder.ts";
import type { Grid } from "./reference/given.ts";
import { perform } from "./reference/operations.ts";
import { attach, readScores, writeScores } from "./reference/state.ts";
import { BUILT_IN, doomedKeys, type LaneStore, laneStore, liveKeys, type StoredFormat } from "./reference/store.ts";

/**
 * Runs everything in this thread, one operation after the other. `formats`: of pages, beside those that every device
 * has.
 */
export function reference(options: { formats?: readonly StoredFormat[] } = {}): Device {
  const formats = [...BUILT_IN, ...(options.formats ?? [])];
  const objects = new WeakSet<object>();
  const recorded = new WeakMap<Pass, Call[]>();
  let nextId = 1;
  let open = true;

  function alive(): void {
    if (!open) fail("device", "an open device", "one after close(): make another");
  }
  function own<T extends object>(object: T): T {
    objects.add(object);
    return object;
  }
  function mine<T extends object>(op: string, object: T): T {
    alive();
    if (!objects.has(object)) fail(op, "an object of this device", "another's");
    return object;
  }
  function buffer<T extends Numbers>(host: T): Buffer<T> {
    alive();
    return own({ id: nextId++, length: host.length, host, wrote() {} });
  }
  const i32 = (length: number) => buffer(new Int32Array(length));
  function hostOf(op: string, buffer: Hidden, from: number, count: number): Float32Array {
    atLeast(op, "buffer", mine(op, buffer), from + count);
    return (buffer as Buffer<Float32Array>).host; // a Hidden of this device has one all the same
  }
  function storeOf(op: string, lanes: Lanes, which: readonly number[]): LaneStore {
    for (const lane of which) within(op, "a lane", lane, mine(op, lanes).archive.length);
    return lanes as LaneStore;
  }

  return {
    name: "reference",
    description: "plain TypeScript, one thread, float64 sums",
    f32: (length) => buffer(new Float32Array(length)),
    i32,
    u32: (length) => buffer(new Uint32Array(length)),
    hidden: (length) => buffer(new Float32Array(length)),
    matrix(rows, cols, format): Grid {
      alive();
      const bytes = rows * WEIGHT_FORMATS[format].bytesPerRow(cols);
      return own({ id: nextId++, rows, cols, format, bytes, values: new Float32Array(rows * cols) });
    },
    writeRows(matrix, first, rows) {
      const { values, format, cols } = mine("writeRows", matrix) as Grid;
      matrixRows("writeRows", matrix, first, rows);
      const { read, round } = WEIGHTS[format];
      values.set((rows instanceof Uint8Array ? read(rows.slice().buffer) : rows).map(round), first * cols);
    },
    async readRows(matrix, first, into) {
      const { values, cols } = mine("readRows", matrix) as Grid;
      matrixRows("readRows", matrix, first, into);
      into.set(values.subarray(first * cols, first * cols + into.length));
    },
    lanes(shape) {
      alive();
      checkShape(shape);
      const format = formats.find(({ name }) => name === shape.format.name);
      if (format) return own(laneStore(nextId++, shape, format, i32));
      const known = formats.map(({ name }) => name).join(", ");
      throw unsupported(`lanes: expected a page format of ${known}, got ${shape.format.name}`);
    },
    attach(lanes, set, state) {
      within("attach", "a set", set, mine("attach", lanes).shape.sets);
      attach(lanes as LaneStore, set, state);
    },
    begin() {
      alive();
      const calls: Call[] = [];
      const pass = passOf(
        (object) => objects.has(object),
        (call) => calls.push(call),
      );
      recorded.set(pass, calls);
      return pass;
    },
    async run(pass) {
      alive();
      const calls = recorded.get(pass);
      if (!calls) return fail("run", "a new pass of this device", "one that already ran: record it again");
      recorded.delete(pass);
      for (const call of calls) checkLists(call);
      for (const call of calls) perform(call);
    },
    async read(from, at, into) {
      into.set(hostOf("read", from, at, into.length).subarray(at, at + into.length));
    },
    async write(to, at, values) {
      hostOf("write", to, at, values.length).set(values, at);
    },
    async live(lanes, which) {
      const store = storeOf("live", lanes, which);
      return which.map((lane) => {
        const keys = [...liveKeys(store, lane), ...doomedKeys(store, lane)];
        return Int32Array.from(keys, (key) => key.position).sort();
      });
    },
    async keys(lanes, which) {
      const store = storeOf("keys", lanes, which);
      return which.map((lane) => {
        const live = liveKeys(store, lane);
        const flat = (part: "k" | "v") => Float32Array.from(live.flatMap((key) => [...key[part]]));
        const positions = Int32Array.from(live, (key) => key.position);
        return { positions, keys: flat("k"), values: flat("v"), scores: readScores(store, lane) };
      });
    },
    async score(lanes, which, scores) {
      const store = storeOf("score", lanes, which);
      for (const [i, lane] of which.entries()) writeScores(store, lane, scores[i]);
    },
    close() {
      open = false;
    },
  };
}

/** Of each format of weights: numbers of rows as they are stored, little-endian; a number as it holds it. */
const WEIGHTS = {
  f32: { read: (bytes) => new Float32Array(bytes), round: (x) => x },
  bf16: { read: (bytes) => Float32Array.from(new Uint16Array(bytes), fromBf16), round: roundBf16 },
} as const satisfies Record<
  WeightFormat,
  { read: (bytes: ArrayBuffer) => Float32Array<ArrayBuffer>; round: (x: number) => number }
>;
