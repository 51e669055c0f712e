// The device that runs the compiled kernels: a pass is recorded as words and runs in one asynchronous native call.
import { availableParallelism } from "node:os";
import { HyperthinkError } from "../base/errors.ts";
import {
  type Buffer,
  CHUNK,
  type Device,
  DTYPE_BYTES,
  FORK,
  type Hidden,
  type Labels,
  type LaneShape,
  type Lanes,
  MAX_TOP,
  type Matrix,
  type Numbers,
  type Pass,
  pageBytes,
  SAMPLE,
  STEP,
  type Work,
} from "./device.ts";
import { type Handle, native, OPS, type OpName } from "./native.ts";

const CODES = new Map(Object.keys(OPS).map((name, code) => [name, code]));
const ISA_NAMES: Record<string, string> = { avx512: "AVX-512", avx2: "AVX2", baseline: "baseline instructions" };
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
 * The native device. `HYPERTHINK_ISA` = baseline | avx2 | avx512 forces an instruction set. Throws `unsupported` where the
 * kernels are not built or the machine lacks that set, `bad-argument` for a wrong number of threads.
 */
export function cpu(options: { threads?: number } = {}): Device {
  const addon = native();
  const threads = options.threads ?? Math.min(availableParallelism(), MOST_THREADS);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new HyperthinkError("bad-argument", `threads: expected a whole number from 1 to 1024, got ${threads}`);
  }
  const isa = process.env.HYPERTHINK_ISA ?? "";
  if (isa !== "" && !(isa in ISA_NAMES)) {
    throw new HyperthinkError("bad-argument", `HYPERTHINK_ISA: expected baseline, avx2 or avx512, got ${isa}`);
  }
  let handle: Handle;
  try {
    handle = addon.open(threads, isa);
  } catch (cause) {
    const message = `HYPERTHINK_ISA=${isa}: ${(cause as Error).message}; unset it for the best set there is`;
    throw new HyperthinkError("unsupported", message, { cause });
  }
  const description = `cpu: ${ISA_NAMES[addon.isa(handle)]}, ${threads} ${threads === 1 ? "thread" : "threads"}`;

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
    close() {
      open = false;
      objects.length = 0;
      addon.close(handle);
    },
  };
}

function foreign(op: string): HyperthinkError {
  return new HyperthinkError("bad-argument", `${op}: expected a buffer, matrix or lanes of this device, got another's`);
}

/** Words of the operations recorded so far. */
class Recording {
  words = new Int32Array(1024);
  length = 0;

  push(op: OpName, args: number[]): void {
    // One word too many or too few would turn all that follow into nonsense.
    if (args.length !== OPS[op]) throw new Error(`${op}: expected ${OPS[op]} words, got ${args.length}`);
    const end = this.length + 1 + args.length;
    if (end > this.words.length) {
      const wider = new Int32Array(2 * this.words.length);
      wider.set(this.words);
      this.words = wider;
    }
    this.words[this.length] = CODES.get(op)!;
    this.words.set(args, this.length + 1);
    this.length = end;
  }
}

const real = new Float32Array(1);
const word = new Int32Array(real.buffer);

/** The bits of a float32. */
function bits(x: number): number {
  real[0] = x;
  return word[0];
}

/** A window beyond what 32 bits hold never ends. */
function window(w: number): number {
  return Math.min(w, 2 ** 31 - 1);
}

/** Checks what would make a kernel leave its memory; `checked.ts` is the one that explains. */
function record(recording: Recording, objects: unknown[]): Pass {
  let op: OpName = "embed";
  const push = (...args: number[]) => recording.push(op, args);

  /** The id of a buffer, found long enough. */
  function at(buffer: Hidden | Buffer, least: number): number {
    if (objects[buffer.id] !== buffer) throw foreign(op);
    if (!(least >= 0 && least <= buffer.length)) {
      const message = `${op}: expected a buffer of at least ${least} numbers, got ${buffer.length}`;
      throw new HyperthinkError("bad-argument", message);
    }
    return buffer.id;
  }
  function own(object: Matrix | Lanes): number {
    if (objects[object.id] !== object) throw foreign(op);
    return object.id;
  }
  function layerOf(lanes: Lanes, layer: number): number {
    if (Number.isInteger(layer) && layer >= 0 && layer < lanes.shape.layers) return layer;
    throw new HyperthinkError("bad-argument", `${op}: expected a layer below ${lanes.shape.layers}, got ${layer}`);
  }
  function work(w: Work, width: number): [number, number, number] {
    return [at(w.list, (w.first + w.count) * width), w.first, w.count];
  }
  function gates(labels: Labels | null): [number, number, number, number] {
    if (!labels) return [-1, 0, 0, 0];
    return [at(labels.z, 0), bits(labels.threshold), window(labels.window), labels.shift];
  }

  return {
    embed(out, table, ids, rows) {
      op = "embed";
      push(at(out, rows * table.cols), own(table), at(ids, rows), rows);
    },
    pick(out, x, index, count, dim) {
      op = "pick";
      push(at(out, count * dim), at(x, dim), at(index, count), count, dim);
    },
    norm(out, x, weight, rows, dim, eps) {
      op = "norm";
      push(at(out, rows * dim), at(x, rows * dim), at(weight, dim), rows, dim, bits(eps));
    },
    matmul(out, x, w, rows, bias, add) {
      op = "matmul";
      push(at(out, rows * w.rows), at(x, rows * w.cols), own(w), rows, bias ? at(bias, w.rows) : -1, add ? 1 : 0);
    },
    angles(out, positions, frequencies, rows) {
      op = "angles";
      const half = frequencies.length;
      push(at(out, rows * 2 * half), at(positions, rows), at(frequencies, half), rows, half);
    },
    rope(x, angles, rows, heads, dim) {
      op = "rope";
      push(at(x, rows * heads * dim), at(angles, rows * dim), rows, heads, dim);
    },
    swiglu(out, gate, up, count) {
      op = "swiglu";
      push(at(out, count), at(gate, count), at(up, count), count);
    },
    borrow(raw, q, rows, queryHeads, kvHeads, dim) {
      op = "borrow";
      push(at(raw, rows * kvHeads), at(q, rows * queryHeads * dim), rows, queryHeads, kvHeads, dim);
    },
    blank(q, rows, queryHeads, kvHeads, dim) {
      op = "blank";
      push(at(q, rows * queryHeads * dim), rows, queryHeads, kvHeads, dim);
    },
    gate(z, raw, rows, kvHeads, scale, offset, perLayer) {
      op = "gate";
      const numbers = rows * kvHeads;
      push(at(z, numbers), at(raw, numbers), rows, kvHeads, bits(scale), bits(offset), perLayer ? 1 : 0);
    },
    // Rows of the chunks and steps are checked against the buffers when the pass is planned: the lists are known then.
    attendChunk(out, q, k, v, lanes, layer, chunks, labels) {
      op = "attendChunk";
      const rows = [at(out, 0), at(q, 0), at(k, 0), at(v, 0)];
      push(...rows, own(lanes), layerOf(lanes, layer), ...work(chunks, CHUNK), ...gates(labels));
    },
    admitChunk(k, v, lanes, layer, chunks, labels) {
      op = "admitChunk";
      push(at(k, 0), at(v, 0), own(lanes), layerOf(lanes, layer), ...work(chunks, CHUNK), ...gates(labels));
    },
    admit(k, v, lanes, layer, steps, labels) {
      op = "admit";
      push(at(k, 0), at(v, 0), own(lanes), layerOf(lanes, layer), ...work(steps, STEP), ...gates(labels));
    },
    attend(out, q, lanes, layer, steps, scores) {
      op = "attend";
      const heads = steps.count * lanes.shape.queryHeads;
      const weights = scores
        ? [at(scores.raw, heads * scores.stride), at(scores.lse, heads), scores.stride]
        : [-1, -1, 0];
      push(at(out, 0), at(q, 0), own(lanes), layerOf(lanes, layer), ...work(steps, STEP), ...weights);
    },
    evict(lanes, layer, steps, scores, budget) {
      op = "evict";
      const heads = steps.count * lanes.shape.queryHeads;
      const weights = [at(scores.raw, heads * scores.stride), at(scores.lse, heads), scores.stride];
      push(own(lanes), layerOf(lanes, layer), ...work(steps, STEP), ...weights, budget);
    },
    fork(lanes, pairs) {
      op = "fork";
      push(own(lanes), ...work(pairs, FORK));
    },
    sample(out, logits, vocabulary, samplers, items) {
      op = "sample";
      const { count } = items;
      const results = [at(out.ids, count), at(out.logprob, count)];
      const top = [at(out.topIds, count * MAX_TOP), at(out.topLogprobs, count * MAX_TOP)];
      const filters = [at(samplers.real, 0), at(samplers.whole, 0), at(samplers.seen, 0)];
      push(...results, ...top, at(logits, 0), vocabulary, ...filters, ...work(items, SAMPLE));
    },
  };
}
