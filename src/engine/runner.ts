import { LaneTable, sparesFor, type Write } from "../cache/lanes.ts";
import type { Gauge } from "../cache/meter.ts";
import {
  CHUNK,
  type Device,
  type Dtype,
  FORK,
  type I32,
  MAX_TOP,
  PAGE_SLOTS,
  pageBytes,
  SAMPLE,
  SAMPLER_F,
  SAMPLER_U,
  type Sampled,
  type Samplers,
  STEP,
  type Work,
} from "../device/device.ts";
import { type Batch, forward, type Model, type Workspace } from "../model/forward.ts";
import type { Policy } from "../policy/policy.ts";

/** Consecutive tokens of one set that one pass feeds. */
export interface Segment {
  set: number;
  kind: "chunk" | "steps"; // prompt tokens by prefill attention, or decode attention token by token
  ids: ArrayLike<number>;
  from: number; // first of `ids` to feed; also its position
  count: number;
  endsPrompt: boolean; // chunk: the prompt's last token is in it
  logits: "none" | "last" | "all";
}

/** One id to draw from the last logits of a segment. */
export interface Draw {
  segment: number;
  sampler: number;
  position: number; // counter of the random numbers
  top: number; // log-probabilities wanted; -1 none
}

export interface RunnerOptions {
  kv: Dtype;
  kvBytes: number; // of the page pool
  chains: number; // that run at a time
  sets: number; // of lanes: chains and roots
  contextLength: number;
  chunk: number; // most prompt rows a pass
  rows: number; // most rows a pass
  logitRows: number;
  samplers: number; // unfinished chains at a time, waiting ones included
}

/** Most decode rows a pass of one set (a replay). Victim policies may copy a page a row, so they replay in shorter runs. */
const VICTIM_ROWS = 8;
export const replayRows = (policy: Policy, chunk: number): number => Math.min(chunk, policy.cut ? VICTIM_ROWS : 64);

/** Plans, runs and commits passes over one model: the engine below scheduling. */
export class Runner {
  readonly device: Device;
  readonly model: Model;
  readonly options: RunnerOptions;
  readonly table: LaneTable;
  readonly samplers: Samplers;
  readonly sampled: Sampled;
  readonly workspace: Workspace;
  readonly #batch: Batch;
  readonly #logitRowOf: Int32Array;
  /** Told of every step, while they are in the set. */
  readonly gauges = new Set<Gauge>();

  constructor(device: Device, model: Model, policy: Policy, options: RunnerOptions) {
    const { config: c } = model;
    const { rows, logitRows } = options;
    this.device = device;
    this.model = model;
    this.#policy = policy;
    this.options = options;
    const archivePages = Math.ceil(options.contextLength / PAGE_SLOTS) + 1;
    // Tables take address space, not memory, until used: sized for any policy and window, so that policies can change.
    const doomedPages = 2 * archivePages + 2;
    const mostUsed = options.sets * c.layers * c.kvHeads * (archivePages + 2);
    const lanes = device.lanes({
      sets: options.sets,
      layers: c.layers,
      kvHeads: c.kvHeads,
      queryHeads: c.queryHeads,
      headDim: c.headDim,
      dtype: options.kv,
      pages: Math.max(1, Math.min(mostUsed, Math.floor(options.kvBytes / pageBytes(c.headDim, options.kv)))),
      archivePages,
      doomedPages,
      sparePages: sparesFor(options.chunk, VICTIM_ROWS),
    });
    this.table = new LaneTable(lanes);
    const hidden = (length: number) => device.hidden(length);
    this.workspace = {
      x: hidden(rows * c.hidden),
      normed: hidden(rows * c.hidden),
      q: hidden(rows * c.queryHeads * c.headDim),
      k: hidden(rows * c.kvHeads * c.headDim),
      v: hidden(rows * c.kvHeads * c.headDim),
      mixed: hidden(rows * c.queryHeads * c.headDim),
      discard: hidden(rows * c.queryHeads * c.headDim),
      carrier: hidden(c.dms?.borrowed ? rows * c.kvHeads * c.headDim : 1),
      z: Array.from({ length: c.layers }, () => hidden(c.dms ? rows * c.kvHeads : 1)),
      gate: hidden(rows * c.intermediate),
      up: hidden(rows * c.intermediate),
      angles: hidden(rows * c.headDim),
      frequencies: device.f32(c.headDim / 2),
      picked: hidden(logitRows * c.hidden),
      logits: hidden(logitRows * c.vocabulary),
      scores: null,
    };
    this.workspace.frequencies.host.set(c.frequencies);
    this.samplers = {
      real: device.f32(options.samplers * SAMPLER_F),
      whole: device.u32(options.samplers * SAMPLER_U),
      seen: device.u32(options.samplers * this.seenWords),
    };
    const draws = options.samplers + options.sets;
    this.sampled = {
      ids: device.i32(draws),
      logprob: device.f32(draws),
      topIds: device.i32(draws * MAX_TOP),
      topLogprobs: device.f32(draws * MAX_TOP),
    };
    const work = (items: number, size: number): Work => ({ list: device.i32(items * size), first: 0, count: 0 });
    this.#batch = {
      rows: 0,
      ids: device.i32(rows),
      positions: device.i32(rows),
      forks: work(options.sets, FORK),
      chunks: work(options.sets, CHUNK),
      steps: [],
      prompts: work(options.sets, STEP),
      logitRows: device.i32(logitRows),
      logitCount: 0,
      samples: work(draws, SAMPLE),
    };
    this.#stepList = device.i32(rows * STEP);
    this.#logitRowOf = new Int32Array(options.sets);
  }
  readonly #stepList: I32;
  #policy: Policy;
  #scores: Workspace["scores"] = null;

  get policy(): Policy {
    return this.#policy;
  }

  /** Changes the policy; only while no lanes are open. */
  set policy(policy: Policy) {
    if (this.table.pool.used > 0) throw new Error("the policy can change only while the cache is empty");
    this.#policy = policy;
  }

  /** Score buffers are large (sets * Hq * context), so they exist from the first policy on that wants them. */
  #scoresFor(policy: Policy): Workspace["scores"] {
    if (policy.watches !== "weights") return null;
    const { sets, contextLength } = this.options;
    const { queryHeads } = this.model.config;
    const stride = contextLength + 2;
    this.#scores ??= {
      raw: this.device.hidden(sets * queryHeads * stride),
      lse: this.device.hidden(sets * queryHeads),
      stride,
    };
    return this.#scores;
  }

  /** Words of one sampler's `seen` bits. */
  get seenWords(): number {
    return Math.ceil(this.model.config.vocabulary / 32);
  }

  /** Pages that feeding a segment may take. */
  demand(segment: Segment): number {
    return this.table.demand(segment.set, segment.count, this.#write(segment));
  }

  /** Takes the pages of a segment from the pool; `demand` of them must be free. */
  reserve(segment: Segment): void {
    this.table.reserve(segment.set, segment.count, this.#write(segment));
  }

  #write(segment: Segment): Write {
    return segment.kind === "chunk" ? "chunk" : this.#policy.cut ? "victims" : "steps";
  }

  /** Runs one pass over reserved segments, then commits their pages. Draws land in `sampled`, in order. */
  async step(segments: readonly Segment[], draws: readonly Draw[]): Promise<void> {
    const lanes = this.table.device;
    const batch = this.#lay(segments, draws);
    lanes.physical.host.fill(0);
    const pass = this.device.begin();
    this.workspace.scores = this.#scoresFor(this.#policy);
    forward(pass, this.model, batch, this.workspace, lanes, this.#policy, this.samplers, this.sampled);
    await this.device.run(pass);
    let physical = 0;
    for (const slots of lanes.physical.host) physical += slots;
    for (const gauge of this.gauges) {
      gauge.physicalReads += physical / this.table.width;
      gauge.peakPages = Math.max(gauge.peakPages, this.table.pool.used);
    }
    for (const { set } of segments) this.table.commit(set);
  }

  /** Copies a row of logits of a segment of the last pass: its last token, or its `index`-th where "all" were asked. */
  async logits(segment: number, into: Float32Array, index = 0): Promise<void> {
    const V = this.model.config.vocabulary;
    await this.device.read(this.workspace.logits, (this.#logitRowOf[segment] + index) * V, into);
  }

  /** Tables of the pass: chunk rows first, then steps, one list for each token that a set feeds. */
  #lay(segments: readonly Segment[], draws: readonly Draw[]): Batch {
    const b = this.#batch;
    b.rows = 0;
    b.logitCount = 0;
    b.chunks.count = 0;
    b.prompts.count = 0;
    b.forks.count = this.table.forks.length / FORK;
    b.forks.list.host.set(this.table.forks);
    this.table.forks.length = 0;
    const rowOf = segments.map((segment, i) => this.#layRows(segment, i));
    this.#laySteps(segments, rowOf);
    draws.forEach((draw, i) => {
      const { count, logits } = segments[draw.segment];
      const row = this.#logitRowOf[draw.segment] + (logits === "all" ? count - 1 : 0);
      b.samples.list.host.set([row, draw.sampler, draw.position, draw.top], i * SAMPLE);
    });
    b.samples.count = draws.length;
    return b;
  }

  #layRows(segment: Segment, index: number): number {
    const b = this.#batch;
    const row = b.rows;
    for (let i = 0; i < segment.count; i++) {
      b.ids.host[row + i] = segment.ids[segment.from + i];
      b.positions.host[row + i] = segment.from + i;
    }
    b.rows += segment.count;
    const last = row + segment.count - 1;
    if (segment.kind === "chunk") {
      b.chunks.list.host.set([segment.set, row, segment.count, segment.from], b.chunks.count++ * CHUNK);
      if (segment.endsPrompt)
        b.prompts.list.host.set([segment.set, last, segment.from + segment.count - 1], b.prompts.count++ * STEP);
    }
    this.#logitRowOf[index] = b.logitCount;
    if (segment.logits === "all") for (let r = row; r <= last; r++) b.logitRows.host[b.logitCount++] = r;
    else if (segment.logits === "last") b.logitRows.host[b.logitCount++] = last;
    return row;
  }

  #laySteps(segments: readonly Segment[], rowOf: readonly number[]): void {
    const list = this.#stepList;
    let item = 0;
    this.#batch.steps.length = 0;
    for (let j = 0; ; j++) {
      const first = item;
      segments.forEach((segment, i) => {
        if (segment.kind === "steps" && j < segment.count)
          list.host.set([segment.set, rowOf[i] + j, segment.from + j], item++ * STEP);
      });
      if (item === first) return;
      this.#batch.steps.push({ list, first, count: item - first });
    }
  }
}
