// Archives longer than a span: shared spans count once, bits do not depend on company, and victims by hand.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { type LaneShape, PAGE_FORMATS, SPAN_SLOTS } from "../../src/device/device.ts";
import { allDevices, fill, gaussians, put, rig } from "./devices.ts";
import { type Host, host } from "./host.ts";

const SHAPE: LaneShape = {
  sets: 4,
  layers: 1,
  kvHeads: 2,
  queryHeads: 6,
  headDim: 20,
  format: PAGE_FORMATS.bf16,
  pages: 400,
  archivePages: 48,
  doomedPages: 16,
};
const [Q, KV] = [SHAPE.queryHeads * SHAPE.headDim, SHAPE.kvHeads * SHAPE.headDim];

const PLAIN = { archiveQuery: null, layer: 0, pages: false, rank: "none" } as const;

for (const candidate of allDevices) {
  describe(candidate.name, () => {
    const { device, f32, i32, run, read, close } = rig(candidate);
    after(() => device.close());

    /** Feeds `k`, `v` [rows, Hkv, D] to a set as its first chunk; returns what the queries got. */
    async function prefill(
      store: Host,
      set: number,
      q: Float32Array,
      k: Float32Array,
      v: Float32Array,
    ): Promise<Float32Array> {
      const rows = k.length / KV;
      store.plan(set, Math.ceil(rows / 16) + 2);
      const out = device.hidden(rows * Q);
      const chunks = { list: i32([set, 0, rows, 0]), first: 0, count: 1 };
      await run((pass) => {
        const fed = { k: f32(k), v: f32(v), z: null, lanes: store.lanes, layer: 0 };
        pass.attendChunk({ ...fed, out, q: f32(q), chunks });
        pass.admit({ ...fed, runs: chunks });
      });
      store.settle();
      return read(out);
    }

    /** One decode step of some sets at one position; set s takes row s of q, k and v [4, ..]. */
    async function step(
      store: Host,
      sets: number[],
      position: number,
      q: Float32Array,
      k: Float32Array,
      v: Float32Array,
    ) {
      for (const set of sets) store.plan(set, 1);
      const out = device.hidden(SHAPE.sets * Q);
      const steps = { list: i32(sets.flatMap((set) => [set, set, 1, position])), first: 0, count: sets.length };
      await run((pass) => {
        const { lanes } = store;
        pass.admit({ k: f32(k), v: f32(v), z: null, lanes, layer: 0, runs: steps });
        pass.attend({ ...PLAIN, out, q: f32(q), lanes, steps });
      });
      const [physical, reads] = [[...store.lanes.physical.host], [...store.lanes.reads.host]];
      store.settle();
      return { out: await read(out), physical, reads };
    }

    for (const length of [SPAN_SLOTS + 1, 600]) {
      test(`${length} keys: shared whole spans count once, and bits do not depend on company or sharing`, async () => {
        const random = seeded(length);
        const [k, v] = [gaussians(random, length * KV), gaussians(random, length * KV)];
        const q = gaussians(random, length * Q);
        const store = host(device, SHAPE);
        const first = await prefill(store, 0, q, k, v);
        assert.deepEqual(await prefill(store, 3, q, k, v), first, "set 3 holds the same keys in pages of its own");
        for (const to of [1, 2]) {
          store.fork(0, to);
          await run((pass) => pass.fork({ lanes: store.lanes, pairs: { list: i32([0, to]), first: 0, count: 1 } }));
          store.settle();
        }
        // All sets are given the same token, so all must answer the same, bit for bit.
        const same = (row: Float32Array) =>
          Float32Array.from({ length: SHAPE.sets * row.length }, (_, i) => row[i % row.length]);
        const [token, newK, newV] = [gaussians(random, Q), gaussians(random, KV), gaussians(random, KV)];
        const sets = [2, 0, 3, 1];
        const { out, physical, reads } = await step(store, sets, length, same(token), same(newK), same(newV));
        for (const set of [1, 2, 3]) assert.deepEqual(out.slice(set * Q, (set + 1) * Q), out.slice(0, Q), `set ${set}`);
        const whole = Math.floor(length / SPAN_SLOTS) * SPAN_SLOTS;
        assert.deepEqual(reads, new Array(8).fill(length + 1));
        // Sets 0, 1 and 2 share, and set 2 comes first in the list; set 3 does not.
        const physicalOf = [0, 0, whole, whole].map((keys) => keys + length + 1 - whole);
        assert.deepEqual(
          physical,
          physicalOf.flatMap((keys) => [keys, keys]),
        );

        const alone = host(device, SHAPE);
        await prefill(alone, 1, q, k, v);
        const lone = await step(alone, [1], length, same(token), same(newK), same(newV));
        assert.deepEqual(lone.out.slice(Q, 2 * Q), out.slice(0, Q), "alone");
        assert.deepEqual(
          lone.physical,
          [0, 1, 0, 0].flatMap((x) => [x * (length + 1), x * (length + 1)]),
        );

        // The same token as a row of a chunk: prefill and decode attention may differ in bits, not in value.
        const longer = host(device, SHAPE);
        const join = (a: Float32Array, b: Float32Array) => Float32Array.of(...a, ...b);
        const rows = await prefill(longer, 0, join(q, token), join(k, newK), join(v, newV));
        close(rows.slice(length * Q), out.slice(0, Q), "as a chunk's last row");
      });
    }

    test("the newest query's probabilities; ties evict the higher slot, the pending key first", async () => {
      const shape = { ...SHAPE, kvHeads: 1, queryHeads: 1, headDim: 2, format: PAGE_FORMATS.f32 };
      // Scores are k[0] * sqrt(2) / sqrt(2) = k[0] for q = (sqrt 2, 0).
      const cases: { name: string; keys: number[]; budget: number; live: number[]; dead: number }[] = [
        { name: "within budget", keys: [1, 2, 3], budget: 3, live: [0, 1, 2], dead: -1 },
        { name: "the least probable", keys: [1, 0, 3, 2], budget: 3, live: [0, 2, 3], dead: 1 },
        { name: "the pending key", keys: [1, 2, 3, 0], budget: 3, live: [0, 1, 2], dead: -2 },
        { name: "a tie in the archive", keys: [1, 0, 0, 2], budget: 3, live: [0, 1, 3], dead: 2 },
        { name: "a tie with the pending key", keys: [1, 0, 2, 0], budget: 3, live: [0, 1, 2], dead: -2 },
        { name: "several", keys: [4, 1, 5, 2, 6, 3], budget: 3, live: [0, 2, 4], dead: -2 },
        { name: "several, pending stays", keys: [4, 1, 5, 2, 3, 6], budget: 3, live: [0, 2, 5], dead: -1 },
        { name: "several, all equal", keys: [1, 1, 1, 1, 1], budget: 2, live: [0, 1], dead: -2 },
        { name: "all but one", keys: [1, 1, 2, 1, 1], budget: 1, live: [2], dead: -2 },
        {
          name: "over two pages",
          keys: Array.from({ length: 40 }, (_, i) => (i * 7) % 40),
          budget: 38,
          live: Array.from({ length: 40 }, (_, i) => i).filter((i) => (i * 7) % 40 > 1),
          dead: -1,
        },
      ];
      for (const { name, keys, budget, live, dead } of cases) {
        const store = host(device, shape);
        const n = keys.length;
        store.plan(0, 3);
        const flat = (x: number[]) => f32(x.flatMap((value) => [value, 7]));
        const [k, q, out] = [flat(keys), f32([Math.SQRT2, 0]), device.hidden(2)];
        const last = flat(keys.slice(-1));
        const { lanes } = store;
        device.attach(lanes, 0, { slots: n, queries: 0, moments: false, bounds: false, changes: 0, width: 0 });
        const chunks = { list: i32([0, 0, n - 1, 0]), first: 0, count: 1 };
        const steps = { list: i32([0, 0, 1, n - 1]), first: 0, count: 1 };
        await run((pass) => {
          pass.admit({ k, v: k, z: null, lanes, layer: 0, runs: chunks });
          pass.admit({ k: last, v: last, z: null, lanes, layer: 0, runs: steps });
          pass.attend({ ...PLAIN, out, q, lanes, steps, rank: "layer" });
        });
        const total = keys.reduce((sum, x) => sum + Math.exp(x), 0);
        const [{ scores }] = await device.keys(lanes, [0]);
        close(
          scores,
          keys.map((x) => Math.exp(x) / total),
          `${name}: probabilities`,
        );
        store.settle();
        fill(lanes.budget, budget);
        const rule = { slack: 1, share: "lane", recent: 0, floor: 0, replace: true } as const;
        await run((pass) => pass.keep({ lanes, layer: 0, layers: 1, runs: steps, ...rule }));
        const [kept] = await device.live(lanes, [0]);
        assert.deepEqual([...kept], live, name);
        assert.equal(store.lanes.dead.host[0], dead, name);
        assert.equal(store.lanes.archive.host[0], live.length - (dead === -2 ? 0 : 1) + (dead >= 0 ? 1 : 0), name);
        store.settle();
      }
    });

    test("a dead slot in a shared page is filled in a copy, and the other holder keeps its keys", async () => {
      const random = seeded(5);
      const store = host(device, SHAPE);
      const [k, v] = [gaussians(random, 33 * KV), gaussians(random, 33 * KV)];
      await prefill(store, 0, gaussians(random, 33 * Q), k, v); // archive 32: two full pages
      store.fork(0, 1);
      await run((pass) => pass.fork({ lanes: store.lanes, pairs: { list: i32([0, 1]), first: 0, count: 1 } }));
      store.settle();
      for (const lane of store.lanesOf(1)) put(store.lanes.dead, [3], lane);
      const shared = store.archiveOf(2);
      store.plan(1, 1);
      const runs = { list: i32([1, 0, 1, 33]), first: 0, count: 1 };
      const [newK, newV] = [f32(gaussians(random, KV)), f32(gaussians(random, KV))];
      await run((pass) => pass.admit({ k: newK, v: newV, z: null, lanes: store.lanes, layer: 0, runs }));
      const { used, spare, places, firstSpare } = store.lanes;
      assert.equal(used.host[2], 1);
      assert.equal(spare.host[firstSpare.host[2]], shared[0], "the page that was let go");
      assert.equal(places.host[firstSpare.host[2]], 0, "its entry");
      store.settle();
      const now = store.archiveOf(2);
      assert.ok(now[0] !== shared[0] && now[1] === shared[1]);
      const all = Array.from({ length: 34 }, (_, i) => i);
      const [theirs, ours] = await device.live(store.lanes, [0, 2]);
      assert.deepEqual([...theirs], all.slice(0, 33));
      assert.deepEqual(
        [...ours],
        all.filter((i) => i !== 3),
      );
    });

    test("bytes per page", () => {
      for (const [name, bytes] of [
        ["f32", 4],
        ["bf16", 2],
      ] as const) {
        const { bytesPerPage } = device.lanes({ ...SHAPE, pages: 1, format: PAGE_FORMATS[name] });
        assert.equal(bytesPerPage, 16 * (2 * 20 * bytes + 4));
      }
    });
  });
}
