// What every device refuses as operations are recorded and as lists are read, and the tables that the checking wrapper
// refuses.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  type Device,
  entryAt,
  type LaneShape,
  type Lanes,
  PAGE_FORMATS,
  type Pass,
  type Work,
} from "../../src/device/device.ts";
import type { ItemKind } from "../../src/device/fields.ts";
import { widthOf } from "../../src/device/fields.ts";
import { reference } from "../../src/device/reference.ts";
import { checked } from "../support/checked.ts";
import { allDevices, fill, put, rig } from "./devices.ts";

const SHAPE: LaneShape = {
  ...{ sets: 3, layers: 2, kvHeads: 2, queryHeads: 4, headDim: 8, format: PAGE_FORMATS.f32 },
  ...{ pages: 8, archivePages: 16, doomedPages: 16 },
};
const STATE = { slots: 60, queries: 4, moments: true, bounds: true, changes: 0, width: 0 };

function list(device: Device, kind: ItemKind, numbers: number[]): Work {
  return { list: put(device.i32(numbers.length), numbers), first: 0, count: numbers.length / widthOf(kind) };
}

for (const candidate of allDevices)
  describe(candidate.name, () => {
    const { device } = rig(candidate);
    after(() => device.close());

    test("wrong arguments are refused as they are recorded", () => {
      const pass = device.begin();
      const [small, x, out] = [device.f32(3), device.f32(64), device.f32(64)];
      const w = device.matrix(8, 8, "f32");
      const lanes = device.lanes(SHAPE);
      const runs = list(device, "run", [0, 0, 1, 0]);
      const act = { lanes, layer: 0, runs, slack: 1, share: "lane" } as const;
      const cut = { ...act, layers: 1, recent: 0, floor: 0, replace: false } as const;
      const attention = { queries: 4, over: "all", group: "mean", smooth: "max", kernel: 3 } as const;
      const expected = { skip: 0, frequencies: device.f32(4), future: 1, covariance: true, values: true, epsilon: 0 };
      const step = { out, q: x, archiveQuery: null, lanes, layer: 0, steps: runs, pages: false, rank: "none" } as const;
      const noted = { x, dim: 8, lanes, runs, window: 4, late: false };
      const foreign = reference().hidden(64);
      const cases: [() => void, RegExp][] = [
        [() => device.writeRows(w, 7, new Float32Array(16)), /writeRows: expected rows below 8, got 7 to 8/],
        [() => device.writeRows(w, 0, new Float32Array(9)), /whole rows of 8 numbers/],
        [() => device.writeRows(w, 0, new Uint8Array(33)), /whole rows of 32 bytes/],
        [() => device.lanes({ ...SHAPE, queryHeads: 3 }), /multiple of KV heads/],
        [() => device.lanes({ ...SHAPE, archivePages: 8 }), /archivePages in whole spans of 16, got 8/],
        [() => device.attach(lanes, 3, STATE), /attach: expected a set below 3, got 3/],
        [
          () => pass.matmul({ out: small, x, w, rows: 1, bias: null, add: false }),
          /matmul: expected out of at least 8 numbers, got 3/,
        ],
        [() => pass.matmul({ out: x, x, w, rows: 1, bias: null, add: false }), /out and x to be two buffers/],
        [() => pass.matmul({ out, x, w, rows: 1, bias: small, add: false }), /bias of at least 8 numbers, got 3/],
        [() => pass.norm({ out: x, x, weight: small, rows: 2, dim: 8, eps: 0 }), /weight of at least 8 numbers, got 3/],
        [() => pass.norm({ out: x, x, weight: x, rows: 2, dim: 8, eps: -1 }), /eps >= 0, got -1/],
        [() => pass.norm({ out: x, x, weight: x, rows: 2, dim: 8, eps: Number.NaN }), /a number as eps, got NaN/],
        [() => pass.rope({ x, angles: x, rows: 1, heads: 1, dim: 7 }), /an even head width, got 7/],
        [() => pass.blank({ q: x, rows: 1, queryHeads: 4, kvHeads: 3, dim: 8 }), /multiple of KV heads, got 4 and 3/],
        [() => pass.embed({ out: small, table: w, ids: device.i32(1), rows: 1 }), /embed: expected out of at least 8/],
        [() => pass.embed({ out, table: w, ids: device.i32(1), rows: 2 }), /ids of at least 2 numbers, got 1/],
        [() => pass.swiglu({ out, gate: foreign, up: x, count: 1 }), /gate of this device, got another's/],
        [() => pass.gelu({ x, count: 65 }), /gelu: expected x of at least 65 numbers, got 64/],
        [() => pass.gelu({ x, count: 1.5 }), /count to be a whole number >= 0, got 1.5/],
        [
          () => pass.mark({ z: x, probed: null, marks: device.i32(3), rows: 4, kvHeads: 2 }),
          /mark: expected marks of at least 4 numbers, got 3/,
        ],
        [() => pass.attend({ ...step, layer: 2 }), /attend: expected layer below 2, got 2/],
        [() => pass.attend({ ...step, out: x }), /out and q to be two buffers/],
        [
          () => pass.attend({ ...step, pages: true, rank: "group" }),
          /scores of every key or a choice of pages, got both/,
        ],
        [() => pass.attend({ ...step, rank: "lane" as "layer" }), /rank to be none or layer or group, got lane/],
        [
          () => pass.admit({ k: x, v: x, z: null, lanes, layer: 0, runs: { ...runs, count: 2 } }),
          /admit: expected runs of at least 8 numbers, got 4/,
        ],
        [
          () => pass.bound({ lanes, layer: 0, runs: { ...runs, first: -1 } }),
          /first to be a whole number >= 0, got -1/,
        ],
        [() => pass.noteGates({ z: x, shift: 2, lanes, layer: 0, runs }), /shift 0 or 1, got 2/],
        [() => pass.keep({ ...cut, slack: 0 }), /keep: expected slack to be a whole number >= 1, got 0/],
        [() => pass.keep({ ...cut, recent: -1 }), /recent keys, a whole number or a share below 1, got -1/],
        [() => pass.keep({ ...cut, recent: 1.5 }), /recent keys, a whole number or a share below 1, got 1.5/],
        [() => pass.keep({ ...cut, floor: 1.1 }), /floor from 0 to 1, got 1.1/],
        [() => pass.keep({ ...cut, share: "set", layer: 1, layers: 2 }), /layers up to 2, got 1 to 3/],
        [() => pass.keep({ ...cut, share: "layer", layers: 2 }), /one layer where no set shares its budgets, got 2/],
        [() => pass.scoreAttention({ ...act, ...attention, queries: 0 }), /queries .* >= 1, got 0/],
        [() => pass.scoreAttention({ ...act, ...attention, kernel: 4 }), /an odd kernel, got 4/],
        [
          () => pass.scoreAttention({ ...act, ...attention, group: "layer" }),
          /softmax over all keys and kernel 1 for a layer/,
        ],
        [() => pass.scoreRange({ ...act, part: 1.5, recent: 0 }), /part from 0 to 1, got 1.5/],
        [() => pass.scoreRange({ ...act, part: 0.5, recent: -1 }), /recent to be a whole number >= 0, got -1/],
        [() => pass.noteChange({ ...noted, window: 0 }), /window to be a whole number >= 1, got 0/],
        [() => pass.noteChange({ ...noted, dim: 0 }), /dim to be a whole number >= 1, got 0/],
        [() => pass.scoreRedundancy({ ...act, weight: 2, similar: 0 }), /weight from 0 to 1, got 2/],
        [() => pass.scoreExpected({ ...act, ...expected, future: 0 }), /future to be a whole number >= 1, got 0/],
        [
          () => pass.scoreExpected({ ...act, ...expected, frequencies: small }),
          /frequencies of at least 4 numbers, got 3/,
        ],
        [() => pass.scoreExpected({ ...act, ...expected, epsilon: Number.POSITIVE_INFINITY }), /a finite epsilon/],
      ];
      for (const [call, message] of cases)
        assert.throws(call, { name: "HyperthinkError", code: "bad-argument", message });
      pass.scoreAttention({ ...act, ...attention });
      pass.scoreExpected({ ...act, ...expected });
      pass.keep({ ...cut, recent: 0.5, share: "set", layers: 2 });
    });

    test("wrong lists are refused before a pass runs", async () => {
      const lanes = device.lanes(SHAPE);
      const [q, k, out] = [device.f32(4 * 32), device.f32(4 * 16), device.f32(4 * 32)];
      const at = { lanes, layer: 0 };
      const admit = (items: number[]) => (pass: Pass) =>
        pass.admit({ ...at, k, v: k, z: null, runs: list(device, "run", items) });
      const repeat = (items: number[]) => (pass: Pass) =>
        pass.maxAttention({ ...at, q, k, sinks: 0, chunks: list(device, "repeat", items) });
      const draw = (items: number[]) => (pass: Pass) =>
        pass.sample({
          ...{ ids: device.i32(1), logprob: device.f32(1), topIds: device.i32(20), topLogprobs: device.f32(20) },
          ...{ real: device.f32(8), whole: device.u32(8), seen: device.u32(2) },
          ...{ logits: q, vocabulary: 32, draws: list(device, "draw", items) },
        });
      const cases: [string, (pass: Pass) => void, RegExp][] = [
        ["a set out of range", admit([3, 0, 2, 0]), /admit: expected a set below 3, got 3/],
        ["a set twice", admit([0, 0, 1, 0, 0, 1, 1, 0]), /each set once in a list, got set 0 again/],
        ["rows past the buffers", admit([0, 3, 2, 0]), /a row of k below 4, got 4/],
        ["a row below 0", admit([0, -1, 2, 0]), /row to be a whole number >= 0, got -1/],
        ["a position below 0", admit([0, 0, 1, -4]), /position to be a whole number >= 0, got -4/],
        [
          "a step of two rows",
          (pass) => {
            const steps = list(device, "run", [0, 0, 2, 0]);
            pass.attend({ ...at, out, q, archiveQuery: null, steps, pages: false, rank: "none" });
          },
          /attend: expected one row per step, got 2/,
        ],
        ["slots that are not the prompt's", repeat([0, 0, 2, 4, 1, 2, 5, 4]), /last slot below 5, got 5/],
        ["slots from behind", repeat([0, 0, 2, 4, 1, 4, 3, 4]), /first slot below 4, got 4/],
        ["more tokens than positions", repeat([0, 0, 2, 4, 1, 2, 4, 5]), /tokens below 5, got 5/],
        ["a target that is none", repeat([0, 0, 2, 4, 3, 2, 4, 4]), /a target below 3, got 3/],
        [
          "a source that is none",
          (pass) => pass.fork({ lanes, pairs: list(device, "pair", [3, 0]) }),
          /fork: expected a source below 3, got 3/,
        ],
        ["a row of logits", draw([4, 0, 0, 0]), /a row of logits below 4, got 4/],
        ["a sampler", draw([0, 2, 0, 0]), /a sampler of real below 2, got 2/],
        ["log-probabilities", draw([0, 0, 0, 21]), /top below 21, got 21/],
        [
          "an id",
          (pass) =>
            pass.embed({
              out,
              table: device.matrix(2, 2, "f32"),
              ids: list(device, "run", [0, 2, 0, 0]).list,
              rows: 2,
            }),
          /embed: expected ids\[1\] below 2, got 2/,
        ],
        [
          "an index",
          (pass) => pass.gather({ out, x: k, index: list(device, "run", [0, 2, 0, 0]).list, count: 2, dim: 32 }),
          /gather: expected index\[1\] below 2, got 2/,
        ],
      ];
      for (const [name, record, message] of cases) {
        const pass = device.begin();
        record(pass);
        await assert.rejects(device.run(pass), { code: "bad-argument", message }, name);
      }
    });
  });

test("wrong tables are refused as a pass runs", async () => {
  const admit = (set: number) => (pass: Pass, device: Device, lanes: Lanes) => {
    const k = device.f32(2 * 16);
    pass.admit({ k, v: k, z: null, lanes, layer: 0, runs: list(device, "run", [set, 0, 2, 0]) });
  };
  const cases: [string, (lanes: Lanes) => void, ReturnType<typeof admit>, RegExp | null][] = [
    ["right", () => {}, admit(0), null],
    ["a spare that others hold", (lanes) => fill(lanes.holders, 2), admit(0), /one holder of spare page 0, got 2/],
    ["a spare twice", (lanes) => put(lanes.spare, [1, 1]), admit(0), /a page spare once, got page 1 again/],
    ["a page that nobody holds", (lanes) => hold(lanes, 7, 0), admit(0), /holders >= 1 of page 7, got 0/],
    ["no page at all", (lanes) => hold(lanes, -1, 0), admit(0), /table entry in 0 \.\. 7, got -1/],
    ["a page past the end", (lanes) => hold(lanes, 0, 1, 0), admit(0), /a spare outside its tables, got page 0/],
    ["a page that a cut left", (lanes) => hold(lanes, 6, 1, 0), admit(0), null],
    ["fewer pages than keys", (lanes) => put(lanes.archive, [17]), admit(0), /entries held in 2 \.\. 16, got 0/],
    ["a window that is none", (lanes) => put(lanes.window, [-2]), admit(0), /window in -1 .*, got -2/],
    ["a table of an idle set", (lanes) => hold(lanes, -1, 0), admit(1), null],
    [
      "fork without the counters",
      (lanes) => hold(lanes, 7, 1),
      (pass, device, lanes) => pass.fork({ lanes, pairs: list(device, "pair", [0, 1]) }),
      /archive of lane 4 to be 5, as in lane 0, got 0/,
    ],
    [
      "fork of a fork",
      () => {},
      (pass, device, lanes) => pass.fork({ lanes, pairs: list(device, "pair", [0, 1, 1, 2]) }),
      /sources that are no destinations, got set 1/,
    ],
  ];
  for (const [name, spoil, record, message] of cases) {
    const device = checked(reference());
    const lanes = device.lanes(SHAPE);
    fill(lanes.dead, -1);
    fill(lanes.window, -1);
    // Layer 0 of sets 0 and 1 may take pages 0 to 3, one per lane.
    put(lanes.spare, [0, 1, 2, 3]);
    for (const [i, lane] of [0, 1, 4, 5].entries()) {
      put(lanes.firstSpare, [i], lane);
      put(lanes.spares, [1], lane);
    }
    fill(lanes.holders, 1, 0, 4);
    spoil(lanes);
    const pass = device.begin();
    record(pass, device, lanes);
    if (message) await assert.rejects(device.run(pass), { code: "bad-argument", message }, name);
    else await device.run(pass);
  }

  /** Lane 0 has `archive` slots and this page. */
  function hold(lanes: Lanes, page: number, holders: number, archive = 5) {
    put(lanes.archive, [archive]);
    put(lanes.held, [1]);
    put(lanes.archiveTable, [page], entryAt(SHAPE, SHAPE.archivePages, 0, 0));
    if (page >= 0) put(lanes.holders, [holders], page);
  }
});
