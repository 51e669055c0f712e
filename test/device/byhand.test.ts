// Ranks, cuts and choices of pages worked out by hand, on every device.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { uniform } from "../../src/base/rng.ts";
import { type LaneShape, type Lanes, PAGE_FORMATS, type Pass, type Work } from "../../src/device/device.ts";
import { near } from "../support/compare.ts";
import { allDevices, fill, put, rig } from "./devices.ts";
import { type Host, host } from "./host.ts";
import { type Rule, rule } from "./watched.ts";

const SHAPE: LaneShape = {
  ...{ sets: 2, layers: 1, kvHeads: 1, queryHeads: 1, headDim: 2, format: PAGE_FORMATS.f32 },
  ...{ pages: 32, archivePages: 16, doomedPages: 16 },
};
/** What every scorer is given. */
interface Acts {
  lanes: Lanes;
  layer: number;
  runs: Work;
  slack: number;
  share: "lane";
}

for (const candidate of allDevices)
  describe(candidate.name, () => {
    const { device, f32, i32, run, read } = rig(candidate);
    after(() => device.close());

    /** One item of a run's list. */
    const items = (...item: number[]): Work => ({ list: i32(item), first: 0, count: 1 });

    /** A set 0 that holds these keys (and values) as its positions 0, 1, ..; [KV heads] of [keys] of [x, y]. */
    async function holding(
      heads: number[][][],
      values = heads,
    ): Promise<{ store: Host; lanes: Lanes; newest: number }> {
      const store = host(device, { ...SHAPE, kvHeads: heads.length, queryHeads: heads.length });
      const { lanes } = store;
      for (const set of [0, 1])
        device.attach(lanes, set, { slots: 128, queries: 4, moments: true, bounds: true, changes: 9, width: 2 });
      const rows = heads[0].length;
      store.plan(0, 8);
      const flat = (x: number[][][]) => f32(x[0].flatMap((_, row) => x.flatMap((head) => head[row])));
      const runs = items(0, 0, rows, 0);
      await run((pass) => pass.admit({ k: flat(heads), v: flat(values), z: null, lanes, layer: 0, runs }));
      store.settle();
      return { store, lanes, newest: rows - 1 };
    }
    /** Gives the keys of set 0 these scores, by lane. */
    const setScores = (lanes: Lanes, rows: number[][]) =>
      device.score(
        lanes,
        [...rows.keys()],
        rows.map((row) => Float32Array.from(row)),
      );
    const scoresOf = async (lanes: Lanes, lane = 0) => (await device.keys(lanes, [lane]))[0].scores;

    async function ranks(
      keys: number[][],
      score: (pass: Pass, acts: Acts) => void,
      before: number[] | null = null,
      values = keys,
    ): Promise<Float32Array> {
      const { lanes, newest } = await holding([keys], [values]);
      if (before) await setScores(lanes, [before]);
      const runs = items(0, 0, 1, newest);
      await run((pass) => score(pass, { lanes, layer: 0, runs, slack: 1, share: "lane" }));
      return scoresOf(lanes);
    }
    const attention = {
      queries: 1,
      over: "others",
      group: "mean",
      smooth: "mean",
      kernel: 3,
    } as const;
    type Attention = Omit<Parameters<Pass["scoreAttention"]>[0], keyof Acts>;
    // Observed queries of zeros attend to all keys alike.
    const attend = (asked: Attention) => (pass: Pass, acts: Acts) => pass.scoreAttention({ ...acts, ...asked });
    const five = [1, 2, 3, 4, 5].map((x) => [x, 0]);

    test("norm, difference and mean", async () => {
      near(
        await ranks(
          [
            [3, 4],
            [0, 0],
            [1, 0],
          ],
          (pass, acts) => pass.scoreNorm(acts),
        ),
        [-5, 0, -1],
        "norm",
      );
      near(
        await ranks(
          [
            [1, 0],
            [0, 3],
            [2, 0],
          ],
          (pass, acts) => pass.scoreDifference(acts),
        ),
        [2, 1, 2].map((x) => -x / Math.sqrt(5)), // the mean is (2/3, 1/3)
        "difference",
      );
      near(await ranks(five, (pass, acts) => pass.scoreMean(acts), [10, 8, 6, 4, 2]), [2, 2, 2, 2, 2], "mean");
    });

    test("neighbours at the ends", async () => {
      near(await ranks(five, attend(attention)), [1 / 6, 1 / 4, 1 / 4, 1 / 6, 0], "zeros beyond the ends");
      near(await ranks(five, attend({ ...attention, smooth: "max" })), [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0], "the greatest");
      near(await ranks(five, attend({ ...attention, over: "all", kernel: 1 })), [0.2, 0.2, 0.2, 0.2, 0], "over all");
    });

    test("redundancy", async () => {
      const keys = [
        [1, 0],
        [2, 0],
        [0, 1],
      ];
      const above = (similar: number) => (pass: Pass, acts: Acts) =>
        pass.scoreRedundancy({ ...acts, weight: 0.5, similar });
      // Both cosines above 0.9 are each its row's last and are set to 0: all are alike.
      near(await ranks(keys, above(0.9), [1, 1, 1]), [1 / 3, 1 / 3, 1 / 3], "similar");
      // None is: only column 0 of each row is set to 0, and column 1 keeps the mean 1/3.
      const e = Math.exp(1 / 3);
      near(
        await ranks(keys, above(1.5), [1, 1, 1]),
        [1, e, 1].map((x) => 0.5 - x / (2 * (2 + e))),
        "nothing similar",
      );
    });

    test("expected attention without any query", async () => {
      const asked = { skip: 1, frequencies: f32([1]), future: 3, covariance: true, values: true, epsilon: 0.25 };
      const score = (pass: Pass, acts: Acts) => pass.scoreExpected({ ...acts, ...asked });
      const values = [0, 4, 8, 12, 16].map((x) => [x, 0]);
      near(await ranks(five, score, null, values), [9, 2, 4, 6, 8], "1/4 and epsilon, times lengths");
    });

    test("a draw in proportion to the scores", async () => {
      const draw = (seed: number) => (pass: Pass, acts: Acts) => pass.scoreDraw({ ...acts, seed });
      const weights = [4, 0, 2, 1, 1];
      const clock = (position: number) => -Math.log(uniform(9, 4, 0, position) + 2 ** -25);
      near(
        await ranks(five, draw(9), weights),
        weights.map((w, i) => w / clock(i)),
        "scores by clocks",
      );
      const firsts = [0, 0, 0, 0, 0];
      for (let seed = 0; seed < 400; seed++) {
        const scores = await ranks(five, draw(seed), weights);
        firsts[scores.indexOf(Math.max(...scores))]++;
      }
      // Shares of 1/2, 0, 1/4, 1/8 and 1/8; four standard deviations are 40, 35 and 27.
      for (const [i, share] of [200, 0, 100, 50, 50].entries())
        assert.ok(Math.abs(firsts[i] - share) <= [40, 0, 35, 27, 27][i], `${firsts}`);
    });

    test("the largest ranges of values", async () => {
      const values = [
        [9, -9], // protected
        [3, 1],
        [-5, -5],
        [2, 0],
        [7, 1],
        [9, -9], // recent
      ];
      const keys = [...five, [6, 0]];
      const { lanes, newest } = await holding([keys], [values]);
      put(lanes.protect, [1]);
      put(lanes.budget, [5]);
      await setScores(lanes, [[1, 2, 3, 4, 5, 6]]);
      const acts = { lanes, layer: 0, runs: items(0, 0, 1, newest), slack: 1, share: "lane" } as const;
      await run((pass) => pass.scoreRange({ ...acts, part: 0.3, recent: 1 }));
      assert.deepEqual([...(await scoresOf(lanes))], [1, 2, 3, 4, 5, 6], "the protected one is all of 1.5 keys");
      await run((pass) => pass.scoreRange({ ...acts, part: 0.6, recent: 1 }));
      const both = [1, Infinity, 3, 4, Infinity, 6];
      assert.deepEqual([...(await scoresOf(lanes))], both, "of equals the lower slot");
      await run((pass) => pass.scoreRange({ ...acts, part: 1, recent: 0 }));
      assert.deepEqual([...(await scoresOf(lanes))], [1, Infinity, 3, Infinity, Infinity, Infinity], "to the newest");
    });

    test("changes of the hidden state", async () => {
      const { lanes, newest } = await holding([five]);
      put(lanes.protect, [1]);
      const acts = { lanes, layer: 0, runs: items(0, 0, 1, newest), slack: 1, share: "lane" } as const;
      const note = (pass: Pass, rows: number[][], from: number, late: boolean, window: number) =>
        pass.noteChange({ x: f32(rows.flat()), dim: 2, lanes, runs: items(0, 0, rows.length, from), window, late });
      // Moves of 5, 1, 3 and 1 after position 0, which is protected and has none.
      const early = [
        [0, 0],
        [3, 4],
        [3, 5],
        [0, 5],
        [0, 6],
      ];
      await run((pass) => {
        note(pass, early.slice(0, 2), 0, false, 3);
        note(pass, early.slice(2), 2, false, 3);
        pass.scoreChange(acts);
      });
      // Of 5 alone; of 5, 1; of 5, 1, 3; of 1, 3, 1.
      const z = [0, 0, -1, 0, (1 - 5 / 3) / Math.sqrt(8 / 9)];
      near(await scoresOf(lanes), z, "the early layer", { absolute: 1e-5 });
      // Moves of 1, 2, 1 and 4 of a later layer.
      const late = [0, 1, 3, 4, 8].map((x) => [x, 1]);
      await run((pass) => {
        note(pass, late, 0, true, 2);
        pass.scoreChange(acts);
      });
      const against = [0, 0, 1, -1, 1];
      near(
        await scoresOf(lanes),
        z.map((x, i) => x - against[i]),
        "and a late one",
        { absolute: 1e-5 },
      );
    });

    test("gelu", async () => {
      const x = f32([1, -1, 0, 3, -8]);
      await run((pass) => pass.gelu({ x, count: 5 }));
      near(await read(x), [0.8413447, -0.1586553, 0, 2.9959503, 0], "x Phi(x)", { absolute: 1e-7 });
    });

    test("sums of attention", async () => {
      const { store, lanes } = await holding([[[1, 0]]]); // position 0, pending
      store.plan(0, 1);
      await setScores(lanes, [[1]]);
      const [q, k] = [f32([0, 0, 0, 0]), f32([1, 1, 2, 2])];
      const chunks = items(0, 0, 2, 1);
      await run((pass) => {
        pass.sumAttention({ q, k, lanes, layer: 0, chunks });
        pass.admit({ k, v: k, z: null, lanes, layer: 0, runs: chunks });
      });
      near(await scoresOf(lanes), [1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3], "sums");
    });

    test("the greatest attention of repeated tokens", async () => {
      const { store, lanes } = await holding([five.slice(0, 4)]);
      store.fork(0, 1);
      await run((pass) => pass.fork({ lanes, pairs: items(0, 1) }));
      await device.score(lanes, [0, 1], [Float32Array.of(9, 9, 9, 9), Float32Array.of(0.3, 0.3, 0.3, 0)]);
      const [q, k] = [f32([0, 0, 0, 0]), f32([1, 1, 2, 2])];
      // Sink 0, slots 2 and 3, and the repeated keys 4 and 5: a quarter for the first query, a fifth for the second.
      const chunks = items(0, 0, 2, 4, 1, 2, 4, 4);
      await run((pass) => pass.maxAttention({ q, k, lanes, layer: 0, chunks, sinks: 1 }));
      near(await scoresOf(lanes), [9, 9, 9, 9], "the reading set's own");
      near(await scoresOf(lanes, 1), [0.3, 0.3, 0.3, 0.25], "of set 1");
      store.settle();
    });

    test("cuts", async () => {
      const both = [five, five];
      const cases: [string, Partial<Rule>, number[], number[][], number[][]][] = [
        [
          "of equals the lower slot",
          {},
          [3, 3],
          [
            [1, 1, 1, 1, 1],
            [0, 2, 1, 1, 1],
          ],
          [
            [0, 1, 2],
            [1, 2, 3],
          ],
        ],
        [
          "recent keys stay",
          { recent: 2 },
          [3, 3],
          [
            [5, 4, 3, 2, 1],
            [0, 9, 0, 0, 0],
          ],
          [
            [0, 3, 4],
            [1, 3, 4],
          ],
        ],
        [
          "a share of the budget",
          { recent: 0.5 },
          [4, 2],
          [
            [5, 4, 3, 2, 1],
            [5, 4, 3, 2, 1],
          ],
          [
            [0, 1, 3, 4],
            [0, 4],
          ],
        ],
        [
          "slack",
          { slack: 2 },
          [4, 3],
          [
            [5, 4, 3, 2, 1],
            [5, 4, 3, 2, 1],
          ],
          [
            [0, 1, 2, 3, 4],
            [0, 1, 2],
          ],
        ],
        [
          "shared budgets",
          { share: "layer" },
          [2, 2],
          [
            [9, 1, 1, 1, 1],
            [8, 7, 6, 1, 1],
          ],
          [[0], [0, 1, 2]],
        ],
        [
          "shared budgets with floors",
          { share: "layer", floor: 1 },
          [2, 2],
          [
            [9, 1, 1, 1, 1],
            [8, 7, 6, 1, 1],
          ],
          [
            [0, 1],
            [0, 1],
          ],
        ],
        [
          "NaN ranks below all",
          {},
          [3, 3],
          [
            [Number.NaN, 1, Number.NEGATIVE_INFINITY, 0, Number.NaN],
            [Number.NaN, Number.NaN, Number.NaN, Number.NaN, 0],
          ],
          [
            [1, 2, 3],
            [0, 1, 4],
          ],
        ],
        [
          "NaN among shared budgets",
          { share: "layer" },
          [2, 2],
          [
            [Number.NaN, 1, Number.NaN, 0, Number.NaN],
            [Number.NEGATIVE_INFINITY, 2, Number.NaN, Number.NaN, Number.NaN],
          ],
          [
            [1, 3],
            [0, 1],
          ],
        ],
        [
          "ties of shared budgets",
          { share: "set" },
          [3, 3],
          [
            [1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1],
          ],
          [[0, 1, 2, 3, 4], [0]],
        ],
      ];
      for (const [name, change, budgets, scores, live] of cases) {
        const { store, lanes, newest } = await holding(both);
        put(lanes.budget, budgets);
        await setScores(lanes, scores);
        const runs = items(0, 0, 1, newest);
        await run((pass) => pass.keep({ lanes, layer: 0, layers: 1, runs, ...rule(change) }));
        const got = await device.live(lanes, [0, 1]);
        for (const lane of [0, 1]) assert.deepEqual([...got[lane]], live[lane], `${name}, lane ${lane}`);
        store.settle();
      }
    });

    test("what needs every key, or as many in each lane of a layer, is refused without them", async () => {
      const { store, lanes, newest } = await holding([five, five]);
      put(lanes.budget, [3, 4]);
      const steps = items(0, 0, 1, newest);
      const acts = { lanes, layer: 0, runs: steps, ...rule({ recent: 1 }) };
      await run((pass) => pass.keep({ ...acts, layers: 1 }));
      store.settle();
      fill(lanes.budget, 1);
      const x = f32(new Array(8).fill(1));
      const fed = { q: x, k: x, lanes, layer: 0 };
      const missing =
        /lane \d: expected every key up to position \d in its own slot, got \d keys; nothing may leave before/;
      await assert.rejects(
        run((pass) => pass.sumAttention({ ...fed, chunks: items(0, 0, 2, 5) })),
        missing,
      );
      await assert.rejects(
        run((pass) => pass.maxAttention({ ...fed, chunks: items(0, 0, 2, 5, 1, 2, 4, 5), sinks: 1 })),
        missing,
      );
      await assert.rejects(
        run((pass) => pass.readmit({ z: null, lanes, layer: 0, copies: items(0, 1, 0, 2, 3) })),
        missing,
      );
      const unlike =
        /lane 1: expected as many keys as in lane 0 where a layer's heads are ranked together, got 4 and 3; cut all/;
      const asked = { ...attention, over: "all", group: "layer", kernel: 1 } as const;
      await assert.rejects(
        run((pass) => pass.scoreAttention({ lanes, layer: 0, runs: steps, slack: 1, share: "lane", ...asked })),
        unlike,
      );
      const attend = (rank: "layer" | "group") => (pass: Pass) => {
        const out = device.hidden(8);
        pass.attend({ out, q: x, archiveQuery: null, lanes, layer: 0, steps, pages: false, rank });
      };
      await assert.rejects(run(attend("layer")), unlike);
      await run(attend("group"));
    });

    test("a set without the state that a pass needs is refused by name", async () => {
      const { lanes, newest } = await holding([five]);
      device.attach(lanes, 0, { slots: 4, queries: 0, moments: false, bounds: false, changes: 0, width: 0 });
      const x = f32(new Array(8).fill(1));
      const runs = items(0, 0, 1, newest);
      const acts = { lanes, layer: 0, runs, slack: 1, share: "lane" } as const;
      const expected = { skip: 0, frequencies: f32([1]), future: 1, covariance: true, values: true, epsilon: 0 };
      const step = { out: device.hidden(8), q: x, archiveQuery: null, lanes, layer: 0, steps: runs } as const;
      const scores = /set 0: expected scores of at least \d keys on the device, got 4/;
      const queries = /set 0: expected at least 1 observed queries on the device, got 0/;
      const noted = { x, lanes, runs, window: 2, late: false };
      const cases: [(pass: Pass) => void, RegExp][] = [
        [(pass) => pass.noteChange({ ...noted, dim: 2 }), /set 0: expected changes at 5 positions or more .* got 0/],
        [(pass) => pass.scoreNorm(acts), scores],
        [(pass) => pass.keep({ ...acts, layers: 1, recent: 0, floor: 0, replace: false }), scores],
        [(pass) => pass.clear({ lanes, runs }), scores],
        [(pass) => pass.noteGates({ z: x, shift: 0, lanes, layer: 0, runs }), scores],
        [(pass) => pass.sumAttention({ q: x, k: x, lanes, layer: 0, chunks: items(0, 0, 1, 5) }), scores],
        [(pass) => pass.attend({ ...step, pages: false, rank: "group" }), scores],
        [(pass) => pass.attend({ ...step, pages: true, rank: "none" }), /set 0: expected bounds of pages/],
        [(pass) => pass.bound({ lanes, layer: 0, runs }), /set 0: expected bounds of pages/],
        [(pass) => pass.observe({ q: x, lanes, layer: 0, runs }), queries],
        [(pass) => pass.addMoments({ q: x, lanes, layer: 0, chunks: runs, skip: 0 }), /set 0: expected moments/],
      ];
      for (const [record, message] of cases) await assert.rejects(run(record), message);
      device.attach(lanes, 0, { slots: 5, queries: 0, moments: false, bounds: false, changes: 4, width: 2 });
      await assert.rejects(
        run((pass) => pass.scoreChange(acts)),
        /set 0: expected changes at 5 positions or more on the device, got 4; attach them/,
      );
      device.attach(lanes, 0, { slots: 5, queries: 0, moments: false, bounds: false, changes: 5, width: 2 });
      await assert.rejects(
        run((pass) => pass.noteChange({ ...noted, dim: 3 })),
        /set 0: expected hidden states of 3 numbers on the device, got 2; attach them/,
      );
      await run((pass) => pass.noteChange({ ...noted, dim: 2 }));
      await assert.rejects(
        run((pass) => pass.scoreAttention({ ...acts, ...attention })),
        queries,
      );
      await assert.rejects(
        run((pass) => pass.scoreExpected({ ...acts, ...expected })),
        /set 0: expected moments/,
      );
      await run((pass) => pass.scoreNorm(acts));
    });

    test("state that still has a place stays, and a fork takes what both sets have", async () => {
      const { store, lanes, newest } = await holding([five]);
      await setScores(lanes, [[1, 2, 3, 4, 5]]);
      // Position 4 looks along x, those before along y: only it tells the keys apart.
      for (const p of [0, 1, 2, 3, 4]) {
        const q = f32(p === newest ? [Math.SQRT2, 0] : [0, 1]);
        await run((pass) => pass.observe({ q, lanes, layer: 0, runs: items(0, 0, 1, p) }));
      }
      device.attach(lanes, 0, { slots: 9, queries: 7, moments: false, bounds: false, changes: 0, width: 0 });
      device.attach(lanes, 1, { slots: 6, queries: 3, moments: false, bounds: false, changes: 0, width: 0 });
      store.fork(0, 1);
      await run((pass) => pass.fork({ lanes, pairs: items(0, 1) }));
      store.settle();
      const asked = { ...attention, over: "all", kernel: 1 } as const;
      const total = five.reduce((sum, [x]) => sum + Math.exp(x), 0);
      for (const set of [0, 1]) {
        assert.deepEqual([...(await scoresOf(lanes, set))], [1, 2, 3, 4, 5], `set ${set}`);
        const acts = { lanes, layer: 0, runs: items(set, 0, 1, newest), slack: 1, share: "lane" } as const;
        await run((pass) => pass.scoreAttention({ ...acts, ...asked }));
        const expected = five.map(([x], s) => (s < newest ? Math.exp(x) / total : 0));
        near(await scoresOf(lanes, set), expected, `the newest query of set ${set}`);
      }
      device.attach(lanes, 1, { slots: 0, queries: 0, moments: false, bounds: false, changes: 0, width: 0 });
      assert.deepEqual([...(await scoresOf(lanes, 1))], [0, 0, 0, 0, 0], "none");
      await assert.rejects(device.score(lanes, [1], [Float32Array.of(1, 2, 3, 4, 5)]), /set 1: expected scores/);
      await assert.rejects(device.score(lanes, [0], [Float32Array.of(1)]), { code: "bad-argument" });
    });

    test("the first positions of a set stay, and one key too many leaves its slot", async () => {
      const { store, lanes, newest } = await holding([five]);
      fill(lanes.budget, 4);
      put(lanes.protect, [2]);
      await setScores(lanes, [[0, 1, 2, 3, 4]]);
      const runs = items(0, 0, 1, newest);
      await run((pass) => pass.keep({ lanes, layer: 0, layers: 1, runs, ...rule({ replace: true }) }));
      assert.equal(lanes.dead.host[0], 2);
      assert.deepEqual([...(await scoresOf(lanes))], [0, 1, 3, 4], "of live keys");
      store.plan(0, 1);
      const k = f32([6, 0]);
      await run((pass) => pass.admit({ k, v: k, z: null, lanes, layer: 0, runs: items(0, 0, 1, newest + 1) }));
      assert.deepEqual([...(await scoresOf(lanes)).slice(0, 4)], [0, 1, 4, 3], "the key that was pending lies there");
      store.settle();
    });

    test("which pages a query reads", async () => {
      // Page p holds keys (most[p], 0) and values (p, 1); key 80 is pending.
      const most = [5, 1, 9, 1, 1, 0];
      const keys = Array.from({ length: 81 }, (_, i) => [most[Math.floor(i / 16)], 0]);
      const values = Array.from({ length: 81 }, (_, i) => [Math.floor(i / 16), 1]);
      const { store, lanes, newest } = await holding([keys], [values]);
      fill(lanes.budget, 48);
      const [q, out] = [f32([Math.SQRT2, 0]), device.hidden(2)];
      await run((pass) => {
        pass.bound({ lanes, layer: 0, runs: items(0, 0, 81, 0) });
        const steps = items(0, 0, 1, newest);
        pass.attend({ out, q, archiveQuery: null, lanes, layer: 0, steps, pages: true, rank: "none" });
      });
      const [a, b, c] = [16 * Math.exp(5 - 9), 16, Math.exp(0 - 9)]; // pages 0 and 2, and the pending key
      near(await read(out), [(2 * b + 5 * c) / (a + b + c), 1], "the two best pages and the last");
      assert.equal(lanes.reads.host[0], 2 * 16 + 1 + 2 * 6);
      assert.equal(lanes.physical.host[0], 2 * 16 + 1 + 2 * 6);
      store.settle();
    });
  });
