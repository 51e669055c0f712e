// Products and decode attention as shares of what the machine can do; weights and pages are larger than the caches.
// `node bench/kernels.ts [threads] [matmul,attend,quest,redundancy]`; the last line is one JSON object.
import { availableParallelism } from "node:os";
import { seeded } from "../src/base/rng.ts";
import { cpu } from "../src/device/cpu.ts";
import { type Device, type Dtype, type Hidden, PAGE_SLOTS, type Pass } from "../src/device/device.ts";
import { measure } from "./bandwidth.ts";

const threads = Number(process.argv[2] ?? availableParallelism());
const machine = measure(threads);
const random = seeded(1);
const results: Record<string, number | string>[] = [];

/** Best seconds of a pass over `rounds` runs. */
async function best(device: Device, rounds: number, record: (pass: Pass) => void): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const pass = device.begin();
    record(pass);
    const start = performance.now();
    await device.run(pass);
    least = Math.min(least, (performance.now() - start) / 1000);
  }
  return least;
}

/** A buffer of [rows, cols] numbers in -1 .. 1. Only the device writes hidden memory: through `embed` of a small table. */
async function filled(device: Device, rows: number, cols: number): Promise<Hidden> {
  const table = device.matrix(64, cols, "f32");
  device.writeRows(
    table,
    0,
    Float32Array.from({ length: 64 * cols }, () => 2 * random.next() - 1),
  );
  const ids = device.i32(rows);
  ids.host.forEach((_, i) => {
    ids.host[i] = random.below(64);
  });
  const out = device.hidden(rows * cols);
  const pass = device.begin();
  pass.embed(out, table, ids, rows);
  await device.run(pass);
  return out;
}

const share = (x: number, of: number) => `${((100 * x) / of).toFixed(0)}%`;

async function products(dtype: Dtype): Promise<void> {
  for (const [N, K] of [
    [1024, 1024],
    [3072, 1024],
    [1024, 3072],
  ]) {
    const device = cpu({ threads });
    const bytes = N * K * (dtype === "bf16" ? 2 : 4);
    const values = Float32Array.from({ length: N * K }, () => random.next() - 0.5);
    const matrices = Array.from({ length: Math.ceil(2 ** 28 / bytes) }, () => {
      const matrix = device.matrix(N, K, dtype);
      device.writeRows(matrix, 0, values);
      return matrix;
    });
    const x = await filled(device, 256, K);
    const out = device.hidden(256 * N);
    for (const M of [1, 4, 8, 16, 64, 256]) {
      const used = matrices.slice(0, M <= 16 ? matrices.length : Math.ceil(matrices.length / 8));
      const seconds = await best(device, 5, (pass) => {
        for (const w of used) pass.matmul(out, x, w, M, null, false);
      });
      const GBs = (used.length * bytes) / seconds / 1e9;
      const gflops = (2 * used.length * M * N * K) / seconds / 1e9;
      results.push({ op: "matmul", dtype, N, K, M, GBs, gflops });
      console.log(
        `matmul ${dtype} ${N}x${K} M=${M}`.padEnd(34),
        `${GBs.toFixed(1)} GB/s (${share(GBs, machine.readGBs.all)})`.padEnd(20),
        `${gflops.toFixed(0)} GFLOP/s (${share(gflops, machine.fmaGflops.all)})`,
      );
    }
    device.close();
  }
}

interface Reader {
  W: number;
  shared: boolean; // do the steps' chains share one prompt's pages?
  context: number;
  budget: number | null; // keys that Quest reads, null: all
}

/** Decode attention of W steps, one layer after the other where one alone would fit a cache; seconds a layer. */
async function attention({ W, shared, context, budget }: Reader): Promise<number> {
  const [queryHeads, kvHeads, headDim] = [16, 8, 128];
  const device = cpu({ threads });
  const archivePages = context / PAGE_SLOTS;
  const owners = shared ? 1 : W;
  const layers = Math.ceil((budget ? 4 : 1) * Math.max(1, (16 * 4096) / (owners * context)));
  const pages = owners * layers * kvHeads * archivePages;
  const lanes = device.lanes({
    ...{ sets: W, layers, kvHeads, queryHeads, headDim, dtype: "bf16" },
    ...{ pages, archivePages, doomedPages: 1, sparePages: archivePages },
  });
  // Pages in random order, as after hours of serving.
  const order = Array.from({ length: pages }, (_, i) => i);
  for (let i = pages - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  lanes.spare.host.set(order);
  lanes.holders.host.fill(1);
  lanes.budget.host.fill(budget ?? 0);
  const bounds = device.hidden(pages * 2 * headDim);
  const rows = context + 1;
  const [k, v] = [await filled(device, rows, kvHeads * headDim), await filled(device, rows, kvHeads * headDim)];
  const chunks = device.i32(4 * owners);
  for (let set = 0; set < owners; set++) chunks.host.set([set, 0, rows, 0], 4 * set);
  const admit = device.begin();
  for (let layer = 0; layer < layers; layer++) {
    admit.admitChunk(k, v, lanes, layer, { list: chunks, first: 0, count: owners }, null);
    if (budget) admit.bound(bounds, lanes, layer, { list: chunks, first: 0, count: owners }, true);
  }
  await device.run(admit);
  const each = layers * kvHeads;
  for (let set = owners; set < W; set++) {
    lanes.archive.host.fill(context, set * each, (set + 1) * each);
    lanes.archiveTable.host.copyWithin(set * each * archivePages, 0, each * archivePages);
  }
  const pairs = device.i32(2 * W);
  for (let set = owners; set < W; set++) pairs.host.set([0, set], 2 * set);
  const fork = device.begin();
  fork.fork(lanes, { list: pairs, first: owners, count: W - owners }, null, null, null);
  await device.run(fork);

  const q = await filled(device, W, queryHeads * headDim);
  const out = device.hidden(W * queryHeads * headDim);
  const steps = device.i32(3 * W);
  for (let i = 0; i < W; i++) steps.host.set([i, i, context], 3 * i);
  const runs = 7;
  const reading = budget ? { archiveQuery: null, select: bounds } : null;
  const seconds = await best(device, runs, (pass) => {
    for (let layer = 0; layer < layers; layer++)
      pass.attend(out, q, lanes, layer, { list: steps, first: 0, count: W }, null, reading);
  });
  // A page's bounds count as two reads, but in bf16 they have the bytes of one key.
  const bounded = budget ? W * layers * kvHeads * (archivePages + 1) : 0;
  const keys = lanes.physical.host.reduce((a, b) => a + b, 0) / runs - bounded;
  const GBs = (keys * headDim * 4) / seconds / 1e9;
  const gflops = (4 * W * layers * queryHeads * ((budget ?? context) + 1) * headDim) / seconds / 1e9;
  const kind = shared ? "shared" : "distinct";
  results.push({ op: budget ? "quest" : "attend", W, kind, context, GBs, gflops });
  console.log(
    `${budget ? "quest" : "attend"} W=${W} ${kind} ${context / 1024}k${budget ? `, reads ${budget}` : ""}`.padEnd(34),
    `${GBs.toFixed(1)} GB/s (${share(GBs, machine.readGBs.all)})`.padEnd(20),
    `${gflops.toFixed(0)} GFLOP/s (${share(gflops, machine.fmaGflops.all)})`.padEnd(22),
    `${((1e6 * seconds) / layers).toFixed(0)} us a layer`,
  );
  device.close();
  return seconds / layers;
}

/** R-KV's redundancy of one layer's lanes: the cosine of each pair counts once each way. */
async function redundancy(kvHeads: number, context: number): Promise<void> {
  const headDim = 128;
  const device = cpu({ threads });
  const archivePages = context / PAGE_SLOTS;
  const lanes = device.lanes({
    ...{ sets: 1, layers: 1, kvHeads, queryHeads: kvHeads, headDim, dtype: "bf16" },
    ...{ pages: kvHeads * archivePages, archivePages, doomedPages: 1, sparePages: archivePages },
  });
  lanes.spare.host.forEach((_, i) => {
    lanes.spare.host[i] = i;
  });
  lanes.holders.host.fill(1);
  const k = await filled(device, context, kvHeads * headDim);
  const chunks = device.i32(4);
  chunks.host.set([0, 0, context, 0]);
  const steps = device.i32(3);
  steps.host.set([0, 0, context - 1]);
  const admit = device.begin();
  admit.admitChunk(k, k, lanes, 0, { list: chunks, first: 0, count: 1 }, null);
  await device.run(admit);
  const board = { scores: device.hidden(kvHeads * context), stride: context };
  const rule = { slack: 1, recent: 0, pool: "lane", floor: 0, replace: false } as const;
  const scorer = { kind: "redundancy", weight: 0.1, similar: 0.5 } as const;
  const seconds = await best(device, 5, (pass) =>
    pass.score(board, null, lanes, 0, { list: steps, first: 0, count: 1 }, rule, scorer),
  );
  const gflops = (2 * kvHeads * context ** 2 * headDim) / seconds / 1e9;
  results.push({ op: "redundancy", kvHeads, context, gflops });
  console.log(
    `redundancy of ${kvHeads} x ${context} keys`.padEnd(55),
    `${gflops.toFixed(0)} GFLOP/s (${share(gflops, machine.fmaGflops.all)})`.padEnd(22),
    `${(1e3 * seconds).toFixed(1)} ms a layer`,
  );
  device.close();
}

console.log(
  `${machine.isa}, ${threads} threads: reading ${machine.readGBs.all.toFixed(1)} GB/s, FMA ${machine.fmaGflops.all.toFixed(0)} GFLOP/s`,
);
const only = process.argv[3] ?? "";
const wanted = (name: string) => only === "" || only.split(",").includes(name);
if (wanted("matmul")) {
  await products("bf16");
  await products("f32");
}
if (wanted("attend")) {
  await attention({ W: 1, shared: false, context: 4096, budget: null });
  await attention({ W: 16, shared: false, context: 4096, budget: null });
  await attention({ W: 16, shared: true, context: 4096, budget: null });
}
if (wanted("quest"))
  for (const context of [4096, 32768])
    for (const W of [1, 8]) {
      // Beside a full cache of as many keys as Quest reads.
      await attention({ W, shared: false, context: context / 8, budget: null });
      await attention({ W, shared: true, context, budget: context / 8 });
    }
if (wanted("redundancy")) {
  for (const context of [256, 1024, 4096]) await redundancy(8, context);
  await redundancy(1, 4096);
}
console.log(JSON.stringify({ machine, results }));
