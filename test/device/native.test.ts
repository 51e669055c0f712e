// The native device beyond what every device promises: its two lists of operations agree, equal bits, refusals without a crash.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { cpu, cpuAvailable } from "../../src/device/cpu.ts";
import type { Device, Dtype, Lanes, Pass, Work } from "../../src/device/device.ts";
import { type Isa, instructionSets } from "../../src/device/isa.ts";
import { OPS } from "../../src/device/native.ts";
import { gaussians } from "./devices.ts";

const source = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const unrun = cpuAvailable();
const skip = unrun === null ? false : `UNRUN: ${unrun}`;

describe("the addon's lists", () => {
  test("operations and their words agree with kernels/ops.h", () => {
    const listed = [...source("kernels/ops.h").matchAll(/^\s*OP\((\w+), (\d+)\)/gm)].map((m) => [m[1], Number(m[2])]);
    assert.ok(listed.length > 10, "the list in ops.h was not found");
    assert.deepEqual(Object.entries(OPS), listed);
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

async function words(device: Device, buffer: Parameters<Device["read"]>[0]): Promise<Uint32Array> {
  const values = new Float32Array(buffer.length);
  await device.read(buffer, 0, values);
  return new Uint32Array(values.buffer);
}

/** x [rows, K] by w [N, K], rows taken from `first`. */
async function product(device: Device, dtype: Dtype, N: number, K: number, first: number, rows: number) {
  const random = seeded(5);
  const w = device.matrix(N, K, dtype);
  device.writeRows(w, 0, gaussians(random, N * K));
  const all = device.matrix(32, K, "f32");
  device.writeRows(all, 0, gaussians(random, 32 * K));
  const ids = device.i32(rows);
  ids.host.forEach((_, i) => {
    ids.host[i] = first + i;
  });
  const [x, out] = [device.hidden(rows * K), device.hidden(rows * N)];
  const pass = device.begin();
  pass.embed(x, all, ids, rows);
  pass.matmul(out, x, w, rows, null, false);
  await device.run(pass);
  return words(device, out);
}

describe("equal bits", { skip }, () => {
  for (const dtype of ["bf16", "f32"] as const) {
    test(`products of one row and of many, on one thread and on two, ${dtype}`, async () => {
      const [N, K, rows] = [165, 131, 29]; // neither whole panels nor whole blocks of rows
      const many = await on(2, (d) => product(d, dtype, N, K, 0, rows));
      assert.deepEqual(await on(1, (d) => product(d, dtype, N, K, 0, rows)), many, "threads");
      for (const count of [1, 2, 3, 5, 8, 13]) {
        const few = await on(2, (d) => product(d, dtype, N, K, 7, count));
        assert.deepEqual(few, many.subarray(7 * N, (7 + count) * N), `${count} rows`);
      }
    });

    test(`attention alone and in company, pages shared or not, ${dtype}`, async () => {
      const company = await on(2, (d) => attention(d, dtype, [0, 1, 2, 3]));
      assert.deepEqual(await on(1, (d) => attention(d, dtype, [0, 1, 2, 3])), company, "threads");
      const each = company.length / 4;
      for (const set of [0, 1, 2, 3]) {
        const alone = await on(2, (d) => attention(d, dtype, [set]));
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

const SHAPE = { layers: 1, kvHeads: 2, queryHeads: 6, headDim: 24, archivePages: 40, doomedPages: 4, sparePages: 40 };

/** Four sets of 530 keys: 1 and 2 are forks of 0 with other queries, 3 has the same keys in pages of its own. Output by step. */
async function attention(device: Device, dtype: Dtype, sets: number[]): Promise<Uint32Array> {
  const { kvHeads, queryHeads, headDim } = SHAPE;
  const random = seeded(9);
  const lanes = device.lanes({ ...SHAPE, dtype, sets: 4, pages: 200 });
  lanes.holders.host.fill(1);
  const rows = 531;
  const table = device.matrix(rows, kvHeads * headDim, "f32");
  device.writeRows(table, 0, gaussians(random, rows * kvHeads * headDim));
  const queries = device.matrix(4, queryHeads * headDim, "f32");
  device.writeRows(queries, 0, gaussians(random, 4 * queryHeads * headDim));
  const ids = device.i32(rows);
  ids.host.forEach((_, i) => {
    ids.host[i] = i;
  });
  const [k, q, out] = [rows * kvHeads * headDim, 4 * queryHeads * headDim, sets.length * queryHeads * headDim].map(
    (n) => device.hidden(n),
  );
  const chunks = device.i32(8);
  chunks.host.set([0, 0, rows, 0, 3, 0, rows, 0]);
  for (const [n, lane] of [0, 1, 6, 7].entries())
    lanes.spare.host.set(
      Array.from({ length: 40 }, (_, i) => n * 40 + 39 - i),
      lane * 40,
    );
  const fill = device.begin();
  fill.embed(k, table, ids, rows);
  fill.embed(q, queries, ids, 4);
  fill.admitChunk(k, k, lanes, 0, { list: chunks, first: 0, count: 2 }, null);
  await device.run(fill);
  const pairs = device.i32(4);
  pairs.host.set([0, 1, 0, 2]);
  forkTables(lanes, 0, [1, 2]);
  const steps = device.i32(sets.length * 3);
  const rowsOf = device.i32(sets.length);
  for (const [i, set] of sets.entries()) {
    steps.host.set([set, i, rows - 1], 3 * i);
    rowsOf.host[i] = set;
  }
  const picked = device.hidden(sets.length * queryHeads * headDim);
  const pass = device.begin();
  pass.fork(lanes, { list: pairs, first: 0, count: 2 }, null, null, null);
  pass.pick(picked, q, rowsOf, sets.length, queryHeads * headDim);
  pass.attend(out, picked, lanes, 0, { list: steps, first: 0, count: sets.length }, null, null);
  await device.run(pass);
  // Two whole spans: sets 0, 1 and 2 read them together, set 3 apart.
  const owners = new Set(sets.map((set) => (set === 3 ? 3 : 0))).size;
  const tails = sets.length * (rows - 512);
  assert.deepEqual([...lanes.physical.host], [512 * owners + tails, 512 * owners + tails], "keys read");
  return words(device, out);
}

function forkTables(lanes: Lanes, source: number, destinations: number[]): void {
  const { kvHeads, archivePages } = SHAPE;
  for (const to of destinations) {
    for (let h = 0; h < kvHeads; h++) {
      const [a, b] = [source * kvHeads + h, to * kvHeads + h];
      lanes.archive.host[b] = lanes.archive.host[a];
      lanes.archiveTable.host.copyWithin(b * archivePages, a * archivePages, (a + 1) * archivePages);
      // The partly filled page is copied into one of its own.
      lanes.archiveTable.host[b * archivePages + Math.floor(lanes.archive.host[a] / 16)] = 160 + b;
    }
  }
}

describe("refusals", { skip }, () => {
  const code = (expected: string) => (error: unknown) => error instanceof HyperthinkError && error.code === expected;

  test("memory that no machine has", async () => {
    await on(1, async (device) => {
      assert.throws(() => device.matrix(2 ** 30, 2 ** 20, "f32"), code("no-memory"));
      assert.throws(() => device.hidden(2 ** 48), code("no-memory"));
      device.hidden(16); // and the device lives on
    });
  });

  test("short buffers, foreign buffers, a pass run twice, a closed device", async () => {
    const other = cpu({ threads: 1 });
    const theirs = other.hidden(64);
    await on(1, async (device) => {
      const [x, short] = [device.hidden(64), device.hidden(63)];
      const pass = device.begin();
      assert.throws(() => pass.swiglu(x, x, short, 64), code("bad-argument"));
      assert.throws(() => pass.swiglu(x, x, theirs, 64), code("bad-argument"));
      pass.swiglu(x, x, x, 64);
      await device.run(pass);
      await assert.rejects(device.run(pass), code("bad-argument"));
    });
    other.close();
    assert.throws(() => other.hidden(1), code("bad-argument"));
    assert.throws(() => cpu({ threads: 0 }), code("bad-argument"));
  });

  test("wrong rows, sets and pages in the host's tables are errors of run()", async () => {
    await on(2, async (device) => {
      const lanes = device.lanes({ ...SHAPE, sets: 1, dtype: "bf16", pages: 8 });
      const [k, q] = [device.hidden(2 * 48), device.hidden(2 * 144)];
      const steps = device.i32(3);
      const work = { list: steps, first: 0, count: 1 };
      const attempt = async (item: number[]) => {
        steps.host.set(item);
        const pass = device.begin();
        pass.admit(k, k, lanes, 0, work, null);
        pass.attend(q, q, lanes, 0, work, null, null);
        await device.run(pass);
      };
      await assert.rejects(attempt([0, 2, 0]), /admit: item 0: expected a row below 2, got 2/);
      await assert.rejects(attempt([1, 0, 0]), /admit: item 0: expected a set below 1, got 1/);
      await attempt([0, 0, 0]);
      await assert.rejects(attempt([0, 0, 1]), /lane \d: expected a spare page at 0, got none/);
      lanes.archive.host.fill(20);
      lanes.archiveTable.host.fill(4000);
      lanes.holders.host.fill(1);
      await assert.rejects(attempt([0, 0, 2]), /lane \d: expected a page id below 8 in its table, got 4000/);
    });
  });

  test("wrong items of the lists that policies give are errors of run()", async () => {
    await on(2, async (device) => {
      const lanes = device.lanes({ ...SHAPE, sets: 2, dtype: "bf16", pages: 8 });
      const [k, q] = [device.hidden(2 * 48), device.hidden(2 * 144)];
      const board = { scores: device.hidden(4 * 700), stride: 700 };
      const ring = { q: device.hidden(2 * 5 * 144), queries: 5 };
      const rule = { slack: 1, recent: 0, pool: "lane", floor: 0, replace: false } as const;
      const attempt = async (item: number[], record: (pass: Pass, work: Work) => void) => {
        const list = device.i32(item.length);
        list.host.set(item);
        const pass = device.begin();
        record(pass, { list, first: 0, count: 1 });
        await device.run(pass);
      };
      const remember = (item: number[]) => attempt(item, (p, w) => p.remember(ring, q, lanes, 0, w, true));
      await assert.rejects(remember([0, 0, 3, 0]), /remember: item 0: expected a row below 2, got 2/);
      await assert.rejects(remember([0, 0, -1, 0]), /remember: item 0: expected rows below \d+, got -1/);
      await assert.rejects(remember([0, 0, 2, -4]), /remember: item 0: expected a position below \d+, got -4/);
      const sum = (item: number[]) => attempt(item, (p, w) => p.sum(board, q, k, lanes, 0, w));
      await assert.rejects(sum([0, 0, 2, 900]), /sum: item 0: expected a position below 642, got 900/);
      await assert.rejects(
        sum([0, 0, 2, 30]),
        /lane \d: expected every key up to position 29 in its own slot, got 0 keys/,
      );
      const replay = (item: number[]) => attempt(item, (p, w) => p.replay(board, q, k, lanes, 0, w, 4));
      await assert.rejects(replay([0, 0, 2, 0, 5, 0, 0, 0]), /replay: item 0: expected a set below 2, got 5/);
      await assert.rejects(replay([0, 0, 2, 0, 1, 0, 9, 0]), /replay: item 0: expected a slot below 3, got 9/);
      await assert.rejects(
        attempt([0, 0, -1], (p, w) => p.score(board, null, lanes, 0, w, rule, { kind: "norm" })),
        /score: item 0: expected a position below \d+, got -1/,
      );
      lanes.archive.host.fill(30);
      lanes.archiveTable.host.fill(99);
      const cut = (stride: number) =>
        attempt([0, 0, 40], (p, w) => p.keep({ ...board, stride }, lanes, 0, 1, w, { ...rule, recent: 0.5 }));
      await assert.rejects(cut(30), /lane \d: expected an archive below the board's stride 30, got 30 slots/);
      await assert.rejects(cut(700), /lane \d: expected a page id below 8 in its table, got 99/);
      assert.throws(
        () =>
          device
            .begin()
            .keep({ ...board, stride: 701 }, lanes, 0, 1, { list: device.i32(3), first: 0, count: 1 }, rule),
        code("bad-argument"),
      );
    });
  });

  test("close() waits for the pass that runs", async () => {
    const device = cpu({ threads: 2 });
    const w = device.matrix(2048, 2048, "f32");
    const [x, out] = [device.hidden(64 * 2048), device.hidden(64 * 2048)];
    const pass = device.begin();
    for (let i = 0; i < 40; i++) pass.matmul(out, x, w, 64, null, false);
    const running = device.run(pass);
    await new Promise((resolve) => setTimeout(resolve, 5));
    device.close();
    await running;
    await assert.rejects(device.run(pass), code("bad-argument"));
  });
});
