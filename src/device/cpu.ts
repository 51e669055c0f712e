// The device that runs the compiled kernels: a pass is recorded as words and runs in one asynchronous native call. One
// memory serves host and device.
import { availableParallelism } from "node:os";
import { badArgument, type HyperthinkError, noMemory, unsupported } from "../base/errors.ts";
import { atLeast, checkShape, fail, matrixRows, within } from "./checks.ts";
import { MOST_HEAD_DIM, PAGE_FORMAT_NAMES, SHAPE, WEIGHT_FORMAT_NAMES } from "./cpu/layout.ts";
import { Recording } from "./cpu/recording.ts";
import {
  type Buffer,
  type Device,
  type LaneKeys,
  type LaneShape,
  type Lanes,
  makeTables,
  type Numbers,
  type Pass,
  WEIGHT_FORMATS,
} from "./device.ts";
import { ISA_NAMES, type Isa, instructionSet } from "./isa.ts";
import { native } from "./native.ts";
import { passOf } from "./recorder.ts";

/** More threads than this never helped: memory binds long before. */
const MOST_THREADS = 64;

/** Null where `cpu()` will work, else why not and what to do. */
export function cpuAvailable(): string | null {
  try {
    native();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * The native device, with the instruction set `isa`, else what the environment says (see isa.ts), else the best there
 * is. Throws `unsupported` where the kernels are not built or the machine lacks that set, `bad-argument` for a wrong
 * number of threads.
 */
export function cpu(options: { threads?: number; isa?: Isa } = {}): Device {
  const addon = native();
  const threads = options.threads ?? Math.min(availableParallelism(), MOST_THREADS);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw badArgument(`threads: expected a whole number from 1 to 1024, got ${threads}`);
  }
  const isa = instructionSet(options.isa);
  const handle = addon.open(threads, isa);
  const description = `cpu: ${ISA_NAMES[isa]}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

  const objects: unknown[] = [];
  const recordings = new WeakMap<Pass, Recording>();
  const idle: Recording[] = [];
  let open = true;
  let last: Promise<unknown> = Promise.resolve(); // passes run in the order of `run`

  function alive(): void {
    if (!open) fail("device", "an open device", "one after close(): make another");
  }
  const owns = (object: { id: number }) => objects[object.id] === object;
  function mine<T extends { id: number }>(op: string, object: T): T {
    alive();
    if (!owns(object)) fail(op, "an object of this device", "another's");
    return object;
  }
  /** After the passes that were run so far. */
  async function idleWith<T extends { id: number }>(op: string, object: T): Promise<number> {
    mine(op, object);
    await last;
    return mine(op, object).id;
  }
  function refused(bytes: number, what: string): HyperthinkError {
    const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    return noMemory(`${what} needs ${size}, which the system refuses: ask for less, or free some`);
  }
  function keep<T extends { readonly id: number }>(object: T, bytes: number, what: string): T {
    if (object.id < 0) throw refused(bytes, what);
    objects[object.id] = object;
    return object;
  }
  function shared<T extends Numbers>(host: T): Buffer<T> {
    alive();
    return keep({ id: addon.share(handle, host), length: host.length, host, wrote() {} }, 0, "a buffer");
  }
  const i32 = (length: number) => shared(new Int32Array(length));

  function lanes(shape: LaneShape): Lanes {
    alive();
    checkShape(shape);
    const { headDim, format, pages } = shape;
    if (headDim % 2 !== 0 || headDim > MOST_HEAD_DIM)
      throw unsupported(`head width: expected an even number up to ${MOST_HEAD_DIM}, got ${headDim}`);
    const number = PAGE_FORMAT_NAMES.indexOf(format.name);
    if (number < 0)
      throw unsupported(`lanes: expected a page format of ${PAGE_FORMAT_NAMES.join(", ")}, got ${format.name}`);
    const tables = makeTables(shape, i32);
    const bytesPerPage = format.bytes(headDim);
    const words = Int32Array.from([...SHAPE.map((name) => shape[name]), number]);
    const ids = Int32Array.from(Object.values(tables), ({ id }) => id);
    return keep(
      { ...tables, id: addon.lanes(handle, words, ids), shape, bytesPerPage },
      bytesPerPage * pages + tables.archive.length * headDim * 8,
      `a pool of ${pages} pages and ${tables.archive.length} lanes`,
    );
  }

  /** What `read` tells of each of these lanes, between passes. */
  async function ofLanes<T>(
    op: string,
    lanes: Lanes,
    which: readonly number[],
    read: (lane: number) => T,
  ): Promise<T[]> {
    await idleWith(op, lanes);
    for (const lane of which) within(op, "a lane", lane, lanes.archive.length);
    return which.map(read);
  }

  return {
    name: "cpu",
    description,
    f32: (length) => shared(new Float32Array(length)),
    i32,
    u32: (length) => shared(new Uint32Array(length)),
    hidden(length) {
      alive();
      return keep({ id: addon.hidden(handle, length), length }, length * 4, `a buffer of ${length} numbers`);
    },
    matrix(rows, cols, format) {
      alive();
      const bytes = rows * WEIGHT_FORMATS[format].bytesPerRow(cols);
      const id = addon.matrix(handle, rows, cols, WEIGHT_FORMAT_NAMES.indexOf(format));
      return keep({ id, rows, cols, format, bytes }, bytes, `a matrix of ${rows} x ${cols}`);
    },
    writeRows(matrix, first, rows) {
      const count = matrixRows("writeRows", mine("writeRows", matrix), first, rows);
      addon.writeRows(handle, matrix.id, first, count, rows);
    },
    async readRows(matrix, first, into) {
      const id = await idleWith("readRows", matrix);
      matrixRows("readRows", matrix, first, into);
      addon.readRows(handle, id, first, into);
    },
    lanes,
    attach(store, set, { slots, queries, moments, bounds, changes, width }) {
      within("attach", "a set", set, mine("attach", store).shape.sets);
      const { layers, kvHeads, queryHeads, headDim } = store.shape;
      const state = Int32Array.from([slots, queries, moments ? 1 : 0, bounds ? 1 : 0, changes, width]);
      if (addon.attach(handle, store.id, set, state)) return;
      const sums = moments ? 2 * (1 + headDim) : 0;
      const numbers = layers * (kvHeads * slots + queryHeads * headDim * (queries + sums)) + 3 * changes + 2 * width;
      throw refused(numbers * 4, `what a policy remembers of set ${set}`);
    },
    begin() {
      alive();
      const recording = idle.pop() ?? new Recording();
      const pass = passOf(owns, (call) => recording.push(call));
      recordings.set(pass, recording);
      return pass;
    },
    run(pass) {
      const recording = recordings.get(pass);
      recordings.delete(pass);
      const done = last.then(async () => {
        alive();
        if (!recording) return fail("run", "a new pass of this device", "one that already ran: record it again");
        recording.check();
        await addon.run(handle, recording.words, recording.length);
      });
      last = done
        .catch(() => {})
        .then(() => {
          recording?.clear();
          if (recording) idle.push(recording);
        });
      return done;
    },
    async read(buffer, from, into) {
      const id = await idleWith("read", buffer);
      atLeast("read", "buffer", buffer, from + into.length);
      addon.read(handle, id, from, into);
    },
    async write(buffer, from, values) {
      const id = await idleWith("write", buffer);
      atLeast("write", "buffer", buffer, from + values.length);
      addon.write(handle, id, from, values);
    },
    live: (store, which) => ofLanes("live", store, which, (lane) => addon.live(handle, store.id, lane)),
    keys: (store, which) =>
      ofLanes("keys", store, which, (lane) => split(addon.keys(handle, store.id, lane), store.shape.headDim)),
    async score(store, which, scores) {
      let next = 0;
      await ofLanes("score", store, which, (lane) => {
        const given = scores[next++];
        const live = addon.score(handle, store.id, lane, given);
        if (live < 0) {
          const set = Math.floor(lane / (store.shape.layers * store.shape.kvHeads));
          throw new Error(`set ${set}: expected scores of at least ${given.length} keys on the device; attach them`);
        }
        if (live !== given.length) fail("score", `as many scores as live keys, ${live}`, `${given.length}`);
      });
    },
    close() {
      open = false;
      objects.length = 0;
      addon.close(handle);
    },
  };
}

/** Rows of a position's bits, a score, K and V. */
function split(rows: Float32Array, headDim: number): LaneKeys {
  const width = 2 + 2 * headDim;
  const count = rows.length / width;
  const bits = new Int32Array(rows.buffer);
  const [keys, values] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
  for (let i = 0; i < count; i++) {
    const at = i * width + 2;
    keys.set(rows.subarray(at, at + headDim), i * headDim);
    values.set(rows.subarray(at + headDim, at + 2 * headDim), i * headDim);
  }
  const column = (numbers: ArrayLike<number>, at: number) => (_: unknown, i: number) => numbers[i * width + at];
  return {
    positions: Int32Array.from({ length: count }, column(bits, 0)),
    scores: Float32Array.from({ length: count }, column(rows, 1)),
    keys,
    values,
  };
}
