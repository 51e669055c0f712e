// The checking wrapper refuses what it should, and says what it expected.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checked } from "../../src/device/checked.ts";
import type { Device, LaneShape, Pass, Ring, Rule, Scorer } from "../../src/device/device.ts";
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
    [() => pass.attend(device.f32(64), x, lanes, 2, work, null, null), /attend: expected a layer below 2, got 2/],
    [
      () => pass.admit(x, x, lanes, 0, { ...work, count: 2 }, null),
      /admit: expected list of at least 6 numbers, got 4/,
    ],
    [() => pass.admit(x, x, lanes, 0, { ...work, count: 1 }, { z: x, threshold: 0, window: -1, shift: 0 }), /window/],
  ];
  for (const [call, message] of cases) assert.throws(call, { name: "HyperthinkError", code: "bad-argument", message });
});

test("wrong ranks, rings, rules and scorers are refused as they are recorded", () => {
  const device = checked(reference());
  const pass = device.begin();
  const lanes = device.lanes(SHAPE); // 12 lanes of at most 49 keys
  const steps = list(device, [0, 0, 0], 3);
  const chunks = list(device, [0, 0, 1, 0], 4);
  const x = device.f32(32);
  const board = { scores: device.f32(12 * 49), stride: 49 };
  const ring = { q: device.f32(3 * 2 * 4 * 32), queries: 4 };
  const moments = { sums: device.f32(3 * 2 * 4 * (8 + 64) * 2), skip: 0 };
  const scores = { raw: device.f32(4 * 49), lse: device.f32(4), stride: 49 };
  const rule = { slack: 1, recent: 0, pool: "lane", floor: 0, replace: false } as const;
  const attention = { kind: "attention", queries: 4, over: "all", group: "mean", pool: "max", kernel: 3 } as const;
  const expected = {
    ...{ moments, frequencies: device.f32(4), future: 1, covariance: true, values: true, epsilon: 0 },
    kind: "expected" as const,
  };
  const keep = (change: Partial<Rule>, layer = 0, layers = 1) =>
    pass.keep(board, lanes, layer, layers, steps, { ...rule, ...change });
  const score = (scorer: Scorer, asked: Ring | null = ring) => pass.score(board, asked, lanes, 0, steps, rule, scorer);
  const short = { ...board, stride: 50 };
  const cases: [() => void, RegExp][] = [
    [() => pass.mark(x, device.i32(3), 4, 2, true), /mark: expected flags of at least 4 numbers, got 3/],
    [() => pass.gelu(x, 33), /gelu: expected x of at least 33 numbers, got 32/],
    [
      () => pass.remember({ ...ring, queries: 5 }, x, lanes, 0, chunks, true),
      /remember: expected ring of at least 960/,
    ],
    [() => pass.sum(short, x, x, lanes, 0, chunks), /sum: expected board of at least 600 numbers, got 588/],
    [() => pass.clear({ ...board, stride: 0 }, lanes, steps), /clear: expected the board's stride .* >= 1, got 0/],
    [() => pass.gather({ ...moments, skip: -1 }, x, lanes, 0, chunks), /gather: expected skip .* >= 0, got -1/],
    [() => pass.gather({ ...moments, sums: x }, x, lanes, 0, chunks), /gather: expected sums of at least 3456/],
    [() => pass.note(board, x, 0, lanes, 2, steps, false), /note: expected a layer below 2, got 2/],
    [() => pass.bound(x, lanes, 0, steps, false), /bound: expected bounds of at least 128 numbers, got 32/],
    [
      () => pass.weigh(board, { ...scores, lse: device.f32(3) }, lanes, 0, steps, true),
      /weigh: expected lse of at least 4/,
    ],
    [() => keep({ slack: 0 }), /keep: expected slack to be a whole number >= 1, got 0/],
    [() => keep({ recent: -1 }), /recent keys, a whole number or a share below 1, got -1/],
    [() => keep({ recent: 1.5 }), /recent keys, a whole number or a share below 1, got 1.5/],
    [() => keep({ floor: 1.1 }), /floor from 0 to 1, got 1.1/],
    [() => keep({ pool: "set" }, 1, 2), /layers up to 2, got 1 to 3/],
    [() => keep({ pool: "layer" }, 0, 2), /one layer where the pool is no set, got 2/],
    [() => score(attention, null), /score by attention: expected a ring, got none/],
    [() => score({ ...attention, queries: 5 }), /queries up to the ring's 4, got 5/],
    [() => score({ ...attention, kernel: 4 }), /an odd kernel, got 4/],
    [() => score({ ...attention, group: "layer" }), /softmax over all keys and kernel 1 for a layer/],
    [() => score({ kind: "redundancy", weight: 2, similar: 0 }), /weight from 0 to 1, got 2/],
    [() => score({ ...expected, future: 0 }), /future to be a whole number >= 1, got 0/],
    [() => score({ ...expected, frequencies: device.f32(8) }), /frequencies of 4 numbers, got 8/],
    [() => pass.replay(board, x, x, lanes, 0, chunks, 0), /replay: expected list of at least 8 numbers, got 4/],
    [
      () => pass.attend(device.f32(32), x, lanes, 0, steps, null, { archiveQuery: null, select: x }),
      /attend: expected bounds of at least 128 numbers, got 32/,
    ],
    [
      () => pass.attend(device.f32(32), x, lanes, 0, steps, scores, { archiveQuery: null, select: device.f32(128) }),
      /attend: expected scores of every key or a choice of pages, got both/,
    ],
    [() => pass.fork(lanes, list(device, [0, 1], 2), short, null, null), /fork: expected board of at least 600/],
  ];
  for (const [call, message] of cases) assert.throws(call, { name: "HyperthinkError", code: "bad-argument", message });
  score(attention);
  score(expected);
  keep({ recent: 0.5, pool: "set" }, 0, 2);
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
    ["a page past the end", (lanes) => behind(lanes, 0), chunk([0, 0, 2, 0]), /a spare outside its tables, got page 0/],
    ["a page that a cut left", (lanes) => behind(lanes, 6), chunk([0, 0, 2, 0]), null],
    [
      "a chunk past the board",
      () => {},
      (pass, device, lanes) => {
        const [q, k] = [device.f32(2 * 32), device.f32(2 * 16)];
        pass.sum({ scores: device.f32(12 * 5), stride: 5 }, q, k, lanes, 0, list(device, [0, 0, 2, 4], 4));
      },
      /sum: expected position in 0 \.\. 4, got 5/,
    ],
    ["a replay of another's slots", () => {}, replay([0, 0, 2, 4, 1, 2, 5, 4]), /last slot in 0 \.\. 4, got 5/],
    [
      "a replay to a set that is none",
      () => {},
      replay([0, 0, 2, 4, 3, 2, 4, 4]),
      /the set to write in 0 \.\. 2, got 3/,
    ],
    ["a table of an idle set", (lanes) => hold(lanes, -1, 0), chunk([1, 0, 2, 0]), null],
    [
      "fork without the counters",
      (lanes) => hold(lanes, 7, 1),
      (pass, device, lanes) => pass.fork(lanes, list(device, [0, 1], 2), null, null, null),
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
  function replay(numbers: number[]) {
    return (pass: Pass, device: Device, lanes: ReturnType<Device["lanes"]>) => {
      const [q, k] = [device.f32(2 * 32), device.f32(2 * 16)];
      pass.replay({ scores: device.f32(12 * 9), stride: 9 }, q, k, lanes, 0, list(device, numbers, 8), 0);
    };
  }
  function behind(lanes: ReturnType<Device["lanes"]>, page: number) {
    lanes.archiveTable.host[1] = page;
    lanes.holders.host[page] = 1;
  }
  function hold(lanes: ReturnType<Device["lanes"]>, page: number, holders: number) {
    lanes.archive.host[0] = 5;
    lanes.archiveTable.host[0] = page;
    if (page >= 0) lanes.holders.host[page] = holders;
  }
});
