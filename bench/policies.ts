// What a decode step costs under each policy, beside the full cache: W chains forked from one prompt, Qwen3-0.6B's shape, random
// weights, bf16. Keys are filled in, not read by the model, as a real prefill of 32k tokens takes many minutes here.
// `bound` is the step over the sum of a full cache's step at as many keys and the policy's own ranking and cutting, timed alone:
// at most 1.05 is the aim.
//   node bench/policies.ts [--contexts 4096,16384,32768] [--widths 1,8] [--cr 8] [--steps 8] [--threads 2]
import { parseArgs } from "node:util";
import { seeded } from "../src/base/rng.ts";
import { table as columns } from "../src/cli/format.ts";
import { cpu, cpuAvailable } from "../src/device/cpu.ts";
import { CHUNK, PAGE_SLOTS, STEP } from "../src/device/device.ts";
import { Runner, type Segment } from "../src/engine/runner.ts";
import { qwen3_06b, syntheticGates, syntheticWeights } from "../src/model/synthetic.ts";
import { makePolicy } from "../src/policy/index.ts";
import type { Policy } from "../src/policy/policy.ts";
import { parseSpec } from "../src/policy/spec.ts";

const { values: args } = parseArgs({
  options: {
    contexts: { type: "string", default: "4096,16384,32768" },
    widths: { type: "string", default: "1,8" },
    cr: { type: "string", default: "8" },
    steps: { type: "string", default: "8" },
    threads: { type: "string", default: "2" },
  },
});
const reason = cpuAvailable();
if (reason) {
  console.log(`UNRUN: ${reason}`);
  process.exit(0);
}
const [cr, steps, threads] = [args.cr, args.steps, args.threads].map(Number);
const [contexts, widths] = [args.contexts, args.widths].map((list) => list.split(",").map(Number));
const FILL = 512;
const DMS_WINDOW = 256;
/** Queries that the shared prompt's ring holds: as many as any policy here looks at. */
const RING = 32;
const SPECS = [
  `dms:window=${DMS_WINDOW}`,
  "streaming",
  "h2o",
  "tova",
  "snapkv:every=64",
  "adakv:every=64",
  "rkv",
  "quest",
  "expected",
  "observed",
  "knorm:every=64",
  "keydiff:every=64",
  "random:every=64",
];

const device = cpu({ threads });
const config = { ...qwen3_06b(), dms: syntheticGates(cr, DMS_WINDOW) };
const weights = syntheticWeights(device, config, { weights: "bf16", seed: 1 });
const longest = Math.max(...contexts);
const most = Math.max(...widths);
const laneBytes = config.layers * config.kvHeads * 2 * config.headDim * 2;
const runner = new Runner(device, { config, weights }, makePolicy("full", config), {
  kv: "bf16",
  // The prompt, a cut copy of it, and what W chains add.
  kvBytes: laneBytes * (2.2 * longest + most * (longest / cr + 512)),
  chains: most,
  sets: most + 3,
  contextLength: longest + 256,
  chunk: FILL,
  rows: FILL + most,
  logitRows: most,
  samplers: most,
});
const { table } = runner;
const random = seeded(3);
const gateRows = device.f32(FILL * config.kvHeads);
const chunk = { list: device.i32(CHUNK), first: 0, count: 1 };
const tokens = device.i32(FILL);

/** Fills a set with random keys and values under the policy at hand, and what it watches, as far as a cut of it needs that. */
async function fill(set: number, length: number, policy: Policy): Promise<void> {
  const { k, v, q, x } = runner.workspace;
  const side = runner.sides.of(policy);
  const watch = policy.cut?.watch;
  const spare = policy.labels?.source === "all" ? Number(policy.labels.spare) : 0;
  for (let at = 0; at < length; at += FILL) {
    const rows = Math.min(FILL, length - at);
    for (let i = 0; i < rows; i++) tokens.host[i] = random.below(config.vocabulary);
    for (let i = 0; i < gateRows.length; i++)
      gateRows.host[i] =
        policy.labels?.source === "all"
          ? at + Math.floor(i / config.kvHeads) < spare
            ? -1
            : 1
          : random.gaussian() - config.dms.offset;
    chunk.list.host.set([set, 0, rows, at]);
    table.reserve(set, rows, "chunk");
    const labels = policy.labels && {
      z: gateRows,
      threshold: policy.labels.threshold,
      window: policy.labels.window,
      shift: 0 as const,
    };
    const pass = device.begin();
    pass.embed(x, weights.embed, tokens, rows);
    for (let layer = 0; layer < config.layers; layer++) {
      pass.matmul(k, x, weights.layers[layer].k, rows, null, false);
      pass.matmul(v, x, weights.layers[layer].v, rows, null, false);
      pass.admitChunk(k, v, table.device, layer, chunk, labels);
      if (at + rows === length || at === 0) {
        pass.matmul(q, x, weights.layers[layer].q, rows, null, false);
        if (side.ring) pass.remember(side.ring, q, table.device, layer, chunk, true);
        if (side.moments && at === 0) pass.gather(side.moments, q, table.device, layer, chunk);
      }
      if (side.bounds) pass.bound(side.bounds, table.device, layer, chunk, true);
    }
    await device.run(pass);
    table.commit(set);
  }
  if (!side.board || !watch?.sums) return;
  // Sums of attention over the prompt cost as much as reading it: random ones here.
  const item = { list: device.i32(STEP), first: 0, count: 1 };
  item.list.host.set([set, 0, length - 1]);
  const pass = device.begin();
  for (let layer = 0; layer < config.layers; layer++)
    pass.score(side.board, side.ring, table.device, layer, item, policy.cut!.rule, { kind: "random", seed: 1 });
  await device.run(pass);
}

const median = (times: number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1];

interface Measured {
  seconds: number;
  live: number;
  reads: number;
  bytes: number;
  cut: number;
  ranking: number; // seconds a step
}

/** A prompt in the cache. Policies that cut a dense prompt share one that was filled with everything watched. */
async function rootOf(policy: Policy, context: number): Promise<number> {
  runner.adopt(policy);
  const root = runner.open(context, context + 64);
  await fill(root, context, policy);
  return root;
}

async function measure(policy: Policy, root: number, context: number, width: number): Promise<Measured> {
  runner.adopt(policy);
  const first = table.fork(root);
  runner.allot(first, context, context + 64);
  const ids = Array.from({ length: context + 2 * steps + 8 }, (_, i) => (i * 7919) % config.vocabulary);
  let started = performance.now();
  await runner.cutPrompt({ set: first, ids, prompt: context }, context - 1);
  const cut = (performance.now() - started) / 1000;
  const times: number[] = [];
  let reads = 0;
  const sets = [first];
  const step = async (s: number) => {
    const segments = sets.map(
      (set): Segment => ({
        set,
        kind: "steps",
        ids,
        from: context + s,
        count: 1,
        prompt: context,
        logits: "last",
      }),
    );
    for (const segment of segments) runner.reserve(segment);
    started = performance.now();
    await runner.step(segments, []);
    times.push((performance.now() - started) / 1000);
  };
  await step(0); // also copies the tails of the fork, so that it can be forked itself
  while (sets.length < width) sets.push(table.fork(first));
  for (let s = 1; s < steps + 3; s++) await step(s);
  times.splice(0, 3); // the first touch fresh memory
  for (const set of sets)
    for (let i = 0; i < table.width; i++) reads += table.device.reads.host[set * table.width + i] / table.width;
  const measured = {
    seconds: median(times),
    live: table.meanLive(first),
    reads: reads / width,
    bytes: distinctPages(sets) * table.device.bytesPerPage,
    cut,
    ranking: await ranking(policy, sets, context + steps + 2),
  };
  for (const set of sets) table.close(set);
  return measured;
}

/** Pages that these sets refer to, shared ones once. */
function distinctPages(sets: number[]): number {
  const pages = new Set<number>();
  const { archivePages, doomedPages } = table.device.shape;
  for (const set of sets)
    for (let lane = set * table.width; lane < (set + 1) * table.width; lane++) {
      const slots = table.device.archive.host[lane];
      for (let i = 0; i * PAGE_SLOTS < slots; i++) pages.add(table.device.archiveTable.host[lane * archivePages + i]);
      const [head, tail] = [table.device.head.host[lane], table.device.tail.host[lane]];
      for (let i = Math.floor(head / PAGE_SLOTS); i * PAGE_SLOTS < tail; i++)
        pages.add(table.device.doomedTable.host[lane * doomedPages + (i % doomedPages)]);
    }
  return pages.size;
}

/** Seconds a step that a policy takes to watch, rank and cut, alone. A cut every n steps counts an n-th. */
async function ranking(policy: Policy, sets: number[], position: number): Promise<number> {
  const side = runner.sides.of(policy);
  const { cut } = policy;
  if (!cut?.decode && !side.bounds && !policy.labels) return 0;
  const items = { list: device.i32(sets.length * STEP), first: 0, count: sets.length };
  sets.forEach((set, i) => {
    items.list.host.set([set, i, position], i * STEP);
  });
  const lanes = table.device;
  const w = runner.workspace;
  const record = (part: "each" | "cut") => {
    const pass = device.begin();
    for (let layer = 0; layer < config.layers; layer++) {
      if (part === "each") {
        if (policy.labels?.source === "dms") {
          pass.norm(w.normed, w.x, weights.layers[layer].alpha!.norm, sets.length, config.hidden, config.normEps);
          pass.matmul(w.z[layer], w.normed, weights.layers[layer].alpha!.proj, sets.length, null, false);
        }
        if (side.ring) pass.remember(side.ring, w.q, lanes, layer, items, false);
        if (side.bounds) pass.bound(side.bounds, lanes, layer, items, false);
        if (side.scores && side.board)
          pass.weigh(side.board, side.scores, lanes, layer, items, cut?.watch.row === "group");
      } else if (side.board && cut?.decode) {
        for (const scorer of cut.decode.score)
          if (scorer.kind !== "expected")
            pass.score(side.board, side.ring, lanes, layer, items, { ...cut.rule, slack: 1 }, scorer);
      }
    }
    return pass;
  };
  const time = async (part: "each" | "cut") => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const pass = record(part);
      const started = performance.now();
      await device.run(pass);
      times.push((performance.now() - started) / 1000);
    }
    return median(times);
  };
  // Lanes stand at their budget: one key more makes a cut due.
  const each = await time("each");
  if (!cut?.decode || cut.decode.score.length === 0) return each;
  const budget = lanes.budget.host.slice();
  for (const set of sets)
    for (let i = 0; i < table.width; i++)
      lanes.budget.host[set * table.width + i] = Math.max(1, table.live(set * table.width + i) - 1);
  const whole = await time("cut");
  lanes.budget.host.set(budget);
  return each + whole / Math.max(cut.decode.every, cut.rule.slack);
}

const rows: object[] = [];
const shown = [
  ["context", "W", "policy", "CR", "keys", "reads", "pages MiB", "ms/step", "x full", "rank ms", "cut ms", "bound"],
];
const watching: Policy = {
  ...makePolicy("snapkv", config, { budget: 64, window: 32 }),
  reads: { archivePosition: null, pages: { budget: () => 2 ** 30, from: 0 } },
};
runner.sides.queries = RING;

/** Step of the full cache at another length, to know what reading as many keys costs. */
async function fullSeconds(length: number, width: number): Promise<number> {
  const policy = makePolicy("full", config);
  const root = await rootOf(policy, length);
  const { seconds } = await measure(policy, root, length, width);
  table.close(root);
  return seconds;
}

for (const context of contexts) {
  const watched: Policy = {
    ...watching,
    cut: { ...watching.cut!, watch: { ...watching.cut!.watch, queries: RING, sums: true, moments: { skip: 4 } } },
  };
  const shared = await rootOf(watched, context);
  for (const spec of ["full", ...SPECS]) {
    const { name, options } = parseSpec(spec);
    if (name === "rkv" && context > 4096) {
      for (const width of widths) shown.push([String(context), String(width), name, ...new Array(9).fill("UNRUN")]);
      continue; // cosines of all pairs of a prompt's keys: 64 times the work of 4k at 32k
    }
    const budget = name === "dms" || name === "full" ? {} : { budget: Math.floor(context / cr) };
    const policy = makePolicy(name, config, { ...options, ...budget });
    const root = policy.labels ? await rootOf(policy, context) : shared;
    for (const width of widths) {
      const m = await measure(policy, root, context, width);
      // Rivals are timed one after the other: the machine's speed changes from minute to minute.
      const full =
        name === "full" ? m.seconds : (await measure(makePolicy("full", config), shared, context, width)).seconds;
      const length = Math.min(context, Math.max(FILL, Math.round(m.reads / FILL) * FILL));
      const near = name === "full" ? full : await fullSeconds(length, width);
      runner.adopt(policy);
      // A little off the length that was timed: the difference in keys, at the full cache's price of a key.
      const price = Math.max(0, full - near) / Math.max(1, context - length);
      const bound = m.seconds / (near + (m.reads - length) * price + m.ranking);
      rows.push({
        context,
        width,
        policy: spec,
        cr: (context + steps) / m.live,
        ...m,
        relative: full / m.seconds,
        bound,
      });
      shown.push([
        String(context),
        String(width),
        spec,
        ((context + steps) / m.live).toFixed(2),
        m.live.toFixed(0),
        m.reads.toFixed(0),
        (m.bytes / 2 ** 20).toFixed(0),
        (1000 * m.seconds).toFixed(1),
        (full / m.seconds).toFixed(2),
        (1000 * m.ranking).toFixed(2),
        (1000 * m.cut).toFixed(0),
        bound.toFixed(2),
      ]);
    }
    if (root !== shared) table.close(root);
    process.stderr.write(".");
  }
  table.close(shared);
}
process.stderr.write("\n");
console.log(`${device.description}; Qwen3-0.6B's shape, CR ${cr} asked, medians of ${steps} steps`);
console.log(columns(shown));
console.log(JSON.stringify(rows));
device.close();
