import { HyperthinkError } from "../base/errors.ts";
import type { LaneTable } from "../cache/lanes.ts";
import { type Device, type F32, FORK, type Pass, STEP, type Work } from "../device/device.ts";
import { rank, type Side } from "../model/attention.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Cut, Policy, Scorer } from "../policy/policy.ts";
import type { Segment } from "./batch.ts";

/** What cuts need of the runner that they belong to. */
export interface CutHost {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly table: LaneTable;
  readonly frequencies: F32;
  readonly policy: Policy;
  readonly side: Side;
  readonly chunk: number;
  readonly beforeCut: Map<number, { live: number; pages: number }>;
  /** Runs a pass over one reserved segment, apart from the tables of the step that is under way. */
  feed(segment: Segment): Promise<void>;
}

/** Cuts between passes: at the end of prompts, by policies of one's own, and after a replay of the prompt. */
export class Cuts {
  readonly #host: CutHost;
  readonly #item: Work;
  readonly #forks: Work;
  /** Lanes kept free for a prompt's replay. */
  #spareSet: number;

  constructor(host: CutHost, sets: number) {
    this.#host = host;
    this.#item = { list: host.device.i32(STEP), first: 0, count: 1 };
    this.#forks = { list: host.device.i32(sets * FORK), first: 0, count: 0 };
    this.#spareSet = host.table.open();
  }

  /** The policy's cut at the end of a prompt (`newest` is its last position), over lanes that hold all of it. */
  async atPrompt({ set, ids, prompt }: Pick<Segment, "set" | "ids" | "prompt">, newest: number): Promise<void> {
    const { cut } = this.#host.policy;
    if (!cut?.atPrompt) return;
    const replayed = cut.watch.replay ? await this.#replay(set, ids, prompt) : 0;
    await this.cut({ set, prompt }, newest, cut, cut.atPrompt);
    const before = this.#host.beforeCut.get(set);
    if (before) before.pages += replayed;
  }

  /** The ranks that the policy gives a prompt's keys, by lane and slot, without cutting. */
  async ranks({ set, ids, prompt }: Pick<Segment, "set" | "ids" | "prompt">): Promise<Float32Array[]> {
    const { cut } = this.#host.policy;
    const board = this.#host.side.board;
    if (!cut?.atPrompt || !board)
      throw new Error(`policy ${this.#host.policy.name} ranks nothing at the end of a prompt`);
    if (cut.watch.replay) await this.#replay(set, ids, prompt);
    this.#item.list.host.set([set, 0, prompt - 1]);
    const pass = this.#host.device.begin();
    this.#fork(pass);
    this.#rank(pass, cut, cut.atPrompt);
    await this.#host.device.run(pass);
    const out: Float32Array[] = [];
    for (let lane = set * this.#host.table.width; lane < (set + 1) * this.#host.table.width; lane++) {
      const ranks = new Float32Array(this.#host.table.device.archive.host[lane] + 1);
      await this.#host.device.read(board.scores, lane * board.stride, ranks);
      out.push(ranks);
    }
    return out;
  }

  /** Ranks a set's keys and keeps the best; `newest` is the last position. */
  async cut(of: Pick<Segment, "set" | "prompt">, newest: number, cut: Cut, scorers: readonly Scorer[]): Promise<void> {
    const { set, prompt } = of;
    const { table } = this.#host;
    const need = table.demand(set, 0, "cuts");
    if (table.pool.free < need)
      throw new HyperthinkError(
        "no-memory",
        `policy ${this.#host.policy.name} needs ${need} free pages to cut lanes that others share, and ${table.pool.free} are free: raise --kv-memory or run fewer chains`,
      );
    this.#host.beforeCut.set(set, { live: table.meanLive(set), pages: table.pagesOf(set) });
    const reads = table.device.reads.host.slice(set * table.width, (set + 1) * table.width);
    table.reserve(set, 0, "cuts");
    table.device.reads.host.set(reads, set * table.width); // a cut reads no keys: the last pass's count stands
    const { layers } = this.#host.config;
    const board = this.#host.side.board!;
    this.#item.list.host.set([set, 0, newest]);
    const item = this.#item;
    const lanes = table.device;
    let pass = this.#host.device.begin();
    this.#fork(pass);
    this.#rank(pass, cut, scorers);
    if (cut.rescore) {
      await this.#host.device.run(pass);
      const { sums, row, gates, replay } = cut.watch;
      const ranked = scorers.length > 0 || sums || row !== "none" || gates || replay !== null;
      this.#rescore(cut.rescore, set, prompt, newest, ranked);
      pass = this.#host.device.begin();
    }
    if (cut.rule.pool === "set") pass.keep(board, lanes, 0, layers, item, cut.rule);
    else for (let l = 0; l < layers; l++) pass.keep(board, lanes, l, 1, item, cut.rule);
    await this.#host.device.run(pass);
    table.commit(set);
  }

  /** Records the scorers of every layer for the item at hand. */
  #rank(pass: Pass, cut: Cut, scorers: readonly Scorer[]): void {
    const { config, side, table, frequencies } = this.#host;
    for (let l = 0; l < config.layers; l++)
      rank(pass, side.board!, side, table.device, l, this.#item, cut, scorers, frequencies);
  }

  /** Copies the tails of sets that were forked since the last pass, with all that policies remember of them. */
  #fork(pass: Pass): void {
    const { forks } = this.#host.table;
    if (forks.length === 0) return;
    const work = this.#forks;
    work.list.host.set(forks);
    work.count = forks.length / FORK;
    forks.length = 0;
    pass.fork(this.#host.table.device, work, this.#host.side.board, this.#host.side.ring, this.#host.side.moments);
  }

  #rescore(rescore: NonNullable<Cut["rescore"]>, set: number, prompt: number, newest: number, ranked: boolean): void {
    const { layers, kvHeads } = this.#host.config;
    const { scores, stride } = this.#host.side.board!;
    const host = (scores as { host: Float32Array }).host;
    for (let i = 0; i < this.#host.table.width; i++) {
      const lane = set * this.#host.table.width + i;
      const { positions, keys, values } = this.#host.device.keys(this.#host.table.device, lane);
      const ranks = host.subarray(lane * stride, lane * stride + positions.length);
      if (!ranked) ranks.fill(0); // what an earlier cut left there
      const info = { layer: Math.floor(i / kvHeads), head: i % kvHeads, layers, kvHeads, prompt, tokens: newest + 1 };
      rescore({ ...info, newest, positions, keys, values, scores: ranks });
      const wrong = ranks.findIndex((x) => Number.isNaN(x));
      if (wrong >= 0)
        throw new HyperthinkError(
          "bad-argument",
          `policy ${this.#host.policy.name}: expected numbers as scores, got NaN for the key at position ${positions[wrong]}`,
        );
    }
  }

  /**
   * KVzip: has the model repeat the prompt over a fork of its lanes, chunk by chunk, while the set's board collects the attention.
   * Returns the most pages it took.
   */
  async #replay(set: number, ids: Segment["ids"], prompt: number): Promise<number> {
    const replay = this.#host.policy.cut!.watch.replay!;
    const { table } = this.#host;
    const tokens = Array.from({ length: prompt }, (_, i) => ids[i]);
    let pages = 0;
    await this.#clear(set);
    for (let from = 0; from < prompt; from += replay.chunk) {
      const to = Math.min(prompt, from + replay.chunk);
      const asked =
        from === 0 ? replay.first : [...replay.next, ...tokens.slice(Math.max(0, from - replay.tail), from)];
      const rows = [...asked, ...replay.reply, ...tokens.slice(from, to)];
      const fork = table.fork(set, this.#spareSet);
      const all = [...tokens, ...rows];
      try {
        for (let at = 0; at < rows.length; at += this.#host.chunk) {
          const count = Math.min(this.#host.chunk, rows.length - at);
          const segment: Segment = {
            set: fork,
            kind: "chunk",
            ids: all,
            from: prompt + at,
            count,
            prompt,
            logits: "none",
            replay: { set, from, to },
          };
          if (table.pool.free < table.demand(fork, count, "chunk"))
            throw new HyperthinkError(
              "no-memory",
              `policy ${this.#host.policy.name}: no pages are left to replay the prompt; raise --kv-memory`,
            );
          table.reserve(fork, count, "chunk");
          await this.#host.feed(segment);
          pages = Math.max(pages, table.privatePages(fork));
        }
      } finally {
        table.close(fork);
        this.#spareSet = table.open(); // the same: sets are handed out last in, first out
      }
    }
    return pages;
  }

  /** Zeroes a set's board. */
  async #clear(set: number): Promise<void> {
    const pass = this.#host.device.begin();
    this.#fork(pass);
    this.#item.list.host.set([set, 0, 0]);
    pass.clear(this.#host.side.board!, this.#host.table.device, this.#item);
    await this.#host.device.run(pass);
  }
}
