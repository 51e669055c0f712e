// Products and decode attention as shares of what the machine can do; weights and pages are larger than the caches.
// `node bench/kernels.ts [threads] [matmul,attend,quest,redundancy]`; the last line is one JSON object.
import { availableParallelism } from "node:os";
import { seeded } from "../src/base/rng.ts";
import { LaneTable } from "../src/cache/lanes.ts";
import type { Pool } from "../src/cache/pool.ts";
import { cpu } from "../src/device/cpu.ts";
import {
  type Device,
  type Hidden,
  PAGE_FORMATS,
  PAGE_SLOTS,
  type Pass,
  type SetState,
  SPAN_PAGES,
  SPAN_SLOTS,
  type WeightFormat,
  type Work,
} from "../src/device/device.ts";
import { widthOf } from "../src/device/fields.ts";
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

/** A buffer of [rows, cols] numbers in -1 .. 1. */
async function filled(device: Device, rows: number, cols: number): Promise<Hidden> {
  const out = device.hidden(rows * cols);
  const block = Float32Array.from({ length: Math.min(rows, 512) * cols }, () => 2 * random.next() - 1);
  for (let at = 0; at < out.length; at += block.length) await device.write(out, at, block.subarray(0, out.length - at));
  return out;
}

const share = (x: number, of: number) => `${((100 * x) / of).toFixed(0)}%`;

async function products(dtype: WeightFormat): Promise<void> {
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
        for (const w of used) pass.matmul({ out, x, w, rows: M, bias: null, add: false });
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

/** Lanes of `sets` sets; the first `owners` of them hold `keys` keys per lane, the newest pending. */
interface Holding {
  sets: number;
  owners: number;
  layers: number;
  kvHeads: number;
  queryHeads: number;
  keys: number;
  state: Partial<SetState>;
}

const HEAD_DIM = 128;
const NOTHING: SetState = { slots: 0, queries: 0, moments: false, bounds: false, changes: 0, width: 0 };

/** Sets with random keys, on pages in random order, as after hours of serving. */
async function hold(device: Device, { owners, keys, state, ...shape }: Holding): Promise<LaneTable> {
  const { sets, layers, kvHeads } = shape;
  const table = new LaneTable(
    device.lanes({
      ...{ ...shape, headDim: HEAD_DIM, format: PAGE_FORMATS.bf16 },
      pages: owners * layers * kvHeads * (Math.ceil(keys / PAGE_SLOTS) + 2),
      archivePages: Math.ceil((keys - 1) / SPAN_SLOTS) * SPAN_PAGES,
      doomedPages: SPAN_PAGES,
    }),
  );
  shuffle(table.pool);
  const lanes = table.device;
  for (let set = 0; set < owners; set++) {
    table.open();
    table.reserve(set, keys, "chunk");
  }
  for (let set = 0; set < sets; set++) device.attach(lanes, set, { ...NOTHING, ...state });
  table.flush();
  const [k, v] = [await filled(device, keys, kvHeads * HEAD_DIM), await filled(device, keys, kvHeads * HEAD_DIM)];
  const runs = runsOf(device, owners, () => [0, keys, 0]);
  const admit = device.begin();
  for (let layer = 0; layer < layers; layer++) {
    admit.admit({ k, v, z: null, lanes, layer, runs });
    if (state.bounds) admit.bound({ lanes, layer, runs });
  }
  await device.run(admit);
  for (let set = 0; set < owners; set++) table.commit(set);
  return table;
}

function shuffle(pool: Pool): void {
  const account = { pages: 0, peakPages: 0 };
  const pages = Array.from({ length: pool.total }, () => pool.take(account));
  for (let i = pages.length - 1; i >= 0; i--) {
    const j = random.below(i + 1);
    pool.release(pages[j], account);
    pages[j] = pages[i];
  }
}

/** One run per set: [row, rows, position]. */
function runsOf(device: Device, sets: number, of: (set: number) => [number, number, number]): Work {
  const width = widthOf("run");
  const list = device.i32(sets * width);
  for (let set = 0; set < sets; set++) list.host.set([set, ...of(set)], set * width);
  return { list, first: 0, count: sets };
}

/** Decode attention of W steps, one layer after the other where one alone would fit a cache; seconds a layer. */
async function attention({ W, shared, context, budget }: Reader): Promise<number> {
  const [queryHeads, kvHeads] = [16, 8];
  const device = cpu({ threads });
  const owners = shared ? 1 : W;
  const layers = Math.ceil((budget ? 4 : 1) * Math.max(1, (16 * 4096) / (owners * context)));
  const pages = budget !== null;
  const keys = context + 1;
  const table = await hold(device, { sets: W, owners, layers, kvHeads, queryHeads, keys, state: { bounds: pages } });
  const lanes = table.device;
  const fork = device.begin();
  for (let set = owners; set < W; set++) table.fork(0);
  lanes.budget.host.fill(budget ?? 0);
  table.flush();
  const pairs = device.i32(2 * W);
  pairs.host.set(table.forks);
  fork.fork({ lanes, pairs: { list: pairs, first: 0, count: W - owners } });
  await device.run(fork);

  const q = await filled(device, W, queryHeads * HEAD_DIM);
  const out = device.hidden(W * queryHeads * HEAD_DIM);
  const steps = runsOf(device, W, (set) => [set, 1, context]);
  const runs = 7;
  const seconds = await best(device, runs, (pass) => {
    for (let layer = 0; layer < layers; layer++)
      pass.attend({ out, q, archiveQuery: null, lanes, layer, steps, pages, rank: "none" });
  });
  // A page's bounds count as two reads, but in bf16 they have the bytes of one key.
  const bounded = budget ? W * layers * kvHeads * (context / PAGE_SLOTS + 1) : 0;
  const read = lanes.physical.host.reduce((a, b) => a + b, 0) / runs - bounded;
  const GBs = (read * HEAD_DIM * 4) / seconds / 1e9;
  const gflops = (4 * W * layers * queryHeads * ((budget ?? context) + 1) * HEAD_DIM) / seconds / 1e9;
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
  const device = cpu({ threads });
  const state = { slots: context + 1 };
  const table = await hold(device, {
    ...{ sets: 1, owners: 1, layers: 1, kvHeads, queryHeads: kvHeads, keys: context },
    state,
  });
  const lanes = table.device;
  const runs = runsOf(device, 1, () => [0, 1, context - 1]);
  const seconds = await best(device, 5, (pass) =>
    pass.scoreRedundancy({ lanes, layer: 0, runs, slack: 1, share: "lane", weight: 0.1, similar: 0.5 }),
  );
  const gflops = (2 * kvHeads * context ** 2 * HEAD_DIM) / seconds / 1e9;
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
