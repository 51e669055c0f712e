// A page format whose full pages are never written again: what works on it, and what is refused by name.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { LaneShape, Pass } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";
import { checked } from "../support/checked.ts";
import { distant } from "../support/distant.ts";
import { SEALED } from "../support/sealed.ts";
import { allDevices, type Candidate, gaussians, put, rig } from "./devices.ts";
import { bitsOf, type Host, host } from "./host.ts";

const SHAPE: LaneShape = {
  ...{ sets: 3, layers: 1, kvHeads: 2, queryHeads: 4, headDim: 8, format: SEALED },
  ...{ pages: 120, archivePages: 16, doomedPages: 16 },
};
const [Q, KV] = [SHAPE.queryHeads * SHAPE.headDim, SHAPE.kvHeads * SHAPE.headDim];
const LENGTH = 70;
const LAYER = { layer: 0 } as const;

const candidates: Candidate[] = [
  { name: "reference", open: () => checked(reference({ formats: [SEALED] })), tolerance: 1e-6 },
  { name: "distant", open: () => checked(distant()), tolerance: 1e-6 },
];

/** 16 keys of a page as the format keeps them. */
function sealedPage(keys: Float32Array): Float32Array {
  const scale = Math.fround(Math.max(...keys.map(Math.abs)) / 127);
  return keys.map((x) => Math.round(x / scale) * scale);
}

for (const candidate of candidates)
  describe(candidate.name, () => {
    const { device, f32, i32, run, read } = rig(candidate);
    after(() => device.close());
    const random = seeded(3);
    const [q, k, v] = [Q, KV, KV].map((width) => gaussians(random, (LENGTH + 1) * width));
    const z = gaussians(random, (LENGTH + 1) * SHAPE.kvHeads);
    const all = { q: f32(q), k: f32(k), v: f32(v), z: f32(z) };

    /** Feeds rows [from, from + rows) of the same tokens to some sets; returns what their queries got. */
    async function feed(store: Host, sets: number[], from: number, rows: number): Promise<Float32Array[]> {
      const { lanes } = store;
      const outs: Float32Array[] = [];
      for (const set of sets) {
        store.plan(set, Math.ceil(rows / 16) + 2);
        const out = device.hidden((LENGTH + 1) * Q);
        const runs = { list: i32([set, from, rows, from]), first: 0, count: 1 };
        await run((pass) => {
          if (rows > 1) pass.attendChunk({ ...all, ...LAYER, out, lanes, chunks: runs });
          pass.admit({ ...all, ...LAYER, lanes, runs });
          if (rows === 1)
            pass.attend({
              ...LAYER,
              out,
              q: all.q,
              archiveQuery: null,
              lanes,
              steps: runs,
              pages: false,
              rank: "none",
            });
        });
        store.settle();
        outs.push((await read(out)).slice(from * Q, (from + rows) * Q));
      }
      return outs;
    }
    const keysOf = async (store: Host, set: number) =>
      (await device.keys(store.lanes, store.lanesOf(set))).map((x) => x);

    test("full pages are sealed, the open one and values are as they came", async () => {
      const store = host(device, SHAPE);
      assert.equal(store.lanes.bytesPerPage, 16 * (8 + 32 + 4) + 4);
      await feed(store, [0], 0, 40);
      for (const [h, { keys, values }] of (await keysOf(store, 0)).entries()) {
        const rows = (x: Float32Array) =>
          Float32Array.from({ length: 40 * 8 }, (_, i) => x[(Math.floor(i / 8) * SHAPE.kvHeads + h) * 8 + (i % 8)]);
        const came = rows(k);
        const expected = [came.slice(0, 128), came.slice(128, 256)].flatMap((page) => [...sealedPage(page)]);
        assert.deepEqual(keys, Float32Array.of(...expected, ...came.slice(256)));
        assert.notDeepEqual(keys.slice(0, 256), came.slice(0, 256));
        assert.deepEqual(values, rows(v));
      }
    });

    test("a fork goes on as a set of its own would, however tokens come in", async () => {
      const store = host(device, SHAPE);
      await feed(store, [0, 2], 0, 40);
      store.fork(0, 1);
      await run((pass) => pass.fork({ lanes: store.lanes, pairs: { list: i32([0, 1]), first: 0, count: 1 } }));
      store.settle();
      for (let from = 40; from < LENGTH; from++) {
        const [a, b, c] = await feed(store, [0, 1, 2], from, 1);
        assert.deepEqual([a, b], [c, c], `token ${from}`);
      }
      const [source, fork, alone] = await Promise.all([0, 1, 2].map((set) => keysOf(store, set)));
      assert.deepEqual([source, fork], [alone, alone]);
    });

    test("labelled keys leave, and doomed pages are sealed as those of the archive are", async () => {
      const store = host(device, SHAPE);
      store.label({ threshold: 0.3, window: 20, shift: 0 });
      put(store.lanes.threshold, [-10, 10].map(bitsOf), 1); // all of set 1, none of set 2
      await feed(store, [0], 0, 40);
      for (let from = 40; from < LENGTH; from++) await feed(store, [0], from, 1);
      for (const [h, live] of (await device.live(store.lanes, store.lanesOf(0))).entries()) {
        const newest = LENGTH - 1;
        const expected = [...Array(LENGTH).keys()].filter(
          (i) => i === newest || !(z[i * SHAPE.kvHeads + h] > Math.fround(0.3) && newest - i > 20),
        );
        assert.deepEqual([...live], expected, `head ${h}`);
      }
      // Under a window that all keys fit in, the same keys lie in both parts' pages, and answer alike.
      put(store.lanes.window, [100, 100], 1);
      for (const [from, rows] of [
        [0, 40],
        [40, 1],
        [41, 1],
      ]) {
        const [doomed, archive] = await feed(store, [1, 2], from, rows);
        assert.deepEqual(doomed, archive, `from ${from}`);
      }
      assert.deepEqual(
        [1, 2].map((set) => store.lanes.tail.host[store.lanesOf(set)[0]]),
        [41, 0],
      );
    });

    test("cuts and victims are refused by name", async () => {
      const store = host(device, SHAPE);
      const { lanes } = store;
      await feed(store, [0], 0, 40);
      const runs = { list: i32([0, 0, 1, 39]), first: 0, count: 1 };
      const keep = (pass: Pass, replace: boolean) =>
        pass.keep({ ...LAYER, lanes, runs, layers: 1, slack: 1, share: "lane", recent: 0, floor: 0, replace });
      for (const replace of [false, true])
        assert.throws(() => keep(device.begin(), replace), {
          code: "unsupported",
          message: /keep: expected pages that can be written again, got format sealed, which seals full pages/,
        });
      for (const lane of store.lanesOf(0)) put(lanes.dead, [3], lane);
      await assert.rejects(
        feed(store, [0], 40, 1),
        /page \d+: expected an open page, got one that format sealed has sealed/,
      );
    });
  });

test("a device that lacks the format refuses it by name", () => {
  const others = allDevices.filter(({ name }) => name !== "distant");
  for (const { name, open } of others) {
    const device = open();
    assert.throws(() => device.lanes(SHAPE), { code: "unsupported", message: /sealed/ }, name);
    device.close();
  }
});
