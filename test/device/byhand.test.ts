// Ranks, cuts and choices of pages worked out by hand, on every device.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Board, F32, LaneShape, Lanes, Rule, Scorer } from "../../src/device/device.ts";
import { devices, rig } from "./devices.ts";
import { type Host, host } from "./host.ts";
import { near, rule } from "./watched.ts";

const SHAPE: LaneShape = {
  ...{ sets: 2, layers: 1, kvHeads: 1, queryHeads: 1, headDim: 2, dtype: "f32" },
  ...{ pages: 32, archivePages: 8, doomedPages: 1, sparePages: 8 },
};
const STRIDE = 128;

for (const candidate of devices)
  describe(candidate.name, () => {
    const { device, f32, i32, run } = rig(candidate);
    after(() => device.close());

    /** A set 0 that holds these keys (and values) as its positions 0, 1, ..; [KV heads] of [keys] of [x, y]. */
    async function holding(
      heads: number[][][],
      values = heads,
    ): Promise<{ store: Host; lanes: Lanes; newest: number }> {
      const store = host(device, { ...SHAPE, kvHeads: heads.length, queryHeads: heads.length });
      const rows = heads[0].length;
      store.plan(0, 8);
      const flat = (x: number[][][]) => f32(x[0].flatMap((_, row) => x.flatMap((head) => head[row])));
      const chunks = { list: i32([0, 0, rows, 0]), first: 0, count: 1 };
      await run((pass) => pass.admitChunk(flat(heads), flat(values), store.lanes, 0, chunks, null));
      store.settle();
      return { store, lanes: store.lanes, newest: rows - 1 };
    }
    function boardOf(lanes: Lanes, rows: number[][]): Board & { scores: F32 } {
      const scores = device.f32(lanes.archive.length * STRIDE);
      for (const [lane, row] of rows.entries()) scores.host.set(row, lane * STRIDE);
      return { scores, stride: STRIDE };
    }
    async function ranks(
      keys: number[][],
      scorer: Scorer,
      before: number[] = [],
      values = keys,
    ): Promise<Float32Array> {
      const { lanes, newest } = await holding([keys], [values]);
      const board = boardOf(lanes, [before]);
      const steps = { list: i32([0, 0, newest]), first: 0, count: 1 };
      const ring = { q: f32(new Array(2 * 4 * 2).fill(0)), queries: 4 }; // queries of zeros attend to all keys alike
      await run((pass) => pass.score(board, ring, lanes, 0, steps, rule({}), scorer));
      return board.scores.host.slice(0, keys.length);
    }
    const attention = {
      kind: "attention",
      queries: 1,
      over: "others",
      group: "mean",
      pool: "mean",
      kernel: 3,
    } as const;
    const five = [1, 2, 3, 4, 5].map((x) => [x, 0]);

    test("norm, difference and mean", async () => {
      near(
        await ranks(
          [
            [3, 4],
            [0, 0],
            [1, 0],
          ],
          { kind: "norm" },
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
          { kind: "difference" },
        ),
        [2, 1, 2].map((x) => -x / Math.sqrt(5)), // the mean is (2/3, 1/3)
        "difference",
      );
      near(await ranks(five, { kind: "mean" }, [10, 8, 6, 4, 2]), [2, 2, 2, 2, 2], "mean");
    });

    test("neighbours at the ends", async () => {
      near(await ranks(five, attention), [1 / 6, 1 / 4, 1 / 4, 1 / 6, 0], "zeros beyond the ends");
      near(await ranks(five, { ...attention, pool: "max" }), [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0], "the greatest");
      near(await ranks(five, { ...attention, over: "all", kernel: 1 }), [0.2, 0.2, 0.2, 0.2, 0], "over all");
    });

    test("redundancy", async () => {
      const keys = [
        [1, 0],
        [2, 0],
        [0, 1],
      ];
      const scorer = { kind: "redundancy", weight: 0.5, similar: 0.9 } as const;
      // Both cosines above 0.9 are each its row's last and are set to 0: all are alike.
      near(await ranks(keys, scorer, [1, 1, 1]), [1 / 3, 1 / 3, 1 / 3], "similar");
      // None is: only column 0 of each row is set to 0, and column 1 keeps the mean 1/3.
      const e = Math.exp(1 / 3);
      near(
        await ranks(keys, { ...scorer, similar: 1.5 }, [1, 1, 1]),
        [1, e, 1].map((x) => 0.5 - x / (2 * (2 + e))),
        "nothing similar",
      );
    });

    test("expected attention without any query", async () => {
      const moments = { sums: f32(new Array(2 * (2 + 4) * 2).fill(0)), skip: 1 };
      const frequencies = f32([1]);
      const scorer = {
        kind: "expected",
        moments,
        frequencies,
        future: 3,
        covariance: true,
        values: true,
        epsilon: 0.25,
      } as const;
      const values = [0, 4, 8, 12, 16].map((x) => [x, 0]);
      near(await ranks(five, scorer, [], values), [9, 2, 4, 6, 8], "1/4 and epsilon, times lengths");
    });

    test("gelu", async () => {
      const x = f32([1, -1, 0, 3, -8]);
      await run((pass) => pass.gelu(x, 5));
      near(x.host, [0.8413447, -0.1586553, 0, 2.9959503, 0], "x Phi(x)", 1e-7);
    });

    test("sums and the newest query's weights", async () => {
      const { lanes } = await holding([[[1, 0]]]); // position 0, pending
      const board = boardOf(lanes, [[1, 9, 9]]);
      const [q, k] = [f32([0, 0, 0, 0]), f32([1, 1, 2, 2])];
      const chunks = { list: i32([0, 0, 2, 1]), first: 0, count: 1 };
      await run((pass) => pass.sum(board, q, k, lanes, 0, chunks));
      near(board.scores.host.subarray(0, 3), [1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3], "sums");
    });

    test("a replay", async () => {
      const { lanes } = await holding([five.slice(0, 4)]);
      const board = boardOf(lanes, [
        [9, 9, 9, 9, 9, 9],
        [0.3, 0.3, 0.3, 0, 0, 0],
      ]);
      const [q, k] = [f32([0, 0, 0, 0]), f32([1, 1, 2, 2])];
      // Sink 0, slots 2 and 3, and the replayed keys 4 and 5: a quarter for the first query, a fifth for the second.
      const items = { list: i32([0, 0, 2, 4, 1, 2, 4, 4]), first: 0, count: 1 };
      await run((pass) => pass.replay(board, q, k, lanes, 0, items, 1));
      near(board.scores.host.subarray(0, 6), [9, 9, 9, 9, 9, 9], "the replaying set's own");
      near(board.scores.host.subarray(STRIDE, STRIDE + 6), [0.3, 0.3, 0.3, 0.25, 0, 0], "of set 1");
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
          "a pool",
          { pool: "layer" },
          [2, 2],
          [
            [9, 1, 1, 1, 1],
            [8, 7, 6, 1, 1],
          ],
          [[0], [0, 1, 2]],
        ],
        [
          "a pool with floors",
          { pool: "layer", floor: 1 },
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
          "NaN in a pool",
          { pool: "layer" },
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
          "ties of a pool",
          { pool: "set" },
          [3, 3],
          [
            [1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1],
          ],
          [[0, 1, 2, 3, 4], [0]],
        ],
      ];
      for (const [name, change, budgets, board, live] of cases) {
        const { store, lanes, newest } = await holding(both);
        lanes.budget.host.set(budgets);
        const steps = { list: i32([0, 0, newest]), first: 0, count: 1 };
        const ranks = boardOf(lanes, board);
        await run((pass) => pass.keep(ranks, lanes, 0, 1, steps, rule(change)));
        for (const lane of [0, 1]) assert.deepEqual([...device.live(lanes, lane)], live[lane], `${name}, lane ${lane}`);
        store.settle();
      }
    });

    test("what needs every key, or as many in each lane of a layer, is refused without them", async () => {
      const { store, lanes, newest } = await holding([five, five]);
      lanes.budget.host.set([3, 4]);
      const steps = { list: i32([0, 0, newest]), first: 0, count: 1 };
      const board = boardOf(lanes, []);
      await run((pass) => pass.keep(board, lanes, 0, 1, steps, rule({ recent: 1 })));
      store.settle();
      lanes.budget.host.fill(1);
      const x = f32(new Array(8).fill(1));
      const chunks = { list: i32([0, 0, 2, 5]), first: 0, count: 1 };
      const items = { list: i32([0, 0, 2, 5, 1, 2, 4, 5]), first: 0, count: 1 };
      const missing =
        /lane \d: expected every key up to position 4 in its own slot, got [34] keys; nothing may leave before/;
      await assert.rejects(
        run((pass) => pass.sum(board, x, x, lanes, 0, chunks)),
        missing,
      );
      await assert.rejects(
        run((pass) => pass.replay(board, x, x, lanes, 0, items, 1)),
        missing,
      );
      const unlike =
        /lane 1: expected as many keys as in lane 0 where a layer's heads are ranked together, got 4 and 3; cut all/;
      const ring = { q: f32(new Array(2 * 4 * 4).fill(0)), queries: 4 };
      const layer = { ...attention, over: "all", group: "layer", kernel: 1 } as const;
      await assert.rejects(
        run((pass) => pass.score(board, ring, lanes, 0, steps, rule({}), layer)),
        unlike,
      );
      const scores = { raw: f32(new Array(2 * STRIDE).fill(0)), lse: f32([0, 0]), stride: STRIDE };
      await assert.rejects(
        run((pass) => pass.weigh(board, scores, lanes, 0, steps, false)),
        unlike,
      );
      await run((pass) => pass.weigh(board, scores, lanes, 0, steps, true));
    });

    test("the first positions of a set stay, and one key too many leaves its slot", async () => {
      const { store, lanes, newest } = await holding([five]);
      lanes.budget.host.fill(4);
      lanes.protect.host[0] = 2;
      const steps = { list: i32([0, 0, newest]), first: 0, count: 1 };
      const board = boardOf(lanes, [[0, 1, 2, 3, 4]]);
      await run((pass) => pass.keep(board, lanes, 0, 1, steps, rule({ replace: true })));
      assert.equal(lanes.dead.host[0], 2);
      assert.deepEqual(
        [...board.scores.host.subarray(0, 5)],
        [0, 1, 4, 3, 4],
        "the pending key's rank goes to its slot",
      );
      store.settle();
    });

    test("which pages a query reads", async () => {
      // Page p holds keys (most[p], 0) and values (p, 1); key 80 is pending.
      const most = [5, 1, 9, 1, 1, 0];
      const keys = Array.from({ length: 81 }, (_, i) => [most[Math.floor(i / 16)], 0]);
      const values = Array.from({ length: 81 }, (_, i) => [Math.floor(i / 16), 1]);
      const { store, lanes, newest } = await holding([keys], [values]);
      lanes.budget.host.fill(48);
      const bounds = device.f32(SHAPE.pages * 2 * 2);
      const steps = { list: i32([0, 0, newest]), first: 0, count: 1 };
      const chunks = { list: i32([0, 0, 81, 0]), first: 0, count: 1 };
      const [q, out] = [f32([Math.SQRT2, 0]), device.f32(2)];
      await run((pass) => {
        pass.bound(bounds, lanes, 0, chunks, true);
        pass.attend(out, q, lanes, 0, steps, null, { archiveQuery: null, select: bounds });
      });
      const [a, b, c] = [16 * Math.exp(5 - 9), 16, Math.exp(0 - 9)]; // pages 0 and 2, and the pending key
      near(out.host, [(2 * b + 5 * c) / (a + b + c), 1], "the two best pages and the last");
      assert.equal(lanes.reads.host[0], 2 * 16 + 1 + 2 * 6);
      assert.equal(lanes.physical.host[0], 2 * 16 + 1 + 2 * 6);
      store.settle();
    });
  });
