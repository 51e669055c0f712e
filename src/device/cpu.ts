// The device that runs the compiled kernels: a pass is recorded as words and runs in one asynchronous native call.
import { availableParallelism } from "node:os";
import { HyperthinkError } from "../base/errors.ts";
import { record } from "./cpu/record.ts";
import { foreign, Recording } from "./cpu/words.ts";
import {
  type Buffer,
  type Device,
  DTYPE_BYTES,
  type LaneShape,
  type Lanes,
  type Numbers,
  type Pass,
  pageBytes,
} from "./device.ts";
import { ISA_NAMES, type Isa, instructionSet } from "./isa.ts";
import { native } from "./native.ts";

/** More threads than this never helped: memory binds long before. */
const MOST_THREADS = 64;
/** The widest head that the kernels have room for. */
const MOST_HEAD_DIM = 1024;

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
 * The native device, with the instruction set `isa`, else what the environment says (see isa.ts), else the best there is. Throws
 * `unsupported` where the kernels are not built or the machine lacks that set, `bad-argument` for a wrong number of threads.
 */
export function cpu(options: { threads?: number; isa?: Isa } = {}): Device {
  const addon = native();
  const threads = options.threads ?? Math.min(availableParallelism(), MOST_THREADS);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new HyperthinkError("bad-argument", `threads: expected a whole number from 1 to 1024, got ${threads}`);
  }
  const isa = instructionSet(options.isa);
  const handle = addon.open(threads, isa);
  const description = `cpu: ${ISA_NAMES[isa]}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

  const objects: unknown[] = [];
  const recordings = new WeakMap<Pass, Recording>();
  const idle: Recording[] = []; // used again, so that a step allocates nothing
  let open = true;
  let last: Promise<unknown> = Promise.resolve(); // passes run in the order of `run`

  function alive(): void {
    if (open) return;
    throw new HyperthinkError("bad-argument", "expected an open device, got one after close(): make another");
  }
  function keep<T extends { readonly id: number }>(object: T, bytes: number, what: string): T {
    if (object.id < 0) {
      const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`;
      throw new HyperthinkError(
        "no-memory",
        `${what} needs ${size}, which the system refuses: ask for less, or free some`,
      );
    }
    objects[object.id] = object;
    return object;
  }
  function shared<T extends Numbers>(host: T): Buffer<T> {
    alive();
    return keep({ id: addon.share(handle, host), length: host.length, host }, 0, "a buffer");
  }
  const i32 = (length: number) => shared(new Int32Array(length));

  function lanes(shape: LaneShape): Lanes {
    alive();
    const { sets, layers, kvHeads, queryHeads, headDim, dtype, pages } = shape;
    if (headDim % 2 !== 0 || headDim > MOST_HEAD_DIM || headDim < 2) {
      throw new HyperthinkError(
        "unsupported",
        `head width: expected an even number up to ${MOST_HEAD_DIM}, got ${headDim}`,
      );
    }
    if (queryHeads % kvHeads !== 0) {
      throw new HyperthinkError(
        "bad-argument",
        `expected query heads in whole groups, got ${queryHeads} for ${kvHeads}`,
      );
    }
    const count = sets * layers * kvHeads;
    const filled = (length: number) => {
      const buffer = i32(length);
      buffer.host.fill(-1);
      return buffer;
    };
    const tables = {
      archive: i32(count),
      head: i32(count),
      tail: i32(count),
      budget: i32(count),
      protect: i32(sets),
      dead: filled(count),
      archiveTable: filled(count * shape.archivePages),
      doomedTable: filled(count * shape.doomedPages),
      spare: filled(count * shape.sparePages),
      used: i32(count),
      holders: i32(pages),
      reads: i32(count),
      physical: i32(layers * kvHeads),
    };
    const sizes = [sets, layers, kvHeads, queryHeads, headDim, dtype === "bf16" ? 1 : 0, pages];
    const words = Int32Array.from([...sizes, shape.archivePages, shape.doomedPages, shape.sparePages]);
    const ids = Int32Array.from(Object.values(tables), (table) => table.id);
    const bytesPerPage = pageBytes(headDim, dtype);
    return keep(
      { id: addon.lanes(handle, words, ids), shape, bytesPerPage, ...tables },
      bytesPerPage * pages + count * headDim * 8,
      `a pool of ${pages} pages and ${count} lanes`,
    );
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
    matrix(rows, cols, dtype) {
      alive();
      const bytes = rows * cols * DTYPE_BYTES[dtype];
      const id = addon.matrix(handle, rows, cols, dtype === "bf16");
      return keep({ id, rows, cols, dtype, bytes }, bytes, `a matrix of ${rows} x ${cols}`);
    },
    writeRows(matrix, first, values) {
      alive();
      if (objects[matrix.id] !== matrix) throw foreign("writeRows");
      addon.writeRows(handle, matrix.id, first, values);
    },
    lanes,
    begin() {
      alive();
      const recording = idle.pop() ?? new Recording();
      recording.length = 0;
      const pass = record(recording, objects);
      recordings.set(pass, recording);
      return pass;
    },
    run(pass) {
      const recording = recordings.get(pass);
      recordings.delete(pass);
      const done = last.then(async () => {
        alive();
        if (!recording) {
          const message = "expected a new pass of this device, got one that already ran: record it again";
          throw new HyperthinkError("bad-argument", message);
        }
        await addon.run(handle, recording.words, recording.length);
      });
      last = done.then(
        () => recording && idle.push(recording),
        () => {},
      );
      return done;
    },
    async read(buffer, from, into) {
      if (objects[buffer.id] !== buffer) throw foreign("read");
      await last;
      alive();
      addon.read(handle, buffer.id, from, into);
    },
    live(store, lane) {
      alive();
      if (objects[store.id] !== store) throw foreign("live");
      return addon.live(handle, store.id, lane);
    },
    keys(store, lane) {
      alive();
      if (objects[store.id] !== store) throw foreign("keys");
      const rows = addon.keys(handle, store.id, lane);
      const { headDim } = store.shape;
      const width = 1 + 2 * headDim;
      const count = rows.length / width;
      const [keys, values] = [new Float32Array(count * headDim), new Float32Array(count * headDim)];
      for (let i = 0; i < count; i++) {
        const at = i * width + 1;
        keys.set(rows.subarray(at, at + headDim), i * headDim);
        values.set(rows.subarray(at + headDim, at + 2 * headDim), i * headDim);
      }
      const words = new Int32Array(rows.buffer);
      return { positions: Int32Array.from({ length: count }, (_, i) => words[i * width]), keys, values };
    },
    close() {
      open = false;
      objects.length = 0;
      addon.close(handle);
    },
  };
}
