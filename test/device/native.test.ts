// The native device beyond what every device promises: what both languages say agrees, equal bits, refusals without a
// crash.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HEADER, header } from "../../kernels/header.ts";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { cpu, cpuAvailable } from "../../src/device/cpu.ts";
import { type Device, type Hidden, PAGE_FORMATS, type Pass, type Work } from "../../src/device/device.ts";
import { type Isa, instructionSets } from "../../src/device/isa.ts";
import { fill, gaussians, put } from "./devices.ts";
import { host } from "./host.ts";

const source = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const unrun = cpuAvailable();
const skip = unrun === null ? false : `UNRUN: ${unrun}`;
type Format = keyof typeof PAGE_FORMATS;

describe("both languages", () => {
  test("kernels/ops.h is what `npm run ops` writes", () => {
    assert.equal(readFileSync(HEADER, "utf8"), header());
  });

  test("methods and their arguments agree with kernels/binding.cc", () => {
    const body = /export interface Addon \{([\s\S]*?)\n\}/.exec(source("src/device/native.ts"))?.[1] ?? "";
    const typed = [...body.matchAll(/^ {2}(\w+\(.*\): [\w<>[\]]+);/gm)].map((m) => m[1]);
    const binding = source("kernels/binding.cc");
    const native = [...binding.matchAll(/^\/\/ (\w+\(.*\): [\w<>[\]]+)(?:,.*)?\nnapi_value (\w+)\(/gm)];
    assert.ok(typed.length > 10, "the methods of Addon were not found");
    assert.deepEqual(typed.toSorted(), native.map((m) => m[1]).toSorted());
    const exported = [...binding.matchAll(/METHOD\((\w+)\),/g)].map((m) => m[1]);
    assert.deepEqual(exported.toSorted(), native.map((m) => m[2]).toSorted());
  });
});

/** Runs `body` on a device of that number of threads and instruction set (where none is given, the best). */
async function on<T>(threads: number, body: (device: Device) => Promise<T>, isa?: Isa): Promise<T> {
  const device = cpu({ threads, isa });
  try {
    return await body(device);
  } finally {
    device.close();
  }
}

async function words(device: Device, buffer: Hidden): Promise<Uint32Array> {
  const values = new Float32Array(buffer.length);
  await device.read(buffer, 0, values);
  return new Uint32Array(values.buffer);
}

/** x [rows, K] by w [N, K], rows taken from `first`. */
async function product(device: Device, format: Format, N: number, K: number, first: number, rows: number) {
  const random = seeded(5);
  const w = device.matrix(N, K, format);
  device.writeRows(w, 0, gaussians(random, N * K));
  const all = device.matrix(32, K, "f32");
  device.writeRows(all, 0, gaussians(random, 32 * K));
  const ids = device.i32(rows);
  ids.host.forEach((_, i) => {
    ids.host[i] = first + i;
  });
  const [x, out] = [device.hidden(rows * K), device.hidden(rows * N)];
  const pass = device.begin();
  pass.embed({ out: x, table: all, ids, rows });
  pass.matmul({ out, x, w, rows, bias: null, add: false });
  await device.run(pass);
  return words(device, out);
}

describe("equal bits", { skip }, () => {
  for (const format of ["bf16", "f32"] as const) {
    test(`products of one row and of many, on one thread and on two, ${format}`, async () => {
      const [N, K, rows] = [165, 131, 29]; // neither whole panels nor whole blocks of rows
      const many = await on(2, (d) => product(d, format, N, K, 0, rows));
      assert.deepEqual(await on(1, (d) => product(d, format, N, K, 0, rows)), many, "threads");
      for (const count of [1, 2, 3, 5, 8, 13]) {
        const few = await on(2, (d) => product(d, format, N, K, 7, count));
        assert.deepEqual(few, many.subarray(7 * N, (7 + count) * N), `${count} rows`);
      }
    });

    test(`attention alone and in company, pages shared or not, ${format}`, async () => {
      const company = await on(2, (d) => attention(d, format, [0, 1, 2, 3]));
      assert.deepEqual(await on(1, (d) => attention(d, format, [0, 1, 2, 3])), company, "threads");
      const each = company.length / 4;
      for (const set of [0, 1, 2, 3]) {
        const alone = await on(2, (d) => attention(d, format, [set]));
        assert.deepEqual(alone, company.subarray(set * each, (set + 1) * each), `set ${set}`);
      }
    });
  }

  const sets = unrun === null ? instructionSets() : [];
  const lacking = sets.includes("avx512") ? false : `UNRUN: this machine and build have ${sets.join(", ")} alone`;
  test("products under AVX2 and AVX-512", { skip: lacking }, async () => {
    const bits = (isa: Isa) => on(2, (d) => product(d, "bf16", 70, 131, 0, 14), isa);
    assert.deepEqual(await bits("avx512"), await bits("avx2"));
  });
});

const SHAPE = { layers: 1, kvHeads: 2, queryHeads: 6, headDim: 24, archivePages: 48, doomedPages: 16 };
const list = (device: Device, ...items: number[]) => put(device.i32(items.length), items);

/**
 * Four sets of 530 keys: 1 and 2 are forks of 0 with other queries, 3 has the same keys in pages of its own. Output by
 * step.
 */
async function attention(device: Device, format: Format, sets: number[]): Promise<Uint32Array> {
  const { kvHeads, queryHeads, headDim } = SHAPE;
  const random = seeded(9);
  const store = host(device, { ...SHAPE, format: PAGE_FORMATS[format], sets: 4, pages: 200 });
  const { lanes } = store;
  const rows = 531;
  const k = put(device.f32(rows * kvHeads * headDim), gaussians(random, rows * kvHeads * headDim));
  const q = put(device.f32(4 * queryHeads * headDim), gaussians(random, 4 * queryHeads * headDim));
  for (const set of [0, 3]) store.plan(set, 34);
  const fillUp = device.begin();
  const runs = { list: list(device, 0, 0, rows, 0, 3, 0, rows, 0), first: 0, count: 2 };
  fillUp.admit({ k, v: k, z: null, lanes, layer: 0, runs });
  await device.run(fillUp);
  store.settle();
  for (const set of [1, 2]) store.fork(0, set);
  const out = device.hidden(sets.length * queryHeads * headDim);
  const steps = {
    list: list(device, ...sets.flatMap((set, i) => [set, i, 1, rows - 1])),
    first: 0,
    count: sets.length,
  };
  const picked = device.hidden(sets.length * queryHeads * headDim);
  const pass = device.begin();
  pass.fork({ lanes, pairs: { list: list(device, 0, 1, 0, 2), first: 0, count: 2 } });
  pass.gather({ out: picked, x: q, index: list(device, ...sets), count: sets.length, dim: queryHeads * headDim });
  pass.attend({ out, q: picked, archiveQuery: null, lanes, layer: 0, steps, pages: false, rank: "none" });
  await device.run(pass);
  // Two whole spans: sets 0, 1 and 2 read them together, for the first of them; set 3 apart.
  const tails = rows - 512;
  const firsts = new Set([sets.find((set) => set !== 3), sets.find((set) => set === 3)]);
  for (const set of sets)
    for (const lane of store.lanesOf(set))
      assert.equal(lanes.physical.host[lane], tails + (firsts.has(set) ? 512 : 0), `keys read for set ${set}`);
  store.settle();
  return words(device, out);
}

describe("refusals", { skip }, () => {
  const code = (expected: string) => (error: unknown) => error instanceof HyperthinkError && error.code === expected;
  const shape = { ...SHAPE, format: PAGE_FORMATS.bf16, sets: 2, pages: 8 };
  /** Runs what `record` says of a list of one item. */
  async function attempt(device: Device, item: number[], record: (pass: Pass, work: Work) => void): Promise<void> {
    const pass = device.begin();
    record(pass, { list: list(device, ...item), first: 0, count: 1 });
    await device.run(pass);
  }

  test("memory that no machine has", async () => {
    await on(1, async (device) => {
      assert.throws(() => device.matrix(2 ** 30, 2 ** 20, "f32"), code("no-memory"));
      assert.throws(() => device.hidden(2 ** 48), code("no-memory"));
      const lanes = device.lanes({ ...shape, layers: 4096, headDim: 1024 });
      const state = { slots: 16, queries: 2 ** 30, moments: false, bounds: false, changes: 0, width: 0 };
      assert.throws(() => device.attach(lanes, 1, state), code("no-memory"));
      device.hidden(16); // and the device lives on
    });
  });

  test("short buffers, foreign buffers, a pass run twice, a closed device", async () => {
    const other = cpu({ threads: 1 });
    const theirs = other.hidden(64);
    await on(1, async (device) => {
      const [x, short] = [device.hidden(64), device.hidden(63)];
      const pass = device.begin();
      assert.throws(() => pass.swiglu({ out: x, gate: x, up: short, count: 64 }), code("bad-argument"));
      assert.throws(() => pass.swiglu({ out: x, gate: x, up: theirs, count: 64 }), code("bad-argument"));
      pass.swiglu({ out: x, gate: x, up: x, count: 64 });
      await device.run(pass);
      await assert.rejects(device.run(pass), code("bad-argument"));
    });
    other.close();
    assert.throws(() => other.hidden(1), code("bad-argument"));
    assert.throws(() => cpu({ threads: 0 }), code("bad-argument"));
  });

  test("rows of bytes are as the format stores them, wherever they lie", async () => {
    await on(2, async (device) => {
      for (const format of ["f32", "bf16"] as const) {
        const [rows, cols] = [70, 5];
        const matrix = device.matrix(rows, cols, format);
        const numbers = gaussians(seeded(3), rows * cols);
        device.writeRows(matrix, 0, numbers);
        const [rounded, back] = [new Float32Array(rows * cols), new Float32Array(40 * cols)];
        await device.readRows(matrix, 0, rounded);
        assert.equal(
          rounded.every((x, i) => x === numbers[i]),
          format === "f32",
        );
        const bits = new Uint32Array(rounded.buffer);
        const stored = format === "f32" ? bits : Uint16Array.from(bits, (x) => x >>> 16);
        const bytes = new Uint8Array(stored.byteLength + 1);
        bytes.set(new Uint8Array(stored.buffer), 1);
        const width = stored.BYTES_PER_ELEMENT * cols;
        device.writeRows(matrix, 20, bytes.subarray(1, 1 + 40 * width));
        await device.readRows(matrix, 20, back);
        assert.deepEqual(back, rounded.subarray(0, 40 * cols));
        assert.throws(() => device.writeRows(matrix, 0, bytes), code("bad-argument"));
        assert.throws(() => device.writeRows(matrix, 31, bytes.subarray(1, 1 + 40 * width)), code("bad-argument"));
      }
    });
  });

  test("wrong spares and pages in the host's tables are errors of run()", async () => {
    await on(2, async (device) => {
      const lanes = device.lanes(shape);
      fill(lanes.dead, -1);
      const [k, q, out] = [device.hidden(2 * 48), device.hidden(2 * 144), device.hidden(2 * 144)];
      const step = (position: number) =>
        attempt(device, [0, 0, 1, position], (pass, runs) => {
          pass.admit({ k, v: k, z: null, lanes, layer: 0, runs });
          pass.attend({ out, q, archiveQuery: null, lanes, layer: 0, steps: runs, pages: false, rank: "none" });
        });
      await step(0);
      await assert.rejects(step(1), /lane \d: expected a spare page at 0, got none/);
      fill(lanes.spares, 1);
      fill(lanes.firstSpare, 4000);
      await assert.rejects(step(2), /lane \d: expected a spare page at 0, got none/);
      fill(lanes.archive, 20);
      fill(lanes.archiveTable, 4000);
      fill(lanes.holders, 1);
      await assert.rejects(step(3), /lane \d: expected a page id below 8 in its table, got 4000/);
    });
  });

  test("wrong positions, and pages that a cut meets, are errors of run()", async () => {
    await on(2, async (device) => {
      const lanes = device.lanes(shape);
      fill(lanes.dead, -1);
      const [k, q] = [device.hidden(2 * 48), device.hidden(2 * 144)];
      device.attach(lanes, 0, { slots: 700, queries: 5, moments: false, bounds: true, changes: 0, width: 0 });
      const sum = (item: number[]) =>
        attempt(device, item, (pass, chunks) => pass.sumAttention({ q, k, lanes, layer: 0, chunks }));
      await assert.rejects(sum([0, 0, 2, 900]), /sumAttention: expected a position below 770, got 900/);
      await assert.rejects(sum([0, 0, 2, 30]), /lane \d: expected every key up to position 29 in its own slot, got 0/);
      const cut = () =>
        attempt(device, [0, 0, 1, 40], (pass, runs) => {
          const rule = { slack: 1, share: "lane", recent: 0.5, floor: 0, replace: false } as const;
          pass.keep({ lanes, layer: 0, layers: 1, runs, ...rule });
        });
      fill(lanes.archive, 30);
      fill(lanes.archiveTable, 99);
      await assert.rejects(cut(), /lane \d: expected a page id below 8 in its table, got 99/);
    });
  });

  test("close() waits for the pass that runs", async () => {
    const device = cpu({ threads: 2 });
    const w = device.matrix(2048, 2048, "f32");
    const [x, out] = [device.hidden(64 * 2048), device.hidden(64 * 2048)];
    const pass = device.begin();
    for (let i = 0; i < 40; i++) pass.matmul({ out, x, w, rows: 64, bias: null, add: false });
    const running = device.run(pass);
    await new Promise((resolve) => setTimeout(resolve, 5));
    device.close();
    await running;
    await assert.rejects(device.run(pass), code("bad-argument"));
  });
});
