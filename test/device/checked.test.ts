// The checking wrapper refuses what it should, and says what it expected.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checked } from "../../src/device/checked.ts";
import type { Device, LaneShape, Pass } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";

const SHAPE: LaneShape = {
  sets: 3,
  layers: 2,
  kvHeads: 2,
  queryHeads: 4,
  headDim: 8,
  dtype: "f32",
  pages: 8,
  archivePages: 3,
  doomedPages: 2,
  sparePages: 2,
};

function list(device: Device, numbers: number[], width: number) {
  const buffer = device.i32(numbers.length);
  buffer.host.set(numbers);
  return { list: buffer, first: 0, count: numbers.length / width };
}

test("wrong shapes are refused as they are recorded", () => {
  const device = checked(reference());
  const pass = device.begin();
  const [small, x] = [device.f32(3), device.f32(64)];
  const w = device.matrix(8, 8, "f32");
  const lanes = device.lanes(SHAPE);
  const work = list(device, [0, 0, 1, 0], 4);
  const cases: [() => void, RegExp][] = [
    [() => device.writeRows(w, 7, new Float32Array(16)), /writeRows: expected rows below 8, got 7 to 8/],
    [() => device.writeRows(w, 0, new Float32Array(9)), /whole rows of 8/],
    [() => device.lanes({ ...SHAPE, queryHeads: 3 }), /multiple of KV heads/],
    [() => pass.matmul(small, x, w, 1, null, false), /matmul: expected out of at least 8 numbers, got 3/],
    [() => pass.matmul(x, x, w, 1, null, false), /out and x to be two buffers/],
    [() => pass.matmul(device.f32(8), x, w, 1, small, false), /bias of 8 numbers, got 3/],
    [() => pass.norm(x, x, small, 2, 8, 0), /norm: expected weight of 8 numbers, got 3/],
    [() => pass.rope(x, x, 1, 1, 7), /an even head width, got 7/],
    [() => pass.embed(small, w, device.i32(1), 1), /embed: expected out of at least 8/],
    [() => pass.attend(device.f32(64), x, lanes, 2, work, null), /attend: expected a layer below 2, got 2/],
    [
      () => pass.admit(x, x, lanes, 0, { ...work, count: 2 }, null),
      /admit: expected list of at least 6 numbers, got 4/,
    ],
    [() => pass.admit(x, x, lanes, 0, { ...work, count: 1 }, { z: x, threshold: 0, window: -1, shift: 0 }), /window/],
    [
      () => pass.evict(lanes, 0, { ...work, count: 1 }, { raw: small, lse: x, stride: 8 }, 2),
      /raw of at least 32 numbers, got 3/,
    ],
  ];
  for (const [call, message] of cases) assert.throws(call, { name: "HyperthinkError", code: "bad-argument", message });
});

test("wrong lists and tables are refused as a pass runs", async () => {
  const cases: [
    string,
    (lanes: ReturnType<Device["lanes"]>) => void,
    (pass: Pass, device: Device, lanes: ReturnType<Device["lanes"]>) => void,
    RegExp | null,
  ][] = [
    ["right", () => {}, chunk([0, 0, 2, 0]), null],
    ["set out of range", () => {}, chunk([3, 0, 2, 0]), /set in 0 \.\. 2, got 3/],
    ["set twice", () => {}, chunk([0, 0, 1, 0, 0, 1, 1, 0]), /each set once in a list, got set 0 again/],
    ["rows past the buffers", () => {}, chunk([0, 3, 2, 0]), /row in 0 \.\. 2, got 3/],
    [
      "a spare that someone holds",
      (lanes) => lanes.holders.host.fill(2),
      chunk([0, 0, 2, 0]),
      /one holder of spare page 0, got 2/,
    ],
    [
      "a spare twice",
      (lanes) => lanes.spare.host.set([1, 1]),
      chunk([0, 0, 2, 0]),
      /a page spare once, got page 1 again/,
    ],
    ["a page that nobody holds", (lanes) => hold(lanes, 7, 0), chunk([0, 0, 2, 0]), /holders >= 1 of page 7, got 0/],
    ["no page at all", (lanes) => hold(lanes, -1, 0), chunk([0, 0, 2, 0]), /table entry in 0 \.\. 7, got -1/],
    ["a table of an idle set", (lanes) => hold(lanes, -1, 0), chunk([1, 0, 2, 0]), null],
    [
      "fork without the counters",
      (lanes) => hold(lanes, 7, 1),
      (pass, device, lanes) => pass.fork(lanes, list(device, [0, 1], 2)),
      /archive of lane 4 to be 5, as in lane 0, got 0/,
    ],
    [
      "an id out of range",
      () => {},
      (pass, device) => pass.embed(device.f32(2), device.matrix(2, 2, "f32"), list(device, [2], 1).list, 1),
      /index 0 in 0 \.\. 1, got 2/,
    ],
  ];
  for (const [name, spoil, record, message] of cases) {
    const device = checked(reference());
    const lanes = device.lanes(SHAPE);
    // Layer 0 of sets 0 and 1 may take pages 0 to 3, one a lane.
    for (const [page, lane] of [0, 1, 4, 5].entries()) lanes.spare.host[lane * SHAPE.sparePages] = page;
    lanes.holders.host.fill(1, 0, 4);
    spoil(lanes);
    const pass = device.begin();
    record(pass, device, lanes);
    if (message) await assert.rejects(device.run(pass), { code: "bad-argument", message }, name);
    else await device.run(pass);
  }

  function chunk(numbers: number[]) {
    return (pass: Pass, device: Device, lanes: ReturnType<Device["lanes"]>) => {
      const [k, v] = [device.f32(4 * 16), device.f32(4 * 16)];
      pass.admitChunk(k, v, lanes, 0, list(device, numbers, 4), null);
    };
  }
  function hold(lanes: ReturnType<Device["lanes"]>, page: number, holders: number) {
    lanes.archive.host[0] = 5;
    lanes.archiveTable.host[0] = page;
    if (page >= 0) lanes.holders.host[page] = holders;
  }
});
