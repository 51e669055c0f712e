// A device's lanes with everything that policies watch, fed with seeded tokens: two devices fed alike can be compared.
import assert from "node:assert/strict";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import type {
  Board,
  Dtype,
  F32,
  I32,
  LaneShape,
  Lanes,
  Moments,
  Pass,
  Ring,
  Rule,
  Scores,
  Work,
} from "../../src/device/device.ts";
import { type Candidate, gaussians, type Rig, rig } from "./devices.ts";
import { type Host, host } from "./host.ts";

export const LAYERS = 2;
export const [KV_HEADS, QUERY_HEADS] = [2, 6];

/** What one layer's operations are given. */
export interface Fed {
  layer: number;
  q: F32;
  q2: F32;
  k: F32;
  v: F32;
  z: F32;
  work: Work;
}

export class Watched {
  readonly rig: Rig;
  readonly host: Host;
  readonly lanes: Lanes;
  readonly shape: LaneShape;
  readonly random: Seeded;
  readonly board: Board & { scores: F32 };
  readonly ring: Ring & { q: F32 };
  readonly moments: Moments & { sums: F32 };
  readonly bounds: F32;
  readonly frequencies: F32;
  readonly lengths: number[];

  constructor(candidate: Candidate, dtype: Dtype, headDim: number, seed: number, change: Partial<LaneShape> = {}) {
    this.rig = rig(candidate);
    this.shape = {
      ...{ sets: 3, layers: LAYERS, kvHeads: KV_HEADS, queryHeads: QUERY_HEADS, headDim, dtype },
      ...{ pages: 700, archivePages: 22, doomedPages: 1, sparePages: 24, ...change },
    };
    const { sets, layers, kvHeads, queryHeads } = this.shape;
    this.host = host(this.rig.device, this.shape);
    this.lanes = this.host.lanes;
    this.random = seeded(seed);
    // Odd strides: rows of a board lie anywhere.
    const stride = this.shape.archivePages * 16 + 3;
    const filled = (length: number, value: number) => {
      const buffer = this.rig.device.f32(length);
      buffer.host.fill(value);
      return buffer;
    };
    this.board = { scores: filled(sets * layers * kvHeads * stride, 7), stride };
    this.ring = { q: filled(sets * layers * 20 * queryHeads * headDim, 7), queries: 20 };
    this.moments = { sums: filled(sets * layers * queryHeads * (headDim + headDim ** 2) * 2, 0), skip: 3 };
    this.bounds = filled(this.shape.pages * 2 * headDim, 7);
    this.frequencies = this.rig.f32(Array.from({ length: headDim / 2 }, (_, j) => 100 ** (-j / (headDim / 2))));
    this.lengths = new Array(sets).fill(0);
  }

  /** Feeds `rows` tokens to each set, as chunks or (of one row) as steps. */
  async feed(
    sets: number[],
    rows: number,
    kind: "chunk" | "step",
    record: (pass: Pass, fed: Fed) => void,
    spares = Math.ceil(rows / 16) + 2,
  ): Promise<Fed[]> {
    const { kvHeads, queryHeads, headDim } = this.shape;
    const first = 2; // rows that belong to nobody come first
    const total = first + rows * sets.length;
    const list = sets.flatMap((set, i) => {
      const row = first + i * rows;
      return kind === "chunk" ? [set, row, rows, this.lengths[set]] : [set, row, this.lengths[set]];
    });
    const work = { list: this.rig.i32(list), first: 0, count: sets.length };
    const fed = Array.from({ length: this.shape.layers }, (_, layer) => ({
      ...{ layer, work },
      q: this.numbers(total * queryHeads * headDim),
      q2: this.numbers(total * queryHeads * headDim),
      k: this.numbers(total * kvHeads * headDim),
      v: this.numbers(total * kvHeads * headDim),
      z: this.numbers(total * kvHeads),
    }));
    for (const set of sets) this.host.plan(set, spares);
    await this.rig.run((pass) => {
      for (const layer of fed) record(pass, layer);
    });
    for (const set of sets) this.lengths[set] += rows;
    return fed;
  }

  numbers(length: number): F32 {
    return this.rig.f32(gaussians(this.random, length));
  }

  /** Random ranks with many ties for every slot of the board. */
  shuffle(): void {
    for (let i = 0; i < this.board.scores.length; i++) this.board.scores.host[i] = this.random.below(9) / 4 - 1;
  }

  /** Steps of some sets at their newest position. */
  newest(sets: number[]): Work {
    const list = this.rig.i32(sets.flatMap((set) => [set, 0, this.lengths[set] - 1]));
    return { list, first: 0, count: sets.length };
  }

  /** Prompts of some sets at once, nothing watched. */
  async prompt(sets: number[], rows: number): Promise<void> {
    await this.feed(sets, rows, "chunk", (pass, { k, v, layer, work }) =>
      pass.admitChunk(k, v, this.lanes, layer, work, null),
    );
    this.host.settle();
  }

  /** Prompts in two chunks, with queries and moments remembered. */
  async watchedPrompt(sets: number[], rows: number): Promise<void> {
    const half = Math.ceil(rows / 2);
    for (const part of [half, rows - half]) {
      await this.feed(sets, part, "chunk", (pass, { q, k, v, layer, work }) => {
        pass.gather(this.moments, q, this.lanes, layer, work);
        pass.admitChunk(k, v, this.lanes, layer, work, null);
        pass.remember(this.ring, q, this.lanes, layer, work, true);
      });
      this.host.settle();
    }
  }

  /** Leaves lanes of unlike lengths with holes between their positions, each budget within `spread` of `keys`. */
  async thin(sets: number[], keys: number, spread: number): Promise<void> {
    this.shuffle();
    for (const set of sets)
      for (const lane of this.host.lanesOf(set)) this.lanes.budget.host[lane] = keys - this.random.below(spread);
    const work = this.newest(sets);
    await this.rig.run((pass) => {
      for (let layer = 0; layer < this.shape.layers; layer++)
        pass.keep(this.board, this.lanes, layer, 1, work, rule({ recent: 1 }));
    });
    this.host.settle();
  }

  async fork(from: number, to: number): Promise<void> {
    this.host.fork(from, to);
    this.lengths[to] = this.lengths[from];
    const pairs = { list: this.rig.i32([from, to]), first: 0, count: 1 };
    await this.rig.run((pass) => pass.fork(this.lanes, pairs, this.board, this.ring, this.moments));
    this.host.settle();
  }

  scores(steps: number): Scores & { raw: F32; lse: F32 } {
    const stride = this.board.stride + 2;
    const { device } = this.rig;
    return {
      raw: device.f32(steps * this.shape.queryHeads * stride),
      lse: device.f32(steps * this.shape.queryHeads),
      stride,
    };
  }

  /** Everything that must be equal to the last bit: counters, tables, keys where they lie. */
  state(): Record<string, ArrayLike<number>> {
    const { archive, dead, used, reads, physical } = this.lanes;
    const out: Record<string, ArrayLike<number>> = {};
    for (const [name, { host }] of Object.entries({ archive, dead, used, reads, physical } satisfies Record<
      string,
      I32
    >))
      out[name] = host.slice();
    for (let lane = 0; lane < this.lanes.archive.length; lane++) {
      const { positions, keys, values } = this.rig.device.keys(this.lanes, lane);
      Object.assign(out, { [`positions ${lane}`]: positions, [`keys ${lane}`]: keys, [`values ${lane}`]: values });
    }
    return out;
  }
}

export function rule(change: Partial<Rule>): Rule {
  return { slack: 1, recent: 0, pool: "lane", floor: 0, replace: false, ...change };
}

/** |got - expected| <= 1e-4 |expected|, or what float32 leaves of sums that cancel. */
export function near(got: ArrayLike<number>, expected: ArrayLike<number>, what: string, floor = 2e-6): void {
  assert.equal(got.length, expected.length, what);
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - expected[i]) <= 1e-4 * Math.abs(expected[i]) + floor))
      assert.fail(`${what}: number ${i}: expected ${expected[i]}, got ${got[i]}`);
}
