// A device's lanes with everything that policies watch, fed with seeded tokens: two devices fed alike can be compared.
import { type Seeded, seeded } from "../../src/base/rng.ts";
import {
  type F32,
  type I32,
  type LaneShape,
  type Lanes,
  PAGE_FORMATS,
  type Pass,
  type Work,
} from "../../src/device/device.ts";
import { type Candidate, gaussians, put, type Rig, rig } from "./devices.ts";
import { type Host, host, spans } from "./host.ts";

export const LAYERS = 2;
export const [KV_HEADS, QUERY_HEADS] = [2, 6];
/** Numbers of a hidden state: no whole number of vectors. */
export const HIDDEN = 21;
/** First positions that moments leave out. */
export const SKIP = 3;
export type Format = keyof typeof PAGE_FORMATS;

/** When and how many keys stay, as `keep` is told. */
export type Rule = Pick<Parameters<Pass["keep"]>[0], "slack" | "share" | "recent" | "floor" | "replace">;

/** What one layer's operations are given. */
export interface Fed {
  layer: number;
  lanes: Lanes;
  q: F32;
  q2: F32;
  k: F32;
  v: F32;
  z: F32;
  x: F32;
  runs: Work;
}

export class Watched {
  readonly rig: Rig;
  readonly host: Host;
  readonly lanes: Lanes;
  readonly shape: LaneShape;
  readonly random: Seeded;
  readonly frequencies: F32;
  readonly lengths: number[];

  constructor(candidate: Candidate, format: Format, headDim: number, seed: number, change: Partial<LaneShape> = {}) {
    this.rig = rig(candidate);
    this.shape = {
      ...{ sets: 3, layers: LAYERS, kvHeads: KV_HEADS, queryHeads: QUERY_HEADS, headDim, format: PAGE_FORMATS[format] },
      ...{ pages: 700, archivePages: spans(22), doomedPages: 0, ...change },
    };
    this.host = host(this.rig.device, this.shape);
    this.lanes = this.host.lanes;
    this.random = seeded(seed);
    // Room that is no round number: a lane's scores lie anywhere.
    const state = {
      slots: this.shape.archivePages * 16 + 3,
      queries: 20,
      moments: true,
      bounds: true,
      changes: 400,
      width: HIDDEN,
    };
    for (let set = 0; set < this.shape.sets; set++) this.rig.device.attach(this.lanes, set, state);
    this.frequencies = this.rig.f32(Array.from({ length: headDim / 2 }, (_, j) => 100 ** (-j / (headDim / 2))));
    this.lengths = new Array(this.shape.sets).fill(0);
  }

  /** Lets the device go: a test opens many. */
  [Symbol.dispose](): void {
    this.rig.device.close();
  }

  /** Feeds `rows` tokens to each set. */
  async feed(
    sets: number[],
    rows: number,
    record: (pass: Pass, fed: Fed) => void,
    spares = Math.ceil(rows / 16) + 2,
  ): Promise<void> {
    const { kvHeads, queryHeads, headDim } = this.shape;
    const first = 2; // rows that belong to nobody come first
    const total = first + rows * sets.length;
    const runs = this.items(sets.map((set, i) => [set, first + i * rows, rows, this.lengths[set]]));
    const fed = Array.from({ length: this.shape.layers }, (_, layer) => ({
      ...{ layer, lanes: this.lanes, runs },
      q: this.numbers(total * queryHeads * headDim),
      q2: this.numbers(total * queryHeads * headDim),
      k: this.numbers(total * kvHeads * headDim),
      v: this.numbers(total * kvHeads * headDim),
      z: this.numbers(total * kvHeads),
      x: this.numbers(total * HIDDEN),
    }));
    for (const set of sets) this.host.plan(set, spares);
    await this.rig.run((pass) => {
      for (const layer of fed) record(pass, layer);
    });
    for (const set of sets) this.lengths[set] += rows;
  }

  items(items: number[][]): Work {
    return { list: this.rig.i32(items.flat()), first: 0, count: items.length };
  }

  numbers(length: number): F32 {
    return this.rig.f32(gaussians(this.random, length));
  }

  /** Random scores with many ties for every live key. */
  async shuffle(): Promise<void> {
    const { device } = this.rig;
    const lanes = this.allLanes();
    const keys = await device.keys(this.lanes, lanes);
    const scores = keys.map(({ positions }) => Float32Array.from(positions, () => this.random.below(9) / 4 - 1));
    await device.score(this.lanes, lanes, scores);
  }

  allLanes(): number[] {
    return [...this.lanes.archive.host.keys()];
  }

  /** Scores of the live keys of some lanes, one after the other. */
  async scores(lanes = this.allLanes()): Promise<Float32Array> {
    const keys = await this.rig.device.keys(this.lanes, lanes);
    return Float32Array.from(keys.flatMap(({ scores }) => [...scores]));
  }

  /** Steps of some sets at their newest position. */
  newest(sets: number[]): Work {
    return this.items(sets.map((set) => [set, 0, 1, this.lengths[set] - 1]));
  }

  /** Prompts of some sets at once, nothing watched. */
  async prompt(sets: number[], rows: number): Promise<void> {
    await this.feed(sets, rows, (pass, { k, v, ...fed }) => pass.admit({ ...at(fed), k, v, z: null }));
    this.host.settle();
  }

  /** Prompts in two chunks, with queries and moments remembered. */
  async watchedPrompt(sets: number[], rows: number): Promise<void> {
    const half = Math.ceil(rows / 2);
    for (const part of [half, rows - half]) {
      await this.feed(sets, part, (pass, { q, k, v, ...fed }) => {
        const { lanes, layer, runs } = fed;
        pass.addMoments({ q, lanes, layer, chunks: runs, skip: SKIP });
        pass.admit({ ...at(fed), k, v, z: null });
        pass.observe({ ...at(fed), q });
      });
      this.host.settle();
    }
  }

  /** Leaves lanes of unlike lengths with holes between their positions, each budget within `spread` of `keys`. */
  async thin(sets: number[], keys: number, spread: number): Promise<void> {
    await this.shuffle();
    for (const set of sets)
      for (const lane of this.host.lanesOf(set)) put(this.lanes.budget, [keys - this.random.below(spread)], lane);
    const runs = this.newest(sets);
    await this.rig.run((pass) => {
      for (let layer = 0; layer < this.shape.layers; layer++)
        pass.keep({ lanes: this.lanes, layer, layers: 1, runs, ...rule({ recent: 1 }) });
    });
    this.host.settle();
  }

  budgets(of: (lane: number) => number): void {
    for (const lane of this.allLanes()) put(this.lanes.budget, [of(lane)], lane);
  }

  async fork(from: number, to: number): Promise<void> {
    this.host.fork(from, to);
    this.lengths[to] = this.lengths[from];
    const pairs = this.items([[from, to]]).list;
    await this.rig.run((pass) => pass.fork({ lanes: this.lanes, pairs: { list: pairs, first: 0, count: 1 } }));
    this.host.settle();
  }

  /** Everything that must be equal to the last bit: counters, keys where they lie. */
  async state(): Promise<Record<string, ArrayLike<number>>> {
    const { archive, held, dead, used, reads, physical } = this.lanes;
    const out: Record<string, ArrayLike<number>> = {};
    const counters: Record<string, I32> = { archive, held, dead, used, reads, physical };
    for (const [name, { host }] of Object.entries(counters)) out[name] = host.slice();
    const lanes = this.allLanes();
    for (const [i, { positions, keys, values }] of (await this.rig.device.keys(this.lanes, lanes)).entries())
      Object.assign(out, { [`positions ${i}`]: positions, [`keys ${i}`]: keys, [`values ${i}`]: values });
    return out;
  }
}

/** Where an operation on runs works. */
export const at = ({ lanes, layer, runs }: Pick<Fed, "lanes" | "layer" | "runs">) => ({ lanes, layer, runs });

export function rule(change: Partial<Rule>): Rule {
  return { slack: 1, share: "lane", recent: 0, floor: 0, replace: false, ...change };
}
