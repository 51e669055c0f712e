// The operations in which policies watch, rank and keep: every device against the reference, on lanes of odd shapes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Dtype, Rule, Scorer } from "../../src/device/device.ts";
import { type Candidate, devices } from "./devices.ts";
import { KV_HEADS, LAYERS, near, QUERY_HEADS, rule, Watched } from "./watched.ts";

interface Told {
  exact: Record<string, ArrayLike<number>>;
  near: Record<string, ArrayLike<number>>;
}
const LENGTHS = [15, 16, 17, 255, 256, 257, 300];
const [oracle, ...others] = devices;
const bits = (x: ArrayLike<number>) => new Uint32Array(Float32Array.from(x).buffer);

/** Lanes of up to 2,560 keys. */
const LONG = { archivePages: 160, sparePages: 164, pages: 1400 };

const known = new Map<string, Told>();
const native = new Map<string, Uint32Array>();

/** What does not depend on threads has equal bits on all native devices. */
function sameOnAllThreads(on: Candidate, what: string, values: ArrayLike<number>): void {
  if (on === oracle) return;
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

/** Every length with a dtype and a head width. */
function* shapes(): Generator<{ length: number; dtype: Dtype; dim: number; seed: number; what: string }> {
  for (const [i, length] of LENGTHS.entries()) {
    const dtype = i % 2 ? "bf16" : "f32";
    const dim = i % 3 ? 20 : 12;
    yield { length, dtype, dim, seed: 40 + i, what: `${length} keys of ${dim}, ${dtype}` };
  }
}

const SCORERS: Record<string, Exclude<Scorer, { kind: "expected" }>> = {
  norm: { kind: "norm" },
  difference: { kind: "difference" },
  random: { kind: "random", seed: 77 },
  mean: { kind: "mean" },
  "attention, snapkv": { kind: "attention", queries: 9, over: "all", group: "mean", pool: "max", kernel: 5 },
  "attention, mean of neighbours": {
    kind: "attention",
    queries: 20,
    over: "all",
    group: "mean",
    pool: "mean",
    kernel: 3,
  },
  "attention, over others": { kind: "attention", queries: 4, over: "others", group: "mean", pool: "mean", kernel: 1 },
  "attention, most": { kind: "attention", queries: 8, over: "others", group: "max", pool: "max", kernel: 7 },
  "attention of one": { kind: "attention", queries: 1, over: "all", group: "max", pool: "mean", kernel: 1 },
  redundancy: { kind: "redundancy", weight: 0.3, similar: 0.35 },
  "redundancy, all but opposites similar": { kind: "redundancy", weight: 0.5, similar: -0.4 },
  "redundancy, nothing similar": { kind: "redundancy", weight: 0.9, similar: 2 },
};

for (const candidate of others)
  describe(candidate.name, () => {
    test("what is remembered: queries, moments, gates, bounds, sums; a fork takes them along", async (t) => {
      for (const { length, dtype, dim, seed, what } of shapes())
        await agree(
          candidate,
          async (on) => {
            const w = new Watched(on, dtype, dim, seed);
            const cut = Math.floor(length / 3);
            for (const [sets, rows] of [
              [[0, 1], cut],
              [[1], 1],
              [[1, 0], length - cut],
            ] as const) {
              await w.feed([...sets], rows, "chunk", (pass, { q, k, v, z, layer, work }) => {
                pass.gather(w.moments, q, w.lanes, layer, work);
                pass.sum(w.board, q, k, w.lanes, layer, work);
                pass.admitChunk(k, v, w.lanes, layer, work, null);
                pass.remember(w.ring, q, w.lanes, layer, work, true);
                pass.bound(w.bounds, w.lanes, layer, work, true);
                if (layer === 1) pass.note(w.board, z, rows % 2 ? 1 : 0, w.lanes, layer, work, true);
              });
              w.host.settle();
            }
            await w.fork(0, 2);
            for (let i = 0; i < 3; i++) {
              const scores = w.scores(2);
              await w.feed([2, 1], 1, "step", (pass, { q, k, v, z, layer, work }) => {
                pass.admit(k, v, w.lanes, layer, work, null);
                pass.remember(w.ring, q, w.lanes, layer, work, false);
                pass.bound(w.bounds, w.lanes, layer, work, false);
                pass.attend(w.rig.device.hidden(q.length), q, w.lanes, layer, work, scores, null);
                pass.weigh(w.board, scores, w.lanes, layer, work, layer === 0);
                if (i === 1) pass.note(w.board, z, 1, w.lanes, layer, work, false);
              });
              w.host.settle();
            }
            const before = w.board.scores.host.slice();
            const steps = w.newest([1]);
            await w.rig.run((pass) => pass.clear(w.board, w.lanes, steps));
            return {
              exact: {
                ...w.state(),
                ring: w.ring.q.host,
                bounds: new Uint32Array(w.bounds.host.buffer),
                cleared: w.board.scores.host.map((x) => +(x === 0)),
              },
              near: { board: before, moments: new Float64Array(w.moments.sums.host.buffer) },
            };
          },
          `${t.name}: ${what}`,
        );
    });

    test("mark and gelu", async () => {
      await agree(
        candidate,
        async (on) => {
          const w = new Watched(on, "f32", 12, 3);
          const [z, filled, x] = [w.numbers(21), w.numbers(21), w.numbers(3001)];
          for (let i = 0; i < x.length; i++) x.host[i] *= 4;
          const flags = w.rig.i32([1, 0, 0, 1, 2, 0, 1]);
          await w.rig.run((pass) => {
            pass.mark(z, flags, 7, 3, false);
            pass.mark(filled, flags, 7, 3, true);
            pass.gelu(x, 3000);
          });
          return { exact: { z: z.host, filled: filled.host, last: x.host.slice(3000) }, near: { gelu: x.host } };
        },
        "rows",
      );
    });

    for (const [name, scorer] of Object.entries(SCORERS))
      test(`ranks by ${name}`, async (t) => {
        for (const { length, dtype, dim, seed, what } of shapes())
          await agree(
            candidate,
            (on) =>
              ranked(on, length, dtype, dim, seed, scorer, rule({ pool: length % 2 ? "lane" : "layer", slack: 4 })),
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
            const w = new Watched(on, "bf16", 12, length, LONG);
            await w.prompt([0, 1], length);
            const steps = w.newest([1, 0]);
            const scorer = { kind: "redundancy", weight: 0.2, similar } as const;
            await w.rig.run((pass) => pass.score(w.board, null, w.lanes, 0, steps, rule({}), scorer));
            sameOnAllThreads(on, `redundancy, ${length}`, w.board.scores.host);
            return { exact: {}, near: { board: w.board.scores.host } };
          },
          `redundancy of ${length} keys`,
        );
    });

    test("ranks by the attention of a whole layer", async (t) => {
      const scorer: Scorer = { kind: "attention", queries: 7, over: "all", group: "layer", pool: "mean", kernel: 1 };
      for (const { length, dtype, dim, seed, what } of shapes())
        for (const due of [0, 1, 2])
          await agree(
            candidate,
            async (on) => {
              const w = new Watched(on, dtype, dim, seed);
              await w.watchedPrompt([0, 1], length);
              w.lanes.budget.host.fill(1000);
              for (let i = 0; i < due; i++) w.lanes.budget.host[i] = 5;
              const steps = w.newest([1, 0]);
              await w.rig.run((pass) => pass.score(w.board, w.ring, w.lanes, 0, steps, rule({}), scorer));
              return { exact: {}, near: { board: w.board.scores.host } };
            },
            `${t.name}: ${what}, ${due} lanes due`,
          );
    });

    for (const [name, change] of Object.entries({
      all: {},
      "no covariance": { covariance: false },
      "keys alone": { values: false, epsilon: 0 },
      "a long future": { future: 300 },
    }))
      test(`ranks by expected attention: ${name}`, async (t) => {
        for (const { length, dtype, dim, seed, what } of shapes())
          await agree(
            candidate,
            (on) =>
              ranked(on, length, dtype, dim, seed, (w) => ({
                ...{ kind: "expected", moments: w.moments, frequencies: w.frequencies, future: 8 },
                ...{ covariance: true, values: true, epsilon: 0.01, ...change },
              })),
            `${t.name}: ${what}`,
          );
      });

    test("a prompt's replay", async (t) => {
      for (const { length, dtype, dim, seed, what } of shapes())
        await agree(
          candidate,
          async (on) => {
            const w = new Watched(on, dtype, dim, seed, { archivePages: 30, sparePages: 30 });
            await w.prompt([0, 1], length);
            await w.fork(0, 2);
            w.board.scores.host.fill(0);
            // Two replays write to one set; sinks, slots and replayed keys share pages or leave holes.
            const half = Math.floor(length / 2);
            for (const [rows, parts] of [
              [37, [half, length]],
              [5, [2, half + 3]],
            ] as const) {
              await w.feed([2, 1], rows, "chunk", (pass, { q, k, v, layer, work }) => {
                const list = [...work.list.host];
                const items = w.rig.i32([
                  ...[...list.slice(0, 4), 0, parts[0], parts[1], length],
                  ...[...list.slice(4), layer, 1, half, length],
                ]);
                pass.replay(w.board, q, k, w.lanes, layer, { list: items, first: 0, count: 2 }, 4);
                pass.admitChunk(k, v, w.lanes, layer, work, null);
              });
              w.host.settle();
            }
            return { exact: w.state(), near: { board: w.board.scores.host } };
          },
          `${t.name}: ${what}`,
        );
    });

    test("keeps the same keys, shared pages and all", async (t) => {
      const rules: Partial<Rule>[] = [
        { slack: 3, recent: 2 },
        { recent: 0.3 },
        { pool: "layer", floor: 0.4, recent: 4 },
        { pool: "set", floor: 0.2 },
        { pool: "set", floor: 1, slack: 40 },
        { recent: 1, replace: true },
        { replace: true, pool: "layer" },
      ];
      for (const { length, dtype, dim, seed, what } of shapes())
        for (const [n, change] of rules.entries())
          await agree(
            candidate,
            async (on) => {
              const w = new Watched(on, dtype, dim, seed + n);
              await w.prompt([0, 1], length);
              await w.fork(0, 2);
              w.lanes.protect.host.set([0, 2, 1]);
              const cut = rule(change);
              const told: Told = { exact: {}, near: {} };
              for (const [round, keys] of [length - 2, length - 2, Math.ceil(length / 2)].entries()) {
                w.shuffle();
                for (const [i] of w.lanes.budget.host.entries())
                  w.lanes.budget.host[i] = Math.max(1, keys - (round === 2 ? w.random.below(9) : w.random.below(2)));
                // Twice in one pass: what the first cut left is there for the next key.
                const steps = w.newest([2, 1]);
                for (const set of [2, 1]) w.lengths[set]++;
                const after = w.newest([2, 1]);
                for (const set of [2, 1]) w.host.plan(set, 24);
                const [k, v] = [w.numbers(KV_HEADS * dim), w.numbers(KV_HEADS * dim)];
                const layers = cut.pool === "set" ? [0] : [0, 1];
                await w.rig.run((pass) => {
                  for (const work of [steps, after]) {
                    if (work === after) for (const layer of [0, 1]) pass.admit(k, v, w.lanes, layer, work, null);
                    for (const layer of layers)
                      pass.keep(w.board, w.lanes, layer, layers.length === 1 ? LAYERS : 1, work, cut);
                  }
                });
                for (const [name, x] of Object.entries(w.state())) told.exact[`${name}, round ${round}`] = x;
                told.exact[`board, round ${round}`] = w.board.scores.host.slice();
                w.host.settle();
                // The next round needs no dead slot.
                w.lengths[1]++;
                w.lengths[2]++;
                for (const set of [1, 2]) w.host.plan(set, 24);
                const last = w.newest([1, 2]);
                await w.rig.run((pass) => {
                  for (const layer of [0, 1]) pass.admit(k, v, w.lanes, layer, last, null);
                });
                w.host.settle();
              }
              return told;
            },
            `${t.name}: ${what}, ${JSON.stringify(change)}`,
          );
    });

    test("attention with a second query for the archive", async (t) => {
      for (const { length, dtype, dim, seed, what } of shapes())
        await agree(candidate, (on) => read(on, length, dtype, dim, seed, true, null), `${t.name}: ${what}`);
    });

    test("attention over chosen pages", async (t) => {
      for (const { length, dtype, dim, seed, what } of shapes())
        for (const budget of [1, 40, 100, 255])
          for (const second of [false, true])
            await agree(
              candidate,
              (on) => read(on, length, dtype, dim, seed, second, budget),
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
      for (const { length, dtype, dim, seed, what } of shapes()) {
        const [plain, chosen] = [
          await read(candidate, length, dtype, dim, seed, false, null),
          await read(candidate, length, dtype, dim, seed, false, 400),
        ];
        assert.deepEqual(bits(chosen.near.out), bits(plain.near.out), what);
        assert.deepEqual(chosen.exact, plain.exact, what);
      }
    });

    test("a lane's ranks do not depend on company", async () => {
      for (const scorer of Object.values(SCORERS)) {
        const boards = [];
        for (const sets of [[0, 1], [0], [1, 0]]) {
          const w = new Watched(candidate, "bf16", 20, 9);
          await w.watchedPrompt([0, 1], 257);
          w.lanes.budget.host.fill(10);
          const steps = w.newest(sets);
          await w.rig.run((pass) => pass.score(w.board, w.ring, w.lanes, 1, steps, rule({}), scorer));
          boards.push(bits(w.board.scores.host.subarray(0, 4 * w.board.stride)));
        }
        assert.deepEqual(boards[1], boards[0], JSON.stringify(scorer));
        assert.deepEqual(boards[2], boards[0], JSON.stringify(scorer));
      }
    });

    test("what it cannot rank or cut is an error of run()", async () => {
      const w = new Watched(candidate, "f32", 12, 1);
      await w.prompt([0], 20);
      w.lanes.budget.host.fill(1);
      const steps = w.newest([0]);
      const { scores } = w.board;
      const keep = (stride: number) => w.rig.run((p) => p.keep({ scores, stride }, w.lanes, 0, 1, steps, rule({})));
      const rank = () => w.rig.run((p) => p.score(w.board, null, w.lanes, 0, steps, rule({}), { kind: "norm" }));
      await assert.rejects(keep(19), /a stride of at least 20, got 19/);
      w.lanes.dead.host.fill(3);
      await assert.rejects(keep(w.board.stride), /expected no doomed key and no dead slot at a cut, got 0 and 3/);
      await assert.rejects(rank(), /lane \d+: expected no dead key where keys are ranked, got slot 3/);
      w.lanes.dead.host.fill(-1);
      await rank();
      await assert.rejects(
        w.feed([0], 2, "chunk", (pass, { q, k, layer, work }) => {
          work.list.host[3] = 30;
          pass.sum(w.board, q, k, w.lanes, layer, work);
        }),
        /expected position 20 after the pending key, got 30|every key up to position/,
      );
    });
  });

async function ranked(
  on: Candidate,
  length: number,
  dtype: Dtype,
  dim: number,
  seed: number,
  scorer: Scorer | ((w: Watched) => Scorer),
  acts: Rule = rule({}),
): Promise<Told> {
  const w = new Watched(on, dtype, dim, seed);
  await w.watchedPrompt([0, 1], length);
  await w.thin([0, 1], length - 4, 6);
  for (let i = 0; i < 3; i++) {
    await w.feed([0, 1], 1, "step", (pass, { q, k, v, layer, work }) => {
      pass.admit(k, v, w.lanes, layer, work, null);
      pass.remember(w.ring, q, w.lanes, layer, work, false);
    });
    w.host.settle();
  }
  for (const lane of w.lanes.budget.host.keys())
    w.lanes.budget.host[lane] = Math.floor(length / 2) + 9 * w.random.below(3);
  w.shuffle();
  const steps = w.newest([1, 0]);
  await w.rig.run((pass) => {
    for (let layer = 0; layer < LAYERS; layer++)
      pass.score(w.board, w.ring, w.lanes, layer, steps, acts, typeof scorer === "function" ? scorer(w) : scorer);
  });
  return { exact: w.state(), near: { board: w.board.scores.host } };
}

/** One step of two sets (of which one is forked): outputs, and what was read. `budget` null: without a choice of pages. */
async function read(
  on: Candidate,
  length: number,
  dtype: Dtype,
  dim: number,
  seed: number,
  second: boolean,
  budget: number | null,
): Promise<Told> {
  const w = new Watched(on, dtype, dim, seed, length > 330 ? LONG : {});
  await w.feed([0], length, "chunk", (pass, { k, v, layer, work }) => {
    pass.admitChunk(k, v, w.lanes, layer, work, null);
    pass.bound(w.bounds, w.lanes, layer, work, true);
  });
  w.host.settle();
  await w.fork(0, 1);
  w.lanes.budget.host.fill(budget ?? 0);
  const outs = Array.from({ length: LAYERS }, () => w.rig.device.f32(4 * QUERY_HEADS * dim));
  await w.feed([1, 0], 1, "step", (pass, { q, q2, k, v, layer, work }) => {
    pass.admit(k, v, w.lanes, layer, work, null);
    pass.bound(w.bounds, w.lanes, layer, work, false);
    const reading = { archiveQuery: second ? q2 : null, select: budget === null ? null : w.bounds };
    pass.attend(outs[layer], q, w.lanes, layer, work, null, reading);
  });
  const exact = { reads: w.lanes.reads.host.slice(), physical: w.lanes.physical.host.slice() };
  w.host.settle();
  return { exact, near: { out: Float32Array.from(outs.flatMap((out) => [...out.host])) } };
}
