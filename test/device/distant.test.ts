// What `distant` is for: host and device share nothing, and nothing is larger than a binding. The device suite runs on
// it too.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { PAGE_FORMATS } from "../../src/device/device.ts";
import { distant } from "../support/distant.ts";
import { fill, put } from "./devices.ts";

const device = distant();
after(() => device.close());

test("tables go up only where the host says what it wrote, and only results come back", async () => {
  const x = device.f32(4);
  x.host.set([1, 2, 3, 4]);
  x.wrote(1, 2);
  const run = async () => {
    const pass = device.begin();
    pass.gelu({ x, count: 0 });
    await device.run(pass);
    const got = new Float32Array(4);
    await device.read(x, 0, got);
    return [...got];
  };
  assert.deepEqual(await run(), [0, 2, 3, 0]);
  await device.write(x, 0, Float32Array.of(9));
  assert.deepEqual(await run(), [9, 2, 3, 0]);
  assert.deepEqual([...x.host], [1, 2, 3, 4]);
});

test("a set's counters come back with a pass that names it, those of others do not", async () => {
  const shape = { sets: 2, layers: 1, kvHeads: 1, queryHeads: 1, headDim: 2, format: PAGE_FORMATS.f32 };
  const lanes = device.lanes({ ...shape, pages: 4, archivePages: 16, doomedPages: 0 });
  fill(lanes.dead, -1);
  fill(lanes.window, -1);
  fill(lanes.spares, 1);
  put(lanes.firstSpare, [2, 3]);
  put(lanes.spare, [0, 1, 2, 3]);
  fill(lanes.holders, 1);
  const k = put(device.f32(8), new Array(8).fill(1));
  const admit = async (set: number, wrong = 0) => {
    const runs = { list: put(device.i32(4), [set, 0, 3, wrong]), first: 0, count: 1 };
    const pass = device.begin();
    pass.admit({ k, v: k, z: null, lanes, layer: 0, runs });
    await device.run(pass);
  };
  await admit(0);
  assert.deepEqual([...lanes.archive.host], [2, 0]);
  assert.deepEqual([...lanes.used.host], [1, 0]);
  assert.deepEqual([...lanes.spare.host], [0, 1, -1, 3]);
  assert.equal(lanes.archiveTable.host[0], 0, "the host derives its own table");
  // A pass that fails tells how far it came.
  put(lanes.archiveTable, [2]);
  await assert.rejects(admit(0, 9), /expected position 3 after the pending key, got 9/);
  await admit(1);
  assert.deepEqual([...lanes.archive.host], [2, 2]);
});

test("a row of more than 128 MiB is refused by name", () => {
  const refused = { name: "HyperthinkError", code: "no-memory", message: /expected at most 128 MiB in one row/ };
  const cols = 2 ** 25 + 1;
  assert.throws(() => device.matrix(1, cols, "f32"), refused);
  device.matrix(0, cols, "bf16");
  const lanes = device.lanes({
    ...{ sets: 1, layers: 1, kvHeads: 1, queryHeads: 1, headDim: 2, format: PAGE_FORMATS.f32 },
    ...{ pages: 1, archivePages: 16, doomedPages: 0 },
  });
  const state = { slots: 0, queries: 0, moments: false, bounds: false, changes: 0, width: 0 };
  assert.throws(() => device.attach(lanes, 0, { ...state, slots: cols }), refused);
  const pass = device.begin();
  const x = device.hidden(1);
  assert.throws(() => pass.rope({ x, angles: x, rows: 0, heads: 1, dim: cols + 1 }), refused);
});
