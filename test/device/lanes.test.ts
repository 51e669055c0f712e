// Random lives of chains (chunks, decode steps, forks, ends) against a tracker that only knows the rule.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import { type LaneShape, PAGE_FORMATS } from "../../src/device/device.ts";
import { allDevices, fill, gaussians, rig } from "./devices.ts";
import { type Host, host, spans } from "./host.ts";
import { attention, copyTrack, feed, type Rule, type Track, track, visible } from "./tracker.ts";

type Rig = ReturnType<typeof rig>;
/** `rows` new tokens of one set. */
interface Turn {
  set: number;
  rows: number;
}

const LAYERS = 2;
/** One key too many leaves, its slot to the next. */
const VICTIM = { layers: 1, slack: 1, share: "lane", recent: 0, floor: 0, replace: true } as const;
/** Room for the scores of a lane's keys. */
const SLOTS = 400;
const FORMATS = ["f32", "bf16"] as const;
type Format = (typeof FORMATS)[number];

/** A device's lanes beside their trackers. */
class World {
  readonly rig: Rig;
  readonly host: Host;
  readonly shape: LaneShape;
  readonly rule: Rule | null;
  readonly budget: number | null;
  readonly random: Seeded;
  readonly tracks = new Map<number, Track[]>(); // by set, a track per lane
  furthest = 0; // slot of a doomed queue

  constructor(rig: Rig, heads: number[], format: Format, rule: Rule | null, budget: number | null, seed: number) {
    const [queryHeads, kvHeads, headDim] = heads;
    this.rig = rig;
    this.rule = rule;
    this.budget = budget;
    this.random = seeded(seed);
    // The least that holds window + 1 keys wherever they start, so that lives of some length go round the ring.
    const doomedPages = spans(rule ? Math.ceil((rule.window + 1) / 16) + 1 : 0);
    this.shape = {
      sets: 5,
      layers: LAYERS,
      kvHeads,
      queryHeads,
      headDim,
      format: PAGE_FORMATS[format],
      pages: 2400,
      archivePages: 32,
      doomedPages,
    };
    this.host = host(rig.device, this.shape);
    this.host.label(rule);
    if (budget === null) return;
    fill(this.host.lanes.budget, budget);
    const state = { slots: SLOTS, queries: 0, moments: false, bounds: false, changes: 0, width: 0 };
    for (let set = 0; set < this.shape.sets; set++) rig.device.attach(this.host.lanes, set, state);
  }

  length(set: number): number {
    return this.tracks.get(set)?.[0].entries.length ?? 0;
  }

  /** Feeds tokens to some sets in one pass, as chunks or as decode steps, and compares everything that can be seen. */
  async pass(turns: Turn[], kind: "chunk" | "step", what: string): Promise<void> {
    const { rig, random, shape, rule, budget } = this;
    const { kvHeads, queryHeads, headDim } = shape;
    const firstRow = 2; // rows that belong to nobody come first
    const total = firstRow + turns.reduce((sum, turn) => sum + turn.rows, 0);
    const data = Array.from({ length: LAYERS }, () => ({
      q: rig.f32(gaussians(random, total * queryHeads * headDim)),
      k: rig.f32(gaussians(random, total * kvHeads * headDim)),
      v: rig.f32(gaussians(random, total * kvHeads * headDim)),
      z: rig.f32(Float32Array.from({ length: total * kvHeads }, () => random.next() - 0.4)),
      out: rig.device.hidden(total * queryHeads * headDim),
    }));
    const list: number[] = [-7, -7, -7, -7]; // the list starts at item 1
    let row = firstRow;
    for (const { set, rows } of turns) {
      list.push(set, row, rows, this.length(set));
      row += rows;
      // A cut may copy every page.
      this.host.plan(set, kind === "chunk" ? Math.ceil(rows / 16) + 2 : budget === null ? 1 : 26);
    }
    const runs = { list: rig.i32(list), first: 1, count: turns.length };
    const { lanes } = this.host;
    await rig.run((pass) => {
      for (const [layer, { q, k, v, z: gates, out }] of data.entries()) {
        const z = rule && gates;
        if (kind === "chunk") {
          pass.attendChunk({ out, q, k, v, z, lanes, layer, chunks: runs });
          pass.admit({ k, v, z, lanes, layer, runs });
        } else {
          pass.admit({ k, v, z, lanes, layer, runs });
          const rank = budget === null ? "none" : "layer";
          pass.attend({ out, q, archiveQuery: null, lanes, layer, steps: runs, pages: false, rank });
          if (budget !== null) pass.keep({ lanes, layer, runs, ...VICTIM });
        }
      }
    });

    for (const [layer, { q, k, v, z, out }] of data.entries()) {
      const got = await rig.read(out);
      let at = firstRow;
      for (const { set, rows } of turns) {
        const first = this.length(set) - (layer > 0 ? rows : 0);
        const sum = new Float64Array(first + rows);
        for (let h = 0; h < kvHeads; h++) {
          const lane = this.tracks.get(set)![layer * kvHeads + h];
          const part = (x: Float32Array, r: number) =>
            x.subarray((r * kvHeads + h) * headDim, (r * kvHeads + h + 1) * headDim);
          for (let r = at; r < at + rows; r++)
            feed(lane, part(k.host, r), part(v.host, r), z.host[r * kvHeads + h], shape.format === PAGE_FORMATS.bf16);
          let reads = 0;
          for (let r = at; r < at + rows; r++) {
            const seen = visible(lane, first + r - at, rule);
            reads += seen.length;
            for (let j = (h * queryHeads) / kvHeads; j < ((h + 1) * queryHeads) / kvHeads; j++) {
              const from = (r * queryHeads + j) * headDim;
              const expected = attention(lane, seen, q.host.subarray(from, from + headDim));
              rig.close(
                got.slice(from, from + headDim),
                expected.out,
                `${what}, layer ${layer}, set ${set}, row ${r}, head ${j}`,
              );
              for (const [n, i] of seen.entries()) sum[i] += expected.probabilities[n];
            }
          }
          const number = this.host.lanesOf(set)[layer * kvHeads + h];
          this.furthest = Math.max(this.furthest, lanes.tail.host[number]);
          assert.equal(lanes.reads.host[number], reads, `${what}: reads of lane ${number}`);
          // Fewer than SPAN_SLOTS keys per lane: nothing is shared whole, and each step's keys count.
          if (kind === "step") assert.equal(lanes.physical.host[number], reads, `${what}: keys read`);
        }
        if (kind === "step" && budget !== null) this.victims(set, layer, sum, budget);
        for (let h = 0; h < kvHeads; h++) {
          const number = this.host.lanesOf(set)[layer * kvHeads + h];
          const live = visible(this.tracks.get(set)![layer * kvHeads + h], first + rows - 1, rule);
          const [got] = await rig.device.live(lanes, [number]);
          assert.deepEqual([...got], live, `${what}: live keys of lane ${number}`);
        }
        at += rows;
      }
    }
    this.host.settle();
  }

  /**
   * `sum` [positions]: probability summed over all query heads of the layer. All lanes of a layer lose the same keys.
   */
  victims(set: number, layer: number, sum: Float64Array, budget: number): void {
    const tracks = this.tracks.get(set)!.slice(layer * this.shape.kvHeads, (layer + 1) * this.shape.kvHeads);
    const seen = visible(tracks[0], sum.length - 1, null);
    const ranked = seen.sort((a, b) => sum[b] - sum[a]);
    for (const i of ranked.slice(budget)) for (const lane of tracks) lane.gone.add(i);
  }

  start(set: number): void {
    this.tracks.set(set, Array.from({ length: LAYERS * this.shape.kvHeads }, track));
  }

  async fork(source: number, destination: number, what: string): Promise<void> {
    this.host.fork(source, destination);
    this.tracks.set(destination, this.tracks.get(source)!.map(copyTrack));
    const { lanes, lanesOf } = this.host;
    const pairs = { list: this.rig.i32([-7, -7, source, destination]), first: 1, count: 1 };
    await this.rig.run((pass) => pass.fork({ lanes, pairs }));
    const [ours, theirs] = [destination, source].map((set) => this.rig.device.live(lanes, lanesOf(set)));
    assert.deepEqual(await ours, await theirs, what);
    this.host.settle();
  }

  end(set: number): void {
    this.host.release(set);
    this.tracks.delete(set);
  }

  async live(rounds: number): Promise<void> {
    const { random, tracks } = this;
    for (let round = 0; round < rounds; round++) {
      const started = [...tracks.keys()];
      const idle = [0, 1, 2, 3, 4].filter((set) => !tracks.has(set));
      const dice = random.next();
      if (started.length === 0 || (dice < 0.1 && idle.length > 0)) {
        const set = idle[random.below(idle.length)];
        this.start(set);
        await this.pass([{ set, rows: 1 + random.below(40) }], "chunk", `round ${round}, start`);
      } else if (dice < 0.25 && idle.length > 0) {
        const source = started[random.below(started.length)];
        await this.fork(source, idle[random.below(idle.length)], `round ${round}, fork`);
      } else if (dice < 0.3) {
        this.end(started[random.below(started.length)]);
      } else {
        const kind = dice < 0.4 ? "chunk" : "step";
        const some = started.filter(() => random.next() < 0.7);
        // A list may name its sets in any order.
        if (random.next() < 0.5) some.reverse();
        const rows = () => (kind === "chunk" ? 1 + random.below(40) : 1);
        const turns = some
          .map((set) => ({ set, rows: rows() }))
          .filter(({ set, rows }) => this.length(set) + rows <= 340);
        if (turns.length > 0) await this.pass(turns, kind, `round ${round}, ${kind}`);
      }
    }
    for (const set of [...tracks.keys()]) this.end(set);
    assert.equal(this.host.free, this.shape.pages, "the pool is whole again");
  }
}

const HEADS = [
  [9, 3, 8],
  [8, 2, 20],
  [4, 4, 32],
  [8, 2, 64],
  [2, 1, 128],
];

for (const candidate of allDevices) {
  describe(candidate.name, () => {
    const tools = rig(candidate);
    after(() => tools.device.close());

    for (const window of [0, 1, 5, 40]) {
      for (const shift of [0, 1] as const) {
        test(`labels, window ${window}, shift ${shift}`, async () => {
          for (const format of FORMATS) {
            const seed = window * 4 + shift * 2 + (format === "f32" ? 0 : 1);
            const rule = { threshold: 0.01, window, shift };
            await new World(tools, HEADS[seed % HEADS.length], format, rule, null, seed).live(50);
          }
        });
      }
    }

    test("a doomed queue longer than its ring", async () => {
      const world = new World(tools, HEADS[1], "bf16", { threshold: -1, window: 40, shift: 1 }, null, 50);
      world.start(3);
      for (let i = 0; i < 7; i++) await world.pass([{ set: 3, rows: 40 }], "chunk", `chunk ${i}`);
      await world.fork(3, 1, "fork");
      const turns = [1, 3].map((set) => ({ set, rows: 1 }));
      for (let i = 0; i < 40; i++) await world.pass(turns, "step", `step ${i}`);
      await world.live(20);
      assert.ok(world.furthest > world.shape.doomedPages * 16, `${world.furthest} slots`);
    });

    test("no labels", async () => {
      for (const [i, format] of FORMATS.entries()) {
        await new World(tools, HEADS[i], format, null, null, 100 + i).live(40);
      }
    });

    test("victims within a budget", async () => {
      for (const [i, budget] of [1, 2, 17, 32, 50].entries()) {
        await new World(tools, HEADS[i], FORMATS[i % 2], null, budget, 200 + i).live(100);
      }
    });

    test("the hand-worked vector: window 2, decisions 0 1 0 1 1 0 0", async () => {
      const decisions = [0, 1, 0, 1, 1, 0, 0];
      const sets = [[0], [0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 3, 4, 5], [1, 4, 5, 6]];
      // Every split of the seven tokens into a chunk, a second chunk, and steps.
      for (let first = 1; first <= 7; first++) {
        for (let second = 0; first + second <= 7; second++) {
          const store = host(tools.device, {
            sets: 1,
            layers: 1,
            kvHeads: 1,
            queryHeads: 1,
            headDim: 8,
            format: PAGE_FORMATS.f32,
            pages: 8,
            archivePages: 16,
            doomedPages: 16,
          });
          store.label({ threshold: 0, window: 2, shift: 1 });
          const [q, k, v, out] = [0, 1, 2, 3].map(() => tools.f32(gaussians(seeded(first), 56)));
          const z = tools.f32(decisions.map((bit) => bit - 0.5));
          for (let at = 0; at < 7; ) {
            const rows = at === 0 ? first : at === first && second ? second : 1;
            const chunk = at === 0 || (at === first && second > 0);
            store.plan(0, 3);
            const runs = { list: tools.i32([0, at, rows, at]), first: 0, count: 1 };
            const fed = { k, v, z, lanes: store.lanes, layer: 0 };
            await tools.run((pass) => {
              if (chunk) pass.attendChunk({ ...fed, out, q, chunks: runs });
              pass.admit({ ...fed, runs });
              const { lanes, layer } = fed;
              if (!chunk)
                pass.attend({ out, q, archiveQuery: null, lanes, layer, steps: runs, pages: false, rank: "none" });
            });
            const lengths = sets.slice(at, at + rows).map((set) => set.length);
            assert.equal(
              store.lanes.reads.host[0],
              lengths.reduce((a, b) => a + b),
            );
            at += rows;
            const [live] = await tools.device.live(store.lanes, [0]);
            assert.deepEqual([...live], sets[at - 1], `after token ${at - 1}`);
            store.settle();
          }
        }
      }
    });
  });
}
