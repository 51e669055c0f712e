// The operations in which policies watch, rank and keep: every device against the reference, on lanes of odd shapes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Pass } from "../../src/device/device.ts";
import { near } from "../support/compare.ts";
import { allDevices, type Candidate, put } from "./devices.ts";
import { spans } from "./host.ts";
import { at, type Format, HIDDEN, KV_HEADS, LAYERS, QUERY_HEADS, type Rule, rule, SKIP, Watched } from "./watched.ts";

interface Told {
  exact: Record<string, ArrayLike<number>>;
  near: Record<string, ArrayLike<number>>;
}
const LENGTHS = [15, 16, 17, 255, 256, 257, 300];
const [oracle, ...others] = allDevices;
const bits = (x: ArrayLike<number>) => new Uint32Array(Float32Array.from(x).buffer);

/** Lanes of up to 2,560 keys. */
const LONG = { archivePages: 160, pages: 1400 };

const known = new Map<string, Told>();
const native = new Map<string, Uint32Array>();

/** What does not depend on threads has equal bits on all native devices. */
function sameOnAllThreads(on: Candidate, what: string, values: ArrayLike<number>): void {
  if (!on.name.startsWith("cpu")) return;
  const first = native.get(what);
  if (first) assert.deepEqual(bits(values), first, `${what}: bits on other threads`);
  else native.set(what, bits(values));
}

/** Runs one script on a device and on the reference (once), and compares what it tells; `what` names the script. */
async function agree(candidate: Candidate, script: (on: Candidate) => Promise<Told>, what: string): Promise<void> {
  const expected = known.get(what) ?? (await script(oracle));
  known.set(what, expected);
  const got = await script(candidate);
  for (const [name, values] of Object.entries(expected.exact))
    assert.deepEqual([...Array.from(got.exact[name])], [...Array.from(values)], `${what}: ${name}`);
  for (const [name, values] of Object.entries(expected.near)) near(got.near[name], values, `${what}: ${name}`);
}

/** Every length with a format and a head width. */
function* shapes(): Generator<{ length: number; format: Format; dim: number; seed: number; what: string }> {
  for (const [i, length] of LENGTHS.entries()) {
    const format = i % 2 ? "bf16" : "f32";
    const dim = i % 3 ? 20 : 12;
    yield { length, format, dim, seed: 40 + i, what: `${length} keys of ${dim}, ${format}` };
  }
}

/** What every scorer is given. */
type Acts = Pick<Parameters<Pass["scoreNorm"]>[0], "lanes" | "layer" | "runs" | "slack" | "share">;
type Scorer = (pass: Pass, acts: Acts, w: Watched) => void;
type Attention = Omit<Parameters<Pass["scoreAttention"]>[0], keyof Acts>;
type Expected = Omit<Parameters<Pass["scoreExpected"]>[0], keyof Acts | "skip" | "frequencies">;

const attention =
  (queries: number, over: Attention["over"], group: Attention["group"], smooth: Attention["smooth"], kernel: number) =>
  (pass: Pass, acts: Acts) =>
    pass.scoreAttention({ ...acts, queries, over, group, smooth, kernel });
const redundancy = (weight: number, similar: number) => (pass: Pass, acts: Acts) =>
  pass.scoreRedundancy({ ...acts, weight, similar });
const expected =
  (change: Partial<Expected>): Scorer =>
  (pass, acts, { frequencies }) =>
    pass.scoreExpected({
      ...{ ...acts, skip: SKIP, frequencies, future: 8, covariance: true, values: true, epsilon: 0.01 },
      ...change,
    });

const SCORERS: Record<string, Scorer> = {
  norm: (pass, acts) => pass.scoreNorm(acts),
  difference: (pass, acts) => pass.scoreDifference(acts),
  random: (pass, acts) => pass.scoreRandom({ ...acts, seed: 77 }),
  draw: (pass, acts) => pass.scoreDraw({ ...acts, seed: 78 }),
  "range of values": (pass, acts) => pass.scoreRange({ ...acts, part: 0.6, recent: 5 }),
  "range of all values": (pass, acts) => pass.scoreRange({ ...acts, part: 1, recent: 0 }),
  mean: (pass, acts) => pass.scoreMean(acts),
  "attention, snapkv": attention(9, "all", "mean", "max", 5),
  "attention, mean of neighbours": attention(20, "all", "mean", "mean", 3),
  "attention, over others": attention(4, "others", "mean", "mean", 1),
  "attention, most": attention(8, "others", "max", "max", 7),
  "attention of one": attention(1, "all", "max", "mean", 1),
  redundancy: redundancy(0.3, 0.35),
  "redundancy, all but opposites similar": redundancy(0.5, -0.4),
  "redundancy, nothing similar": redundancy(0.9, 2),
};
const EXPECTED: Record<string, Scorer> = {
  all: expected({}),
  "no covariance": expected({ covariance: false }),
  "keys alone": expected({ values: false, epsilon: 0 }),
  "a long future": expected({ future: 300 }),
};

/** Scores of sets at their newest positions, by layer. */
async function score(w: Watched, scorer: Scorer, sets: number[], layers: number[], acts: Rule): Promise<void> {
  const runs = w.newest(sets);
  const { slack, share } = acts;
  await w.rig.run((pass) => {
    for (const layer of layers) scorer(pass, { lanes: w.lanes, layer, runs, slack, share }, w);
  });
}

for (const candidate of others)
  describe(candidate.name, () => {
    test("what is remembered: queries, moments, gates, bounds, sums; a fork takes them along", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        await agree(
          candidate,
          async (on) => {
            using w = new Watched(on, format, dim, seed);
            const cut = Math.floor(length / 3);
            for (const [sets, rows] of [
              [[0, 1], cut],
              [[1], 1],
              [[1, 0], length - cut],
            ] as const) {
              await w.feed([...sets], rows, (pass, { q, k, v, z, ...fed }) => {
                const { lanes, layer, runs: chunks } = fed;
                pass.addMoments({ q, lanes, layer, chunks, skip: SKIP });
                pass.sumAttention({ q, k, lanes, layer, chunks });
                pass.admit({ ...at(fed), k, v, z: null });
                pass.observe({ ...at(fed), q });
                pass.bound(at(fed));
                if (layer === 1) pass.noteGates({ ...at(fed), z, shift: rows % 2 ? 1 : 0 });
              });
              w.host.settle();
            }
            await w.fork(0, 2);
            const outs: number[] = [];
            for (let i = 0; i < 3; i++) {
              const out = Array.from({ length: LAYERS }, () => w.rig.device.hidden(4 * QUERY_HEADS * dim));
              await w.feed([2, 1], 1, (pass, { q, k, v, z, ...fed }) => {
                pass.admit({ ...at(fed), k, v, z: null });
                pass.observe({ ...at(fed), q });
                pass.bound(at(fed));
                const { lanes, layer, runs: steps } = fed;
                const rank = layer === 0 ? "group" : "layer";
                pass.attend({ out: out[layer], q, archiveQuery: null, lanes, layer, steps, pages: false, rank });
                if (i === 1) pass.noteGates({ ...at(fed), z, shift: 1 });
              });
              w.host.settle();
              for (const x of out) outs.push(...(await w.rig.read(x)));
            }
            const [before, state] = [await w.scores(), await w.state()];
            const runs = w.newest([1]);
            await w.rig.run((pass) => pass.clear({ lanes: w.lanes, runs }));
            const cleared = Array.from(await w.scores(), (x) => +(x === 0));
            // Queries, moments and bounds are seen through what reads them.
            const told: Record<string, ArrayLike<number>> = { before, outs };
            for (const [name, scorer] of Object.entries({
              ring: attention(20, "all", "mean", "max", 1),
              ...EXPECTED,
            })) {
              await score(w, scorer, [0, 1, 2], [0, 1], rule({}));
              told[name] = await w.scores();
            }
            w.budgets(() => 48);
            const out = w.rig.device.hidden(4 * QUERY_HEADS * dim);
            await w.feed([0, 2], 1, (pass, { q, k, v, ...fed }) => {
              pass.admit({ ...at(fed), k, v, z: null });
              const { lanes, layer, runs: steps } = fed;
              pass.attend({ out, q, archiveQuery: null, lanes, layer, steps, pages: true, rank: "none" });
            });
            return { exact: { ...state, cleared }, near: { ...told, chosen: await w.rig.read(out) } };
          },
          `${t.name}: ${what}`,
        );
    });

    test("changes of the hidden state, which forks and larger rooms take along", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        await agree(
          candidate,
          async (on) => {
            using w = new Watched(on, format, dim, seed);
            put(w.lanes.protect, [0, Math.floor(length / 2), length]);
            const feed = async (sets: number[], rows: number, window: number) => {
              await w.feed(sets, rows, (pass, { x, k, v, ...fed }) => {
                const { lanes, runs, layer } = fed;
                pass.noteChange({ x, dim: HIDDEN, lanes, runs, window, late: layer === 1 });
                pass.admit({ ...at(fed), k, v, z: null });
              });
              w.host.settle();
            };
            await feed([1, 0], length - 9, 7);
            await feed([0], 1, 40);
            await w.fork(0, 2);
            await feed([2, 1], 12, 5);
            const state = {
              slots: w.shape.archivePages * 16,
              queries: 0,
              moments: false,
              bounds: false,
              changes: 500,
              width: HIDDEN,
            };
            w.rig.device.attach(w.lanes, 1, state);
            await feed([0, 1, 2], 3, 300);
            await score(w, (pass, acts) => pass.scoreChange(acts), [2, 0, 1], [0, 1], rule({}));
            const scores = await w.scores();
            sameOnAllThreads(on, `${t.name}: ${what}`, scores);
            return { exact: {}, near: { scores } };
          },
          `${t.name}: ${what}`,
        );
    });

    test("gelu", async () => {
      await agree(
        candidate,
        async (on) => {
          using w = new Watched(on, "f32", 12, 3);
          const x = w.rig.f32(w.numbers(3001).host.map((y) => y * 4));
          await w.rig.run((pass) => pass.gelu({ x, count: 3000 }));
          const gelu = await w.rig.read(x);
          return { exact: { last: gelu.slice(3000) }, near: { gelu } };
        },
        "rows",
      );
    });

    for (const [name, scorer] of Object.entries(SCORERS))
      test(`ranks by ${name}`, async (t) => {
        for (const { length, format, dim, seed, what } of shapes())
          await agree(
            candidate,
            (on) =>
              ranked(on, length, format, dim, seed, scorer, rule({ share: length % 2 ? "lane" : "layer", slack: 4 })),
            `${t.name}: ${what}`,
          );
      });

    test("ranks by redundancy of lanes in several parts", async () => {
      for (const [length, similar] of [
        [1100, 0.6],
        [1700, -0.2],
      ])
        await agree(
          candidate,
          async (on) => {
            using w = new Watched(on, "bf16", 12, length, LONG);
            await w.prompt([0, 1], length);
            await score(w, redundancy(0.2, similar), [1, 0], [0], rule({}));
            const scores = await w.scores();
            sameOnAllThreads(on, `redundancy, ${length}`, scores);
            return { exact: {}, near: { scores } };
          },
          `redundancy of ${length} keys`,
        );
    });

    test("ranks by the attention of a whole layer", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        for (const due of [0, 1, 2])
          await agree(
            candidate,
            async (on) => {
              using w = new Watched(on, format, dim, seed);
              await w.watchedPrompt([0, 1], length);
              w.budgets((lane) => (lane < due ? 5 : 1000));
              await score(w, attention(7, "all", "layer", "mean", 1), [1, 0], [0], rule({}));
              return { exact: {}, near: { scores: await w.scores() } };
            },
            `${t.name}: ${what}, ${due} lanes due`,
          );
    });

    for (const [name, scorer] of Object.entries(EXPECTED))
      test(`ranks by expected attention: ${name}`, async (t) => {
        for (const { length, format, dim, seed, what } of shapes())
          await agree(candidate, (on) => ranked(on, length, format, dim, seed, scorer, rule({})), `${t.name}: ${what}`);
      });

    test("a prompt that is repeated", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        await agree(
          candidate,
          async (on) => {
            using w = new Watched(on, format, dim, seed, { archivePages: spans(30) });
            await w.prompt([0, 1], length);
            await w.fork(0, 2);
            const runs = w.newest([0, 1, 2]);
            await w.rig.run((pass) => pass.clear({ lanes: w.lanes, runs }));
            // Two repetitions write to one set; sinks, slots and repeated keys share pages or leave holes.
            const half = Math.floor(length / 2);
            for (const [rows, parts] of [
              [37, [half, length]],
              [5, [2, half + 3]],
            ] as const) {
              await w.feed([2, 1], rows, (pass, { q, k, v, ...fed }) => {
                const { lanes, layer, runs } = fed;
                const list = [...runs.list.host];
                const chunks = w.items([
                  [...list.slice(0, 4), 0, parts[0], parts[1], length],
                  [...list.slice(4), layer, 1, half, length],
                ]);
                pass.maxAttention({ q, k, lanes, layer, chunks, sinks: 4 });
                pass.admit({ ...at(fed), k, v, z: null });
              });
              w.host.settle();
            }
            return { exact: await w.state(), near: { scores: await w.scores() } };
          },
          `${t.name}: ${what}`,
        );
    });

    test("another set's keys, admitted under labels", async () => {
      for (const { length, format, dim, seed, what } of shapes()) {
        using w = new Watched(candidate, format, dim, seed, { doomedPages: spans(22) });
        w.host.label({ threshold: 0.2, window: 40, shift: seed % 2 ? 1 : 0 });
        for (const set of [1, 2]) w.host.plan(set, Math.ceil(length / 16) + 4);
        const cut = Math.floor(length / 3);
        await w.feed([0], length, (pass, { k, v, z, ...fed }) => {
          pass.admit({ ...at(fed), k, v, z: null });
          // To set 1 as rows, to set 2 from set 0.
          for (const [from, rows] of [
            [0, cut],
            [cut, length - cut],
          ]) {
            pass.admit({ ...at(fed), runs: w.items([[1, 2 + from, rows, from]]), k, v, z });
            const { lanes, layer } = fed;
            pass.readmit({ lanes, layer, copies: w.items([[0, 2, 2 + from, rows, from]]), z });
          }
        });
        const [given, copied] = [1, 2].map((set) => w.host.lanesOf(set));
        const { device } = w.rig;
        assert.deepEqual(await device.keys(w.lanes, copied), await device.keys(w.lanes, given), what);
        const live = await device.live(w.lanes, given);
        assert.deepEqual(await device.live(w.lanes, copied), live, what);
        assert.ok(
          length < 50 || live.every(({ length: left }) => left > 10 && left < length - 10),
          "some were labelled",
        );
        w.host.settle();
      }
    });

    test("keeps the same keys, shared pages and all", async (t) => {
      const rules: Partial<Rule>[] = [
        { slack: 3, recent: 2 },
        { recent: 0.3 },
        { share: "layer", floor: 0.4, recent: 4 },
        { share: "set", floor: 0.2 },
        { share: "set", floor: 1, slack: 40 },
        { recent: 1, replace: true },
        { replace: true, share: "layer" },
      ];
      for (const { length, format, dim, seed, what } of shapes())
        for (const [n, change] of rules.entries())
          await agree(
            candidate,
            async (on) => {
              using w = new Watched(on, format, dim, seed + n);
              const { lanes } = w;
              await w.prompt([0, 1], length);
              await w.fork(0, 2);
              put(lanes.protect, [0, 2, 1]);
              const cut = rule(change);
              const told: Told = { exact: {}, near: {} };
              for (const [round, keys] of [length - 2, length - 2, Math.ceil(length / 2)].entries()) {
                await w.shuffle();
                w.budgets(() => Math.max(1, keys - (round === 2 ? w.random.below(9) : w.random.below(2))));
                // Twice in one pass: what the first cut left is there for the next key.
                const steps = w.newest([2, 1]);
                for (const set of [2, 1]) w.lengths[set]++;
                const after = w.newest([2, 1]);
                for (const set of [2, 1]) w.host.plan(set, 24);
                const [k, v] = [w.numbers(KV_HEADS * dim), w.numbers(KV_HEADS * dim)];
                const [first, layers] = cut.share === "set" ? [[0], LAYERS] : [[0, 1], 1];
                await w.rig.run((pass) => {
                  for (const runs of [steps, after]) {
                    if (runs === after) for (const layer of [0, 1]) pass.admit({ k, v, z: null, lanes, layer, runs });
                    for (const layer of first) pass.keep({ lanes, layer, layers, runs, ...cut });
                  }
                });
                for (const [name, x] of Object.entries(await w.state())) told.exact[`${name}, round ${round}`] = x;
                told.exact[`scores, round ${round}`] = await w.scores();
                w.host.settle();
                // The next round needs no dead slot.
                w.lengths[1]++;
                w.lengths[2]++;
                for (const set of [1, 2]) w.host.plan(set, 24);
                const runs = w.newest([1, 2]);
                await w.rig.run((pass) => {
                  for (const layer of [0, 1]) pass.admit({ k, v, z: null, lanes, layer, runs });
                });
                w.host.settle();
              }
              return told;
            },
            `${t.name}: ${what}, ${JSON.stringify(change)}`,
          );
    });

    test("attention with a second query for the archive", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        await agree(candidate, (on) => read(on, length, format, dim, seed, true, null), `${t.name}: ${what}`);
    });

    test("attention over chosen pages", async (t) => {
      for (const { length, format, dim, seed, what } of shapes())
        for (const budget of [1, 40, 100, 255])
          for (const second of [false, true])
            await agree(
              candidate,
              (on) => read(on, length, format, dim, seed, second, budget),
              `${t.name}: ${what}, budget ${budget}, ${second}`,
            );
    });

    test("attention over chosen pages of long lanes", async () => {
      for (const [length, budget] of [
        [2100, 700],
        [2400, 300],
      ])
        await agree(
          candidate,
          async (on) => {
            const told = await read(on, length, "bf16", 20, length, true, budget);
            sameOnAllThreads(on, `choice, ${length}`, told.near.out);
            return told;
          },
          `chosen pages of ${length} keys`,
        );
    });

    test("where all pages are read, a choice changes no bit", async () => {
      for (const { length, format, dim, seed, what } of shapes()) {
        const [plain, chosen] = [
          await read(candidate, length, format, dim, seed, false, null),
          await read(candidate, length, format, dim, seed, false, 400),
        ];
        assert.deepEqual(bits(chosen.near.out), bits(plain.near.out), what);
        assert.deepEqual(chosen.exact, plain.exact, what);
      }
    });

    test("a lane's ranks do not depend on company", async () => {
      for (const [name, scorer] of Object.entries(SCORERS)) {
        const scores = [];
        for (const sets of [[0, 1], [0], [1, 0]]) {
          using w = new Watched(candidate, "bf16", 20, 9);
          await w.watchedPrompt([0, 1], 257);
          w.budgets(() => 10);
          await score(w, scorer, sets, [1], rule({}));
          scores.push(bits(await w.scores(w.host.lanesOf(0))));
        }
        assert.deepEqual(scores[1], scores[0], name);
        assert.deepEqual(scores[2], scores[0], name);
      }
    });

    test("what it cannot rank or cut is an error of run()", async () => {
      using w = new Watched(candidate, "f32", 12, 1);
      const { lanes } = w;
      await w.prompt([0], 20);
      w.budgets(() => 1);
      const runs = w.newest([0]);
      const keep = () => w.rig.run((pass) => pass.keep({ lanes, layer: 0, layers: 1, runs, ...rule({}) }));
      const rank = () => score(w, SCORERS.norm, [0], [0], rule({}));
      const dead = (slot: number) => put(lanes.dead, new Array(lanes.dead.length).fill(slot));
      dead(3);
      await assert.rejects(keep(), /expected no doomed key and no dead slot at a cut, got 0 and 3/);
      await assert.rejects(rank(), /lane \d+: expected no dead key where keys are ranked, got slot 3/);
      dead(-1);
      await rank();
      await assert.rejects(
        w.feed([0], 2, (pass, { q, k, lanes, layer }) => {
          const chunks = w.items([[0, 2, 2, 30]]);
          pass.sumAttention({ q, k, lanes, layer, chunks });
        }),
        /expected position 20 after the pending key, got 30|every key up to position/,
      );
    });
  });

async function ranked(
  on: Candidate,
  length: number,
  format: Format,
  dim: number,
  seed: number,
  scorer: Scorer,
  acts: Rule,
): Promise<Told> {
  using w = new Watched(on, format, dim, seed);
  await w.watchedPrompt([0, 1], length);
  await w.thin([0, 1], length - 4, 6);
  for (let i = 0; i < 3; i++) {
    await w.feed([0, 1], 1, (pass, { q, k, v, ...fed }) => {
      pass.admit({ ...at(fed), k, v, z: null });
      pass.observe({ ...at(fed), q });
    });
    w.host.settle();
  }
  w.budgets(() => Math.floor(length / 2) + 9 * w.random.below(3));
  await w.shuffle();
  await score(w, scorer, [1, 0], [0, 1], acts);
  return { exact: await w.state(), near: { scores: await w.scores() } };
}

/**
 * One step of two sets (of which one is forked): outputs, and what was read. `budget` null: without a choice of pages.
 */
async function read(
  on: Candidate,
  length: number,
  format: Format,
  dim: number,
  seed: number,
  second: boolean,
  budget: number | null,
): Promise<Told> {
  using w = new Watched(on, format, dim, seed, length > 330 ? LONG : {});
  await w.feed([0], length, (pass, { k, v, ...fed }) => {
    pass.admit({ ...at(fed), k, v, z: null });
    pass.bound(at(fed));
  });
  w.host.settle();
  await w.fork(0, 1);
  w.budgets(() => budget ?? 0);
  const outs = Array.from({ length: LAYERS }, () => w.rig.device.hidden(4 * QUERY_HEADS * dim));
  await w.feed([1, 0], 1, (pass, { q, q2, k, v, ...fed }) => {
    pass.admit({ ...at(fed), k, v, z: null });
    pass.bound(at(fed));
    const { lanes, layer, runs: steps } = fed;
    const archiveQuery = second ? q2 : null;
    pass.attend({ out: outs[layer], q, archiveQuery, lanes, layer, steps, pages: budget !== null, rank: "none" });
  });
  const exact = { reads: w.lanes.reads.host.slice(), physical: w.lanes.physical.host.slice() };
  w.host.settle();
  const out = [];
  for (const x of outs) out.push(...(await w.rig.read(x)));
  return { exact, near: { out } };
}
