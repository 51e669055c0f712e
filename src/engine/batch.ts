import { CHUNK, type Device, FORK, type I32, REPLAY, SAMPLE, STEP, type Work } from "../device/device.ts";
import type { Batch } from "../model/forward.ts";
import type { Policy } from "../policy/policy.ts";
import { tokensOf } from "../policy/protect.ts";

/** Consecutive tokens of one set that one pass feeds. */
export interface Segment {
  set: number;
  kind: "chunk" | "steps"; // prompt tokens by prefill attention, or decode attention token by token
  ids: ArrayLike<number>;
  from: number; // first of `ids` to feed; also its position
  count: number;
  /** Tokens of the prompt: what comes after them was decoded. */
  prompt: number;
  logits: "none" | "last" | "all";
  /** KVzip: a chunk that replays slots [from, to) of `set`'s prompt; the set's own lanes are a fork of it. */
  replay?: { set: number; from: number; to: number };
}

/** One id to draw from the last logits of a segment. */
export interface Draw {
  segment: number;
  sampler: number;
  position: number; // counter of the random numbers
  top: number; // log-probabilities wanted; -1 none
}

export interface BatchShape {
  rows: number;
  sets: number;
  logitRows: number;
  draws: number;
}

/** Lays segments out as the tables of a pass: chunk rows first, then steps, one list for each token that a set feeds. */
export class BatchTables {
  readonly batch: Batch;
  /** First row of logits of each segment of the last batch. */
  readonly logitRowOf: Int32Array;
  readonly #steps: I32;
  readonly #cuts: I32;

  constructor(device: Device, { rows, sets, logitRows, draws }: BatchShape) {
    const work = (items: number, size: number): Work => ({ list: device.i32(items * size), first: 0, count: 0 });
    this.batch = {
      rows: 0,
      ids: device.i32(rows),
      positions: device.i32(rows),
      places: device.i32(rows),
      self: device.i32(rows),
      free: device.i32(rows),
      forks: work(sets, FORK),
      chunks: work(sets, CHUNK),
      replays: work(sets, REPLAY),
      steps: [],
      cuts: [],
      logitRows: device.i32(logitRows),
      logitCount: 0,
      samples: work(draws, SAMPLE),
    };
    for (let i = 0; i < rows; i++) this.batch.self.host[i] = i;
    this.#steps = device.i32(rows * STEP);
    this.#cuts = device.i32(rows * STEP);
    this.logitRowOf = new Int32Array(sets);
  }

  lay(segments: readonly Segment[], draws: readonly Draw[], forks: number[], policy: Policy, shift: 0 | 1): Batch {
    const b = this.batch;
    b.rows = 0;
    b.logitCount = 0;
    b.chunks.count = 0;
    b.replays.count = 0;
    b.forks.count = forks.length / FORK;
    b.forks.list.host.set(forks);
    forks.length = 0;
    const rowOf = segments.map((segment, i) => this.#rows(segment, i, policy, shift));
    this.#laySteps(segments, rowOf, policy);
    draws.forEach((draw, i) => {
      const { count, logits } = segments[draw.segment];
      const row = this.logitRowOf[draw.segment] + (logits === "all" ? count - 1 : 0);
      b.samples.list.host.set([row, draw.sampler, draw.position, draw.top], i * SAMPLE);
    });
    b.samples.count = draws.length;
    return b;
  }

  #rows(segment: Segment, index: number, policy: Policy, shift: 0 | 1): number {
    const b = this.batch;
    const row = b.rows;
    const { labels, reads } = policy;
    const spare = labels ? tokensOf(labels.spare, segment.prompt) : 0;
    const limit = reads?.archivePosition ?? Number.POSITIVE_INFINITY;
    const back = labels?.source === "dms" ? shift : 0; // the gate of a row labels the key `back` before it
    for (let i = 0; i < segment.count; i++) {
      const position = segment.from + i;
      b.ids.host[row + i] = segment.ids[position];
      b.positions.host[row + i] = position;
      b.places.host[row + i] = Math.min(position, limit);
      b.free.host[row + i] = position - back >= spare ? 1 : 0;
    }
    b.rows += segment.count;
    const last = row + segment.count - 1;
    if (segment.kind === "chunk") {
      const chunk = [segment.set, row, segment.count, segment.from];
      b.chunks.list.host.set(chunk, b.chunks.count++ * CHUNK);
      const { replay } = segment;
      if (replay)
        b.replays.list.host.set(
          [...chunk, replay.set, replay.from, replay.to, segment.prompt],
          b.replays.count++ * REPLAY,
        );
    }
    this.logitRowOf[index] = b.logitCount;
    if (segment.logits === "all") for (let r = row; r <= last; r++) b.logitRows.host[b.logitCount++] = r;
    else if (segment.logits === "last") b.logitRows.host[b.logitCount++] = last;
    return row;
  }

  #laySteps(segments: readonly Segment[], rowOf: readonly number[], policy: Policy): void {
    const b = this.batch;
    const every = policy.cut?.decode && !policy.cut.rescore ? policy.cut.decode.every : 0;
    let item = 0;
    let cut = 0;
    b.steps.length = 0;
    b.cuts.length = 0;
    for (let j = 0; ; j++) {
      const [first, firstCut] = [item, cut];
      segments.forEach((segment, i) => {
        if (segment.kind !== "steps" || j >= segment.count) return;
        const position = segment.from + j;
        const step = [segment.set, rowOf[i] + j, position];
        this.#steps.host.set(step, item++ * STEP);
        if (every > 0 && cutsAt(segment, position, every)) this.#cuts.host.set(step, cut++ * STEP);
      });
      if (item === first) return;
      b.steps.push({ list: this.#steps, first, count: item - first });
      b.cuts.push({ list: this.#cuts, first: firstCut, count: cut - firstCut });
    }
  }
}

/** Does a policy that cuts every `every` decoded tokens cut after this one? */
export const cutsAt = (segment: Segment, position: number, every: number): boolean =>
  position >= segment.prompt && (position - segment.prompt + 1) % every === 0;
