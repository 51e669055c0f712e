import { HyperthinkError } from "../base/errors.ts";
import { LaneTable, sparesFor, type Write } from "../cache/lanes.ts";
import type { Gauge } from "../cache/meter.ts";
import {
  type Device,
  type Dtype,
  MAX_TOP,
  PAGE_SLOTS,
  pageBytes,
  SAMPLER_F,
  SAMPLER_U,
  type Sampled,
  type Samplers,
} from "../device/device.ts";
import type { Side } from "../model/attention.ts";
import { forward, type Model, type Workspace } from "../model/forward.ts";
import type { LaneInfo, Policy, Replay } from "../policy/policy.ts";
import { tokensOf } from "../policy/protect.ts";
import { BatchTables, cutsAt, type Draw, type Segment } from "./batch.ts";
import { Cuts } from "./cuts.ts";
import { Sides } from "./side.ts";

export type { Draw, Segment } from "./batch.ts";

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

/** Most decode rows a pass of one set (when it recomputes). Policies that cut while decoding do so in short runs: each row may copy pages. */
const CUT_ROWS = 8;
export function recomputeRows(policy: Policy, chunk: number): number {
  const { cut } = policy;
  if (!cut?.decode) return Math.min(chunk, 64);
  return Math.min(chunk, cut.rescore ? 1 : CUT_ROWS);
}

/** Plans, runs and commits passes over one model: the engine below scheduling. */
export class Runner {
  readonly device: Device;
  readonly model: Model;
  readonly options: RunnerOptions;
  readonly table: LaneTable;
  readonly samplers: Samplers;
  readonly sampled: Sampled;
  readonly workspace: Workspace;
  readonly sides: Sides;
  readonly #tables: BatchTables;
  /** Tables of passes that a cut needs between two steps, whose own must stay. */
  readonly #cutTables: BatchTables;
  readonly #cuts: Cuts;
  /** Told of every step, while they are in the set. */
  readonly gauges = new Set<Gauge>();
  /** What sets held in the last step before they were cut. */
  readonly beforeCut = new Map<number, { live: number; pages: number }>();
  #policy: Policy;
  #side: Side;

  constructor(device: Device, model: Model, policy: Policy, options: RunnerOptions) {
    const { config: c } = model;
    const { rows, logitRows } = options;
    this.device = device;
    this.model = model;
    this.options = options;
    const archivePages = Math.ceil(options.contextLength / PAGE_SLOTS) + 1;
    // Tables take address space, not memory, until used: sized for any policy and window, so that policies can change.
    const doomedPages = 2 * archivePages + 2;
    const mostUsed = options.sets * c.layers * c.kvHeads * (archivePages + 2);
    const lanes = device.lanes({
      sets: options.sets + 1, // one for the replay of a prompt
      layers: c.layers,
      kvHeads: c.kvHeads,
      queryHeads: c.queryHeads,
      headDim: c.headDim,
      dtype: options.kv,
      pages: Math.max(1, Math.min(mostUsed, Math.floor(options.kvBytes / pageBytes(c.headDim, options.kv)))),
      archivePages,
      doomedPages,
      sparePages: sparesFor(options.chunk, CUT_ROWS, archivePages),
    });
    this.table = new LaneTable(lanes);
    const hidden = (length: number) => device.hidden(length);
    const inner = model.weights.layers[0]?.probe?.inner?.rows ?? 0;
    this.workspace = {
      x: hidden(rows * c.hidden),
      normed: hidden(rows * c.hidden),
      q: hidden(rows * c.queryHeads * c.headDim),
      q2: hidden(rows * c.queryHeads * c.headDim),
      k: hidden(rows * c.kvHeads * c.headDim),
      v: hidden(rows * c.kvHeads * c.headDim),
      mixed: hidden(rows * c.queryHeads * c.headDim),
      carrier: hidden(c.dms?.borrowed ? rows * c.kvHeads * c.headDim : 1),
      z: Array.from({ length: c.layers }, () => hidden(rows * c.kvHeads)),
      inner: hidden(Math.max(1, rows * inner)),
      gate: hidden(rows * c.intermediate),
      up: hidden(rows * c.intermediate),
      angles: hidden(rows * c.headDim),
      angles2: hidden(rows * c.headDim),
      frequencies: device.f32(c.headDim / 2),
      picked: hidden(logitRows * c.hidden),
      logits: hidden(logitRows * c.vocabulary),
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
    this.#tables = new BatchTables(device, { rows, sets: options.sets, logitRows, draws });
    this.#cutTables = new BatchTables(device, { rows, sets: options.sets, logitRows: 1, draws: 1 });
    this.sides = new Sides(device, lanes.shape, options.contextLength + 2);
    this.#policy = policy;
    this.#side = this.sides.of(policy);
    const runner = this;
    this.#cuts = new Cuts(
      {
        device,
        config: c,
        table: this.table,
        frequencies: this.workspace.frequencies,
        chunk: options.chunk,
        beforeCut: this.beforeCut,
        get policy() {
          return runner.#policy;
        },
        get side() {
          return runner.#side;
        },
        feed: (segment) => this.#pass(this.#cutTables, [segment], []),
      },
      options.sets + 1,
    );
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Changes the policy; only while no lanes are open. */
  set policy(policy: Policy) {
    if (this.table.pool.used > 0) throw new Error("the policy can change only while the cache is empty");
    this.adopt(policy);
  }

  /** Changes the policy under open lanes, whose owner sees to it that the old policy's sets are not fed under the new one. */
  adopt(policy: Policy): void {
    this.#policy = policy;
    this.#side = this.sides.of(policy);
  }

  /** Words of one sampler's `seen` bits. */
  get seenWords(): number {
    return Math.ceil(this.model.config.vocabulary / 32);
  }

  /** An empty set for a chain of `prompt` tokens and at most `tokens` in all, or -1 when all are in use. */
  open(prompt: number, tokens: number): number {
    const set = this.table.open();
    if (set < 0) return set;
    try {
      this.allot(set, prompt, tokens);
    } catch (error) {
      this.table.close(set); // a budget of the caller's own may be none
      throw error;
    }
    return set;
  }

  /** Gives a set the budgets of the policy at hand. */
  allot(set: number, prompt: number, tokens: number): void {
    const { layers, kvHeads } = this.model.config;
    const { budget, protect } = this.table.device;
    const { cut, reads } = this.#policy;
    const of = cut?.budget ?? reads?.pages?.budget;
    protect.host[set] = cut ? tokensOf(cut.protect, prompt) : 0;
    if (!of) return;
    for (let i = 0; i < this.table.width; i++) {
      const lane: LaneInfo = { layer: Math.floor(i / kvHeads), head: i % kvHeads, layers, kvHeads, prompt, tokens };
      const keys = Math.floor(of(lane) + 1e-9); // 200 / (1 / 0.7) is a little below 140
      if (!(keys >= 0))
        throw new HyperthinkError(
          "bad-argument",
          `policy ${this.#policy.name}: expected a budget of keys, got ${keys}`,
        );
      budget.host[set * this.table.width + i] = Math.min(keys, 2 ** 30);
    }
  }

  /** Pages that feeding a segment may take. */
  demand(segment: Segment): number {
    return this.table.demand(segment.set, segment.count, this.#write(segment)) + this.#replayDemand(segment);
  }

  /** Takes the pages of a segment from the pool; `demand` of them must be free. Returns what they are for. */
  reserve(segment: Segment): Write {
    const write = this.#write(segment);
    this.table.reserve(segment.set, segment.count, write);
    return write;
  }

  /** Throws `bad-argument` where the policy cannot take a prompt so long. */
  checkPrompt(prompt: number): void {
    const replay = this.#policy.cut?.watch.replay;
    const { contextLength } = this.options;
    if (!replay) return;
    const tokens = prompt + replayTokens(replay, prompt);
    if (tokens > contextLength)
      throw new HyperthinkError(
        "bad-argument",
        `policy ${this.#policy.name} repeats the prompt after itself: expected room for ${tokens} tokens, the context has ${contextLength}; raise --context or use a shorter prompt`,
      );
  }

  #write(segment: Segment): Write {
    const { cut } = this.#policy;
    if (segment.kind === "chunk") return "chunk";
    if (!cut?.decode) return "steps";
    const { every } = cut.decode;
    let due = false;
    for (let i = 0; i < segment.count; i++) due ||= cutsAt(segment, segment.from + i, every);
    if (!due) return "steps";
    if (cut.rule.pool !== "lane") return "cuts";
    // Lanes that live at their budget lose one key a token, in place; only those well above it close gaps.
    const budget = this.table.device.budget.host;
    let write: Write = "steps";
    for (let lane = segment.set * this.table.width; lane < (segment.set + 1) * this.table.width; lane++) {
      const live = this.table.live(lane);
      if (live + segment.count < budget[lane] + cut.rule.slack) continue;
      if (!cut.rule.replace || live > budget[lane]) return "cuts";
      write = "victims";
    }
    return write;
  }

  /** KVzip's replay takes pages for the prompt's keys once more, a chunk at a time. */
  #replayDemand(segment: Segment): number {
    const replay = this.#policy.cut?.watch.replay;
    if (!replay || !endsPrompt(segment)) return 0;
    const rows = replayTokens(replay, segment.prompt);
    return this.table.width * (Math.ceil(rows / PAGE_SLOTS) + 2 * Math.ceil(rows / this.options.chunk) + 4);
  }

  /** Runs one pass over reserved segments, then commits their pages and cuts what is due. Draws land in `sampled`, in order. */
  async step(segments: readonly Segment[], draws: readonly Draw[]): Promise<void> {
    this.beforeCut.clear();
    await this.#pass(this.#tables, segments, draws);
    const { cut, prefill } = this.#policy;
    if (!cut) return;
    for (const segment of segments) {
      const newest = segment.from + segment.count - 1;
      if (segment.kind === "chunk") {
        if (cut.atPrompt && (prefill === "chunks" || endsPrompt(segment))) await this.cutPrompt(segment, newest);
      } else if (cut.rescore && cut.decode && cutsAt(segment, newest, cut.decode.every))
        await this.#cuts.cut(segment, newest, cut, cut.decode.score);
    }
  }

  async #pass(tables: BatchTables, segments: readonly Segment[], draws: readonly Draw[]): Promise<void> {
    const lanes = this.table.device;
    const shift = this.model.config.dms?.shift ?? 0;
    const batch = tables.lay(segments, draws, this.table.forks, this.#policy, shift);
    lanes.physical.host.fill(0);
    const pass = this.device.begin();
    forward(pass, this.model, batch, this.workspace, this.#side, lanes, this.#policy, this.samplers, this.sampled);
    await this.device.run(pass);
    let physical = 0;
    for (const slots of lanes.physical.host) physical += slots;
    for (const gauge of this.gauges) {
      gauge.physicalReads += physical / this.table.width;
      gauge.peakPages = Math.max(gauge.peakPages, this.table.pool.used);
    }
    for (const { set } of segments) this.table.commit(set);
  }

  /** The policy's cut at the end of a prompt (`newest` is its last position), over lanes that hold all of it. */
  cutPrompt(of: Pick<Segment, "set" | "ids" | "prompt">, newest: number): Promise<void> {
    return this.#cuts.atPrompt(of, newest);
  }

  /** The ranks that the policy gives a prompt's keys, by lane and slot, without cutting. */
  ranks(of: Pick<Segment, "set" | "ids" | "prompt">): Promise<Float32Array[]> {
    return this.#cuts.ranks(of);
  }

  /** Copies a row of logits of a segment of the last pass: its last token, or its `index`-th where "all" were asked. */
  async logits(segment: number, into: Float32Array, index = 0): Promise<void> {
    const V = this.model.config.vocabulary;
    await this.device.read(this.workspace.logits, (this.#tables.logitRowOf[segment] + index) * V, into);
  }
}

/** Most tokens of one replayed chunk, the request before it included. */
const replayTokens = ({ chunk, first, next, tail, reply }: Replay, prompt: number): number =>
  Math.min(prompt, chunk) + Math.max(first.length, next.length + tail) + reply.length;

/** Is the prompt's last token in this chunk? */
export const endsPrompt = (segment: Segment): boolean =>
  segment.kind === "chunk" && !segment.replay && segment.from + segment.count === segment.prompt;
