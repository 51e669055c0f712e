import { asError, badArgument, HyperthinkError, noMemory } from "../base/errors.ts";
import type { Device, F32, LaneKeys, Pass, Work } from "../device/device.ts";
import { widthOf } from "../device/fields.ts";
import type { ModelConfig } from "../model/config.ts";
import { keep, rank } from "../model/paged.ts";
import { kindOf } from "../policy/kind.ts";
import type { Cut, Scorer } from "../policy/policy.ts";
import type { Segment } from "./segment.ts";
import type { Sets } from "./sets.ts";

const RUN = widthOf("run");

/** What cuts need of the runner that they belong to. */
export interface CutHost {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly sets: Sets;
  readonly frequencies: F32;
  readonly chunk: number;
  readonly beforeCut: Map<number, { live: number; pages: number }>;
  /** Hears of a set whose own policy failed, or for which there are no pages; others go on. May throw. */
  fail(set: number, error: Error): void;
  /** A pass that copies the forks since the last one first. */
  begin(): Pass;
  /** Reserves, runs and commits a pass over one segment, apart from the tables of the step that is under way. */
  feed(segment: Segment): Promise<void>;
}

/** A set whose cut is due; `newest` is its last position. */
export interface Due {
  set: number;
  newest: number;
  scorers: readonly Scorer[];
}

/** Cuts between passes: at the end of prompts, by policies of one's own, and after further passes over a prompt. */
export class Cuts {
  readonly #host: CutHost;
  readonly #runs: Work;

  constructor(host: CutHost, sets: number) {
    this.#host = host;
    this.#runs = { list: host.device.i32(sets * RUN), first: 0, count: 0 };
  }

  /** The policy's cut at the end of a prompt (`newest` is its last position), over lanes that hold all of it. */
  async atPrompt(set: number, ids: ArrayLike<number>, newest: number): Promise<void> {
    const { cut, prefill } = this.#host.sets.of(set).policy;
    if (!cut?.atPrompt) return;
    let pages: number;
    try {
      pages = await this.#readOn(set, ids);
    } catch (error) {
      if (error instanceof HyperthinkError) return this.#host.fail(set, error);
      throw error;
    }
    if (!(await this.run([{ set, newest, scorers: cut.atPrompt }]))) return;
    const before = this.#host.beforeCut.get(set);
    if (before) before.pages += pages;
    if (prefill !== "chunks" || newest + 1 >= this.#host.sets.of(set).prompt) this.#host.sets.settle(set);
  }

  /** The scores that the policy gives a prompt's keys, by lane and slot, without cutting. */
  async ranks(set: number, ids: ArrayLike<number>): Promise<Float32Array[]> {
    const { device, sets } = this.#host;
    const { policy, prompt } = sets.of(set);
    if (!policy.cut?.atPrompt) throw new Error(`policy ${policy.name} ranks nothing at the end of a prompt`);
    await this.#readOn(set, ids);
    const pass = this.#begin([{ set, newest: prompt - 1, scorers: policy.cut.atPrompt }]);
    this.#rank(pass, policy.cut, policy.cut.atPrompt);
    await device.run(pass);
    const { table } = sets;
    return (await device.keys(table.device, table.lanes(set))).map(({ scores }) => scores);
  }

  /** Cuts what is due: sets of one kind of policy together, as far as the free pages reach. Was all of it cut? */
  async run(due: readonly Due[]): Promise<boolean> {
    const { table } = this.#host.sets;
    let cut = 0;
    const kinds = Map.groupBy(due, ({ set }) => kindOf(this.#host.sets.of(set).policy));
    for (const group of kinds.values()) {
      let together: Due[] = [];
      let pages = 0;
      for (const one of group) {
        const need = table.demand(one.set, 0, "cuts");
        if (together.length && pages + need > table.pool.free) {
          cut += await this.#cut(together);
          [together, pages] = [[], 0];
        }
        if (need > table.pool.free) {
          const short =
            `policy ${this.#host.sets.of(one.set).policy.name} needs ${need} free pages to cut lanes that others share, and ` +
            `${table.pool.free} are free: raise --kv-memory or run fewer chains`;
          this.#host.fail(one.set, noMemory(short));
          continue;
        }
        together.push(one);
        pages += need;
      }
      cut += await this.#cut(together);
    }
    return cut === due.length;
  }

  /** Cuts sets of one kind together; how many of them were. */
  async #cut(due: readonly Due[]): Promise<number> {
    if (due.length === 0) return 0;
    const { sets, beforeCut } = this.#host;
    const { table } = sets;
    for (const { set } of due) {
      beforeCut.set(set, { live: table.meanLive(set), pages: table.pagesOf(set) });
      table.reserve(set, 0, "cuts");
    }
    try {
      return await this.#rankAndKeep(due, sets.of(due[0].set).policy.cut!);
    } finally {
      for (const { set } of due) table.commit(set);
    }
  }

  async #rankAndKeep(due: readonly Due[], cut: Cut): Promise<number> {
    const { device, sets, config } = this.#host;
    const { table } = sets;
    let pass = this.#begin(due);
    let sound = due;
    this.#rank(pass, cut, due[0].scorers);
    if (cut.rescore) {
      await device.run(pass);
      sound = await this.#rescore(cut, due);
      if (sound.length === 0) return 0;
      pass = this.#begin(sound);
    }
    if (cut.rule.share === "set") keep(pass, table.device, 0, config.layers, this.#runs, cut);
    else for (let l = 0; l < config.layers; l++) keep(pass, table.device, l, 1, this.#runs, cut);
    await device.run(pass);
    return sound.length;
  }

  /** A pass over the sets that are due. */
  #begin(due: readonly Due[]): Pass {
    this.#runs.count = due.length;
    for (const [i, { set, newest }] of due.entries()) this.#runs.list.host.set([set, 0, 1, newest], i * RUN);
    return this.#host.begin();
  }

  /** Records the scorers of every layer for the sets at hand. */
  #rank(pass: Pass, cut: Cut, scorers: readonly Scorer[]): void {
    const { config, sets, frequencies } = this.#host;
    for (let l = 0; l < config.layers; l++) rank(pass, sets.table.device, l, this.#runs, cut, scorers, frequencies);
  }

  /** Has a policy of one's own rank; the sets for which it did. */
  async #rescore(cut: Cut, due: readonly Due[]): Promise<Due[]> {
    const { device, sets, fail } = this.#host;
    const { table } = sets;
    const all = await device.keys(
      table.device,
      due.flatMap(({ set }) => table.lanes(set)),
    );
    const sound: Due[] = [];
    const scores: Float32Array[] = [];
    for (const [d, one] of due.entries())
      try {
        const lanes = all.slice(d * table.width, (d + 1) * table.width);
        for (const [i, keys] of lanes.entries()) this.#rescoreLane(cut, one, i, keys);
        sound.push(one);
        scores.push(...lanes.map((keys) => keys.scores));
      } catch (error) {
        fail(one.set, asError(error));
      }
    await device.score(
      table.device,
      sound.flatMap(({ set }) => table.lanes(set)),
      scores,
    );
    return sound;
  }

  #rescoreLane({ rescore, watch }: Cut, { set, newest, scorers }: Due, i: number, { scores, ...keys }: LaneKeys): void {
    const { layers, kvHeads } = this.#host.config;
    const { policy, prompt } = this.#host.sets.of(set);
    const ranked = scorers.length > 0 || watch.sums || watch.row !== "none" || watch.gates || watch.further !== null;
    if (!ranked) scores.fill(0); // what an earlier cut left there
    const info = { layer: Math.floor(i / kvHeads), head: i % kvHeads, layers, kvHeads, prompt, tokens: newest + 1 };
    rescore!({ ...info, newest, ...keys, scores });
    const wrong = scores.findIndex((x) => Number.isNaN(x));
    if (wrong >= 0)
      throw badArgument(
        `policy ${policy.name}: expected numbers as scores, got NaN for the key at position ${keys.positions[wrong]}`,
      );
  }

  /** Further passes over a prompt, where its policy wants them; the most pages that one took. */
  async #readOn(set: number, ids: ArrayLike<number>): Promise<number> {
    const { device, sets, chunk } = this.#host;
    const { policy, prompt } = sets.of(set);
    const further = policy.cut?.watch.further;
    if (!further) return 0;
    const read = Array.from({ length: prompt }, (_, i) => ids[i]);
    let pages = 0;
    const pass = this.#begin([{ set, newest: 0, scorers: [] }]);
    pass.clear({ lanes: sets.table.device, runs: this.#runs });
    await device.run(pass);
    for (const { ids: more, from, to } of further.readings(read)) {
      const fork = sets.forkForAWhile(set);
      const all = [...read, ...more];
      try {
        for (let at = prompt; at < all.length; at += chunk) {
          const count = Math.min(chunk, all.length - at);
          await this.#host.feed({
            set: fork,
            kind: "chunk",
            ids: all,
            from: at,
            count,
            logits: "none",
            scores: { set, from, to },
          });
          pages = Math.max(pages, sets.table.privatePages(fork));
        }
      } finally {
        sets.close(fork);
      }
    }
    return pages;
  }
}
