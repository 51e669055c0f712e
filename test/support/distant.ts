// A device that shares no memory with its host: the reference in a worker thread, spoken to by messages alone.
import { Worker } from "node:worker_threads";
import { HyperthinkError } from "../../src/base/errors.ts";
import { atLeast, checkShape, fail, matrixRows, within } from "../../src/device/checks.ts";
import {
  type Buffer,
  type Device,
  type Hidden,
  LANE_TABLES,
  type LaneShape,
  type Lanes,
  type LaneTableName,
  type Matrix,
  type Numbers,
  PAGE_FORMATS,
  type Pass,
  tableLength,
  WEIGHT_FORMATS,
  type Work,
} from "../../src/device/device.ts";
import { ITEMS, widthOf } from "../../src/device/fields.ts";
import { type Call, checkLists, FIELDS, passOf, sizeOf } from "../../src/device/recorder.ts";
import type { Answer, Failure, Make, Order, Ran, SentCall, SentPass, Span } from "./distantMessages.ts";
import { SEALED } from "./sealed.ts";

/** Most bytes of one row of anything: what is larger could not be split. */
const MOST_BYTES = 128 * 2 ** 20;
const FORMATS = [...Object.values(PAGE_FORMATS), SEALED];
const TABLES = Object.keys(LANE_TABLES) as LaneTableName[];

/** One worker serves all devices of a process; it does not keep the process alive but while an answer is due. */
class Line {
  readonly #worker = new Worker(new URL("./distantWorker.ts", import.meta.url));
  readonly #due = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #sent = 0;

  constructor() {
    this.#worker.on("message", ({ ticket, failure, value }: Answer) => {
      const { resolve, reject } = this.#due.get(ticket)!;
      this.#due.delete(ticket);
      if (this.#due.size === 0) this.#worker.unref();
      if (failure) reject(errorOf(failure));
      else resolve(value);
    });
    this.#worker.unref(); // after `on`, which holds it
  }

  tell(device: number, order: Order): void {
    this.#worker.postMessage({ device, order, ticket: null });
  }

  ask<T>(device: number, order: Order): Promise<T> {
    const ticket = this.#sent++;
    this.#worker.ref();
    this.#worker.postMessage({ device, order, ticket });
    return new Promise<unknown>((resolve, reject) => this.#due.set(ticket, { resolve, reject })) as Promise<T>;
  }
}

let line: Line | null = null;
let devices = 0;

export function distant(): Device {
  line ??= new Line();
  return new Distant(line, devices++).device;
}

class Distant {
  readonly device: Device;
  readonly #objects = new Map<number, object>();
  readonly #recorded = new WeakMap<Pass, Call[]>();
  /** Parts of tables that go up with the next pass. */
  #written: { buffer: Buffer; from: number; count: number }[] = [];
  readonly #line: Line;
  readonly #number: number;
  #open = true;

  constructor(line: Line, number: number) {
    this.#line = line;
    this.#number = number;
    this.#tell({ kind: "open" });
    const hidden = (length: number): Hidden => this.#make({ length }, { kind: "hidden", length });
    this.device = {
      name: "distant",
      description: "the reference in a worker thread",
      f32: (length) => this.#buffer(new Float32Array(length)),
      i32: (length) => this.#buffer(new Int32Array(length)),
      u32: (length) => this.#buffer(new Uint32Array(length)),
      hidden,
      matrix: (rows, cols, format) => {
        const perRow = WEIGHT_FORMATS[format].bytesPerRow(cols);
        bounded("a matrix's row", perRow);
        return this.#make({ rows, cols, format, bytes: rows * perRow }, { kind: "matrix", rows, cols, format });
      },
      writeRows: (matrix, first, rows) => {
        this.#mine("writeRows", matrix);
        matrixRows("writeRows", matrix, first, rows);
        this.#tell({ kind: "writeRows", matrix: matrix.id, first, rows: rows.slice() });
      },
      readRows: async (matrix, first, into) => {
        this.#mine("readRows", matrix);
        matrixRows("readRows", matrix, first, into);
        into.set(await this.#ask<Float32Array>({ kind: "readRows", matrix: matrix.id, first, count: into.length }));
      },
      lanes: (shape) => this.#lanes(shape),
      attach: (lanes, set, state) => {
        this.#mine("attach", lanes);
        const { sets, queryHeads, headDim: D } = lanes.shape;
        within("attach", "a set", set, sets);
        bounded("scores of a lane", state.slots * 4);
        bounded("queries of a layer", state.queries * queryHeads * D * 4);
        bounded("changes of a hidden state", state.changes * 4);
        bounded("a hidden state", state.width * 4);
        if (state.moments) bounded("moments of a layer", queryHeads * (D + D * D) * 8);
        this.#tell({ kind: "attach", lanes: lanes.id, set, state: { ...state } });
      },
      begin: () => this.#begin(),
      run: (pass) => this.#run(pass),
      read: async (buffer, from, into) => {
        atLeast("read", "buffer", this.#mine("read", buffer), from + into.length);
        into.set(await this.#ask<Float32Array>({ kind: "read", buffer: buffer.id, from, count: into.length }));
      },
      write: async (buffer, from, values) => {
        atLeast("write", "buffer", this.#mine("write", buffer), from + values.length);
        await this.#ask({ kind: "write", buffer: buffer.id, from, values: values.slice() });
      },
      live: (lanes, which) => this.#ask({ kind: "live", lanes: this.#mine("live", lanes).id, which }),
      keys: (lanes, which) => this.#ask({ kind: "keys", lanes: this.#mine("keys", lanes).id, which }),
      score: async (lanes, which, scores) => {
        const copies = scores.map((values) => values.slice());
        await this.#ask({ kind: "score", lanes: this.#mine("score", lanes).id, which, scores: copies });
      },
      close: () => {
        this.#tell({ kind: "close" });
        this.#open = false;
      },
    };
  }

  #alive(): void {
    if (!this.#open) fail("device", "an open device", "one after close(): make another");
  }
  #tell(order: Order): void {
    this.#alive();
    this.#line.tell(this.#number, order);
  }
  async #ask<T>(order: Order): Promise<T> {
    this.#alive();
    return this.#line.ask<T>(this.#number, order);
  }
  #mine<T extends { id: number }>(op: string, object: T): T {
    this.#alive();
    if (this.#objects.get(object.id) !== object) fail(op, "an object of this device", "another's");
    return object;
  }
  #make<T extends object>(object: T, how: Make): T & { readonly id: number } {
    const made = Object.assign(object, { id: this.#objects.size });
    this.#tell({ kind: "make", id: made.id, how });
    this.#objects.set(made.id, made);
    return made;
  }

  #buffer<T extends Numbers>(host: T): Buffer<T> {
    const type = host instanceof Float32Array ? "f32" : host instanceof Int32Array ? "i32" : "u32";
    const made: Buffer<T> = this.#make(
      {
        length: host.length,
        host,
        wrote: (from: number, count: number) => {
          atLeast("wrote", "buffer", host, from + count);
          this.#written.push({ buffer: made, from, count });
        },
      },
      { kind: type, length: host.length },
    );
    return made;
  }

  #lanes(shape: LaneShape): Lanes {
    checkShape(shape);
    const format = FORMATS.find(({ name }) => name === shape.format.name);
    if (!format) throw new HyperthinkError("unsupported", `lanes: got page format ${shape.format.name}`);
    bounded("a page", format.bytes(shape.headDim));
    for (const name of TABLES)
      if (LANE_TABLES[name].per !== "page") bounded(`a set's ${name}`, (tableLength(name, shape) / shape.sets) * 4);
    const { format: _, ...sizes } = shape;
    const made = this.#make(
      { shape, bytesPerPage: format.bytes(shape.headDim) },
      { kind: "lanes", shape: sizes, format: format.name },
    );
    // The lanes' tables are the worker's own as well: they are known there by the lanes and a name.
    const tables = TABLES.map((name) => {
      const host = new Int32Array(tableLength(name, shape));
      const table: Buffer<Int32Array> = this.#make(
        {
          length: host.length,
          host,
          wrote: (from: number, count: number) => {
            atLeast("wrote", name, host, from + count);
            this.#written.push({ buffer: table, from, count });
          },
        },
        { kind: "table", lanes: made.id, name },
      );
      return [name, table];
    });
    return Object.assign(made, Object.fromEntries(tables) as Record<LaneTableName, Buffer<Int32Array>>);
  }

  #begin(): Pass {
    this.#alive();
    const calls: Call[] = [];
    const pass = passOf(
      (object) => this.#objects.get(object.id) === object,
      (call) => {
        for (const [, field] of FIELDS[call.op])
          if (field.kind === "floats") bounded(`a row of ${call.op}`, sizeOf(field.per)(call.args) * 4);
        calls.push(call);
      },
    );
    this.#recorded.set(pass, calls);
    return pass;
  }

  async #run(pass: Pass): Promise<void> {
    this.#alive();
    const calls = this.#recorded.get(pass);
    if (!calls) return fail("run", "a new pass of this device", "one that already ran: record it again");
    this.#recorded.delete(pass);
    for (const call of calls) checkLists(call);
    const spans = this.#written.map(({ buffer, from, count }) => spanOf(buffer, from, count));
    this.#written = [];
    const sent: SentPass = { calls: calls.map((call) => sentOf(call, spans)), spans, sets: setsOf(calls) };
    const { spans: back, failure } = await this.#ask<Ran>({ kind: "run", pass: sent });
    for (const { buffer, from, numbers } of back) (this.#objects.get(buffer) as Buffer).host.set(numbers, from);
    if (failure) throw errorOf(failure);
  }
}

const spanOf = ({ id, host }: Buffer, from: number, count: number): Span => ({
  buffer: id,
  from,
  numbers: host.slice(from, from + count),
});

/** A call as it travels; its lists join `spans`, as far as it reads them. */
function sentOf({ op, args }: Call, spans: Span[]): SentCall {
  const sent = FIELDS[op].map(([name, field]): [string, unknown] => {
    const value = args[name];
    if (field.kind === "ints") spans.push(spanOf(value as Buffer, 0, sizeOf(field.rows)(args)));
    if (field.kind === "list") {
      const { list, first, count } = value as Work;
      const width = widthOf(field.item);
      spans.push(spanOf(list, first * width, count * width));
      return [name, { list: { id: list.id }, first, count }];
    }
    return [name, typeof value === "object" && value ? { id: (value as Matrix | Hidden).id } : value];
  });
  return { op, args: Object.fromEntries(sent) };
}

/** Sets that the lists of the calls name, by lanes. */
function setsOf(calls: readonly Call[]): { lanes: number; set: number }[] {
  const sets = new Map<number, Set<number>>();
  for (const { op, args } of calls)
    for (const [name, field] of FIELDS[op]) {
      if (field.kind !== "list" || !args.lanes) continue;
      const { list, first, count } = args[name] as Work;
      const { id } = args.lanes as Lanes;
      const known = sets.get(id) ?? new Set();
      sets.set(id, known);
      for (let i = 0; i < count; i++)
        for (const [c, column] of ITEMS[field.item].entries())
          if (column === "set" || column === "source" || column === "target")
            known.add(list.host[(first + i) * ITEMS[field.item].length + c]);
    }
  return [...sets].flatMap(([lanes, known]) => [...known].map((set) => ({ lanes, set })));
}

function bounded(what: string, bytes: number): void {
  if (bytes <= MOST_BYTES) return;
  const size = `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new HyperthinkError(
    "no-memory",
    `${what}: expected at most ${MOST_BYTES / 2 ** 20} MiB in one row, got ${size}`,
  );
}

function errorOf({ code, message }: Failure): Error {
  return code ? new HyperthinkError(code, message) : new Error(message);
}
