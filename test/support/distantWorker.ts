// The worker of `distant`: references, one for each device that the host opened.
import { parentPort } from "node:worker_threads";
import { HyperthinkError } from "../../src/base/errors.ts";
import {
  type Buffer,
  type Device,
  type Hidden,
  LANE_TABLES,
  type Lanes,
  type LaneTableName,
  type Matrix,
  PAGE_FORMATS,
  type Work,
} from "../../src/device/device.ts";
import { type Call, FIELDS, sizeOf, type Values } from "../../src/device/recorder.ts";
import { reference } from "../../src/device/reference.ts";
import type { Failure, Letter, Make, Order, Ran, SentCall, SentPass, Span } from "./distantMessages.ts";
import { SEALED } from "./sealed.ts";

const FORMATS = [...Object.values(PAGE_FORMATS), SEALED];

class Served {
  readonly device: Device = reference({ formats: [SEALED] });
  readonly #objects = new Map<number, { id: number }>();
  readonly #ids = new Map<object, number>();
  /** What went wrong in an order that nobody awaits; the next one that is awaited tells it. */
  fault: unknown = null;

  async obey(order: Order): Promise<unknown> {
    const { device } = this;
    switch (order.kind) {
      case "close":
        return device.close();
      case "make": {
        const object = this.#make(order.how);
        this.#objects.set(order.id, object);
        this.#ids.set(object, order.id);
        return;
      }
      case "writeRows":
        return device.writeRows(this.#get<Matrix>(order.matrix), order.first, order.rows);
      case "readRows": {
        const into = new Float32Array(order.count);
        await device.readRows(this.#get(order.matrix), order.first, into);
        return into;
      }
      case "attach":
        return device.attach(this.#get(order.lanes), order.set, order.state);
      case "run":
        return this.#run(order.pass);
      case "read": {
        const into = new Float32Array(order.count);
        await device.read(this.#get<Hidden>(order.buffer), order.from, into);
        return into;
      }
      case "write":
        return device.write(this.#get<Hidden>(order.buffer), order.from, order.values);
      case "live":
        return device.live(this.#get(order.lanes), order.which);
      case "keys":
        return device.keys(this.#get(order.lanes), order.which);
      case "score":
        return device.score(this.#get(order.lanes), order.which, order.scores);
    }
  }

  #get<T>(id: number): T {
    return this.#objects.get(id) as T;
  }

  #make(how: Make): { id: number } {
    switch (how.kind) {
      case "matrix":
        return this.device.matrix(how.rows, how.cols, how.format);
      case "lanes":
        return this.device.lanes({ ...how.shape, format: FORMATS.find(({ name }) => name === how.format)! });
      case "table":
        return this.#get<Lanes>(how.lanes)[how.name];
      default:
        return this.device[how.kind](how.length);
    }
  }

  async #run({ calls, spans, sets }: SentPass): Promise<Ran> {
    for (const { buffer, from, numbers } of spans) this.#get<Buffer>(buffer).host.set(numbers, from);
    const pass = this.device.begin();
    const recorded = calls.map((sent) => this.#callOf(sent));
    let failure: Failure | null = null;
    try {
      for (const { op, args } of recorded) (pass[op] as (args: Values) => void)(args);
      await this.device.run(pass);
    } catch (error) {
      failure = failureOf(error);
    }
    const back = [
      ...recorded.flatMap((call) => this.#results(call)),
      ...sets.flatMap(({ lanes, set }) => this.#counters(this.#get(lanes), set)),
    ];
    return { spans: back, failure };
  }

  #callOf({ op, args }: SentCall): Call {
    const object = (value: unknown) => this.#get((value as { id: number }).id);
    const known = FIELDS[op].map(([name, field]) => {
      const value = args[name];
      if (field.kind === "list") return [name, { ...(value as Work), list: object((value as Work).list) }];
      return [name, typeof value === "object" && value ? object(value) : value];
    });
    return { op, args: Object.fromEntries(known) };
  }

  #results({ op, args }: Call): Span[] {
    return FIELDS[op].flatMap(([name, field]) => {
      if (field.kind !== "result") return [];
      return [this.#span(args[name] as Buffer, 0, (args[field.rows] as Work).count * sizeOf(field.per)(args))];
    });
  }

  /** What a pass may have changed of a set's lanes. */
  #counters(lanes: Lanes, set: number): Span[] {
    const width = lanes.shape.layers * lanes.shape.kvHeads;
    const names = (Object.keys(LANE_TABLES) as LaneTableName[]).filter((name) => LANE_TABLES[name].goes === "both");
    return names.flatMap((name) => {
      if (LANE_TABLES[name].per === "lane") return [this.#span(lanes[name], set * width, width)];
      return Array.from({ length: width }, (_, i) => {
        const lane = set * width + i;
        return this.#span(lanes[name], lanes.firstSpare.host[lane], lanes.spares.host[lane]);
      });
    });
  }

  #span(buffer: Buffer, from: number, count: number): Span {
    return { buffer: this.#ids.get(buffer)!, from, numbers: buffer.host.slice(from, from + count) };
  }
}

function failureOf(error: unknown): Failure {
  return { code: error instanceof HyperthinkError ? error.code : null, message: (error as Error).message };
}

const devices = new Map<number, Served>();

parentPort!.on("message", async ({ device, order, ticket }: Letter) => {
  if (order.kind === "open") devices.set(device, new Served());
  const served = devices.get(device)!;
  try {
    if (ticket !== null && served.fault) throw served.fault;
    const value = order.kind === "open" ? null : await served.obey(order);
    if (ticket !== null) parentPort!.postMessage({ ticket, failure: null, value });
  } catch (error) {
    if (ticket === null) served.fault = error;
    else parentPort!.postMessage({ ticket, failure: failureOf(error), value: null });
  }
  if (order.kind === "close") devices.delete(device);
});
