import { badArgument, unsupported } from "../base/errors.ts";
import { LaneTable } from "../cache/lanes.ts";
import {
  type Device,
  type Hidden,
  type I32,
  type KvFormat,
  PAGE_FORMATS,
  PAGE_SLOTS,
  type PageFormat,
  type Pass,
  SPAN_PAGES,
  type Work,
} from "../device/device.ts";
import { widthOf } from "../device/fields.ts";
import { forward, type Model } from "../model/forward.ts";
import { paged } from "../model/paged.ts";
import { type Activations, makeActivations } from "../model/workspace.ts";
import type { Policy } from "../policy/policy.ts";
import { BatchTables, type Draw } from "./batch.ts";
import { Cuts, type Due } from "./cuts.ts";
import { makeSamplers, type Samplers } from "./sampling.ts";
import { cutsAt, type Segment } from "./segment.ts";
import { Sets, TEMPORARY } from "./sets.ts";

export type { Draw } from "./batch.ts";
export type { OpenSet, Segment } from "./segment.ts";

export interface RunnerOptions {
  kv: KvFormat | PageFormat;
  kvBytes: number; // of the page pool
  chains: number; // that run at a time
  sets: number; // of lanes: chains and roots
  contextLength: number;
  chunk: number; // most prompt rows per pass
  rows: number; // most rows per pass
  logitRows: number;
  samplers: number; // unfinished chains at a time, waiting ones included
}

/**
 * Most decode rows per pass of one set (when it recomputes). Policies that cut while decoding do so in short runs: each
 * row may copy pages. Where changes of the hidden state rank, the first layers cut before those of the run's rows are
 * known: it is no longer than the recent keys, which stay.
 */
const CUT_ROWS = 8;
export function recomputeRows({ cut }: Policy, chunk: number): number {
  if (!cut?.decode) return Math.min(chunk, 64);
  const known = cut.watch.changes ? cut.rule.recent : CUT_ROWS;
  return Math.min(chunk, cut.rescore ? 1 : Math.min(known, CUT_ROWS));
}

const rethrow = (_set: number, error: Error): void => {
  throw error;
};

/** Runs passes over one model and its cache: the engine below scheduling. */
export class Runner {
  readonly device: Device;
  readonly model: Model;
  readonly options: RunnerOptions;
  readonly table: LaneTable;
  readonly sets: Sets;
  readonly samplers: Samplers;
  readonly activations: Activations;
  /** What sets held in the last step before they were cut. */
  readonly beforeCut = new Map<number, { live: number; pages: number }>();
  readonly #tables: BatchTables;
  /** Tables of passes that a cut needs between two steps, whose own must stay. */
  readonly #cutTables: BatchTables;
  readonly #cuts: Cuts;
  readonly #forks: Work;
  #copies: { z: Hidden; list: I32 } | null = null;
  #fail = rethrow;

  constructor(device: Device, model: Model, options: RunnerOptions) {
    const { config: c, weights } = model;
    const { rows, logitRows } = options;
    this.device = device;
    this.model = model;
    this.options = options;
    const format = typeof options.kv === "string" ? PAGE_FORMATS[options.kv] : options.kv;
    const mostPages = Math.ceil(options.contextLength / PAGE_SLOTS) + 1;
    const spans = Math.ceil((mostPages + 1) / SPAN_PAGES) * SPAN_PAGES;
    const mostUsed = options.sets * c.layers * c.kvHeads * (mostPages + 2);
    this.table = new LaneTable(
      device.lanes({
        sets: options.sets + TEMPORARY,
        layers: c.layers,
        kvHeads: c.kvHeads,
        queryHeads: c.queryHeads,
        headDim: c.headDim,
        format,
        pages: Math.max(1, Math.min(mostUsed, Math.floor(options.kvBytes / format.bytes(c.headDim)))),
        archivePages: spans,
        doomedPages: spans,
      }),
    );
    this.sets = new Sets(device, this.table, c, options.chunk);
    this.activations = makeActivations(device, c, weights, { rows, logitRows });
    const draws = options.samplers + options.sets;
    this.samplers = makeSamplers(device, options.samplers, c.vocabulary, draws);
    this.#tables = new BatchTables(device, { rows, sets: options.sets, logitRows, draws });
    this.#cutTables = new BatchTables(device, { rows, sets: options.sets, logitRows: 1, draws: 1 });
    this.#forks = { list: device.i32((options.sets + TEMPORARY) * widthOf("pair")), first: 0, count: 0 };
    this.#cuts = new Cuts(
      {
        device,
        config: c,
        sets: this.sets,
        frequencies: this.activations.ends.frequencies,
        chunk: options.chunk,
        beforeCut: this.beforeCut,
        fail: (set, error) => this.#fail(set, error),
        begin: () => this.#begin(),
        feed: (segment) => this.#pass(this.#cutTables, [segment], []),
      },
      options.sets + TEMPORARY,
    );
  }

  /** Throws `bad-argument` where a policy cannot take a prompt so long, or not on pages of this format. */
  check({ name, cut }: Policy, prompt: number): void {
    const { format } = this.table.device.shape;
    if (cut && !format.rewritable)
      throw unsupported(
        `policy ${name} cuts, and full pages of the format ${format.name} are sealed: expected a policy that labels keys or keeps all, or another --kv`,
      );
    const further = cut?.watch.further;
    const { contextLength } = this.options;
    const tokens = prompt + (further?.most(prompt) ?? 0);
    if (further && tokens > contextLength)
      throw badArgument(
        `policy ${name} reads on after the prompt: expected room for ${tokens} tokens, the context has ${contextLength}; ` +
          "raise --context or use a shorter prompt",
      );
  }

  /**
   * Takes the pages of segments, runs one pass over them, gives back what it did not take, and cuts what is due. Draws
   * land in `samplers.drawn`, in order. Throws `no-memory` where the pages are not free. `fail` hears of sets whose own
   * policy failed in a cut; without it, that is thrown.
   */
  async run(segments: readonly Segment[], draws: readonly Draw[] = [], fail = rethrow): Promise<void> {
    this.#fail = fail;
    try {
      await this.#run(segments, draws);
    } finally {
      this.#fail = rethrow;
    }
  }

  async #run(segments: readonly Segment[], draws: readonly Draw[]): Promise<void> {
    this.beforeCut.clear();
    await this.#pass(this.#tables, segments, draws);
    const due: Due[] = [];
    for (const segment of segments) {
      const { set, ids } = segment;
      const opened = this.sets.of(set);
      const { cut, prefill } = opened.policy;
      const newest = segment.from + segment.count - 1;
      if (segment.kind === "chunk") {
        if (cut?.atPrompt && (prefill === "chunks" || this.sets.endsPrompt(segment)))
          await this.#cuts.atPrompt(set, ids, newest);
      } else if (cut?.rescore && cut.decode && cutsAt(opened, newest))
        due.push({ set, newest, scorers: cut.decode.score });
    }
    await this.#cuts.run(due);
  }

  async #pass(tables: BatchTables, segments: readonly Segment[], draws: readonly Draw[]): Promise<void> {
    const { table, sets, model, activations } = this;
    await this.#around(segments, (pass) => {
      const { hidden, dms } = model.config;
      const shift = dms?.shift ?? 0;
      const opened = segments.map(({ set }) => sets.of(set));
      const batch = tables.lay(segments, opened, draws, shift);
      const { logits, frequencies } = activations.ends;
      forward(pass, model, batch, activations, paged(batch, table.device, frequencies, shift, hidden));
      const { vocabulary } = model.config;
      const { drawn, ...samplers } = this.samplers;
      if (draws.length) pass.sample({ ...drawn, ...samplers, logits, vocabulary, draws: batch.draws });
    });
  }

  /** A pass for which the host's tables went up, and which first copies the tails of sets that were forked. */
  #begin(): Pass {
    const { forks, device: lanes } = this.table;
    this.#forks.count = forks.length / widthOf("pair");
    this.#forks.list.host.set(forks);
    forks.length = 0;
    this.table.flush();
    const pass = this.device.begin();
    if (this.#forks.count) pass.fork({ lanes, pairs: this.#forks });
    return pass;
  }

  /** Takes the pages that segments may want, runs what is recorded, and gives back those that it did not take. */
  async #around(segments: readonly Segment[], record: (pass: Pass) => void): Promise<void> {
    const { table, sets } = this;
    try {
      for (const segment of segments) {
        sets.ready(segment);
        table.reserve(segment.set, segment.count, sets.write(segment));
      }
      const pass = this.#begin();
      record(pass);
      await this.device.run(pass);
    } finally {
      for (const { set } of segments) table.commit(set);
    }
  }

  /**
   * Admits keys [from, from + count) of a prompt that `source` holds whole to `set` once more, under the labels of its
   * policy: gates z [layers, count, Hkv].
   */
  async readmit(source: number, set: number, from: number, count: number, z: Float32Array): Promise<void> {
    const { layers, kvHeads } = this.model.config;
    const width = widthOf("copy");
    this.#copies ??= {
      z: this.device.hidden(layers * this.options.chunk * kvHeads),
      list: this.device.i32(layers * width),
    };
    const copies = this.#copies;
    await this.device.write(copies.z, 0, z);
    for (let l = 0; l < layers; l++) copies.list.host.set([source, set, l * count, count, from], l * width);
    const segment: Segment = { set, kind: "chunk", ids: [], from, count, logits: "none" };
    const lanes = this.table.device;
    await this.#around([segment], (pass) => {
      for (let layer = 0; layer < layers; layer++)
        pass.readmit({ z: copies.z, lanes, layer, copies: { list: copies.list, first: layer, count: 1 } });
    });
  }

  /** The policy's cut at the end of a prompt (`newest` is its last position), over lanes that hold all of it. */
  cutPrompt(set: number, ids: ArrayLike<number>, newest: number): Promise<void> {
    return this.#cuts.atPrompt(set, ids, newest);
  }

  /** The scores that the policy gives a prompt's keys, by lane and slot, without cutting. */
  ranks(set: number, ids: ArrayLike<number>): Promise<Float32Array[]> {
    return this.#cuts.ranks(set, ids);
  }

  /** Copies a row of logits of a segment of the last pass: its last token, or its `index`-th where "all" were asked. */
  async logits(segment: number, into: Float32Array, index = 0): Promise<void> {
    const V = this.model.config.vocabulary;
    await this.device.read(this.activations.ends.logits, (this.#tables.logitRowOf[segment] + index) * V, into);
  }
}
