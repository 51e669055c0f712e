// What a decode step costs under each policy, beside the full cache: W chains forked from one prompt, Qwen3-0.6B's shape, random
// weights, bf16.
//
// `bound` is a policy's step over what its reads and its ranking cost: a full cache's step that reads as many keys, and as many of
// them from memory (chains that cut stop sharing their prompt's pages), plus the policy's own work in every step, timed alone. At
// most 1.05 is the aim. All that is compared takes turns, step by step, as the machine's speed changes from minute to minute;
// bounds are medians over the turns, with their quartiles.
//   node bench/policies.ts [--contexts 4096,16384,32768] [--widths 1,8] [--cr 8] [--steps 9] [--threads 2] [--policies 'a;b']
import { parseArgs } from "node:util";
import type { Gauge } from "../src/cache/meter.ts";
import { table as columns } from "../src/cli/format.ts";
import { cpu, cpuAvailable } from "../src/device/cpu.ts";
import { PAGE_SLOTS } from "../src/device/device.ts";
import { Runner, type Segment } from "../src/engine/runner.ts";
import { qwen3_06b, syntheticGates, syntheticWeights } from "../src/model/synthetic.ts";
import { makePolicy } from "../src/policy/index.ts";
import type { Policy } from "../src/policy/policy.ts";
import { parseSpec } from "../src/policy/spec.ts";
import { FILL, fill } from "./fill.ts";
import { median, quantile } from "./median.ts";
import { ranking, type Work } from "./ranking.ts";

const DMS_WINDOW = 256;
/** Queries that the shared prompt's ring holds: as many as any policy here looks at. */
const RING = 32;
/** Steps that touch fresh memory, before those that count. */
const WARM = 3;
const SPECS = [
  `dms:window=${DMS_WINDOW}`,
  "dms-budget",
  "kvzap:threshold=0,window=256",
  "streaming",
  "h2o",
  "tova",
  "snapkv:every=64",
  "pyramidkv:every=64",
  "adakv:every=64",
  "rkv",
  "quest",
  "expected",
  "observed",
  "knorm:every=64",
  "keydiff:every=64",
  "random:every=64",
];

const { values: args } = parseArgs({
  options: {
    contexts: { type: "string", default: "4096,16384,32768" },
    widths: { type: "string", default: "1,8" },
    cr: { type: "string", default: "8" },
    steps: { type: "string", default: "9" },
    threads: { type: "string", default: "2" },
    policies: { type: "string", default: SPECS.join(";") },
  },
});
const reason = cpuAvailable();
if (reason) {
  console.log(`UNRUN: ${reason}`);
  process.exit(0);
}
const [cr, steps, threads] = [args.cr, args.steps, args.threads].map(Number);
const [contexts, widths] = [args.contexts, args.widths].map((list) => list.split(",").map(Number));
const specs = args.policies.split(";");

const device = cpu({ threads });
const config = { ...qwen3_06b(), dms: syntheticGates(cr, DMS_WINDOW) };
const weights = syntheticWeights(device, config, { weights: "bf16", seed: 1 });
for (const layer of weights.layers) // a linear KVzap probe, of no content: it costs what a real one does
  layer.probe = {
    inner: null,
    innerBias: null,
    out: device.matrix(config.kvHeads, config.hidden, "f32"),
    outBias: null,
  };
const longest = Math.max(...contexts);
const most = Math.max(...widths);
const laneBytes = config.layers * config.kvHeads * 2 * config.headDim * 2;
const full = makePolicy("full", config);
const runner = new Runner(device, { config, weights }, full, {
  kv: "bf16",
  // Two prompts, and what W chains of a policy and of its rival hold of their own; address space until it is used.
  kvBytes: laneBytes * (2.2 * longest + most * (0.33 * longest + 1024)),
  chains: most,
  sets: 4 * most + 4,
  contextLength: longest + 256,
  chunk: FILL,
  rows: FILL + most,
  logitRows: most,
  samplers: most,
});
const { table } = runner;
const ids = new Int32Array(longest + 256).map((_, i) => (i * 7919) % config.vocabulary);

/** Chains that step together, and what their steps took. */
interface Batch {
  policy: Policy;
  sets: number[];
  prompt: number;
  at: number; // tokens of each chain
  times: number[];
  physical: number; // keys a lane that the last step read from memory
}

async function step(batch: Batch): Promise<void> {
  const { policy, sets } = batch;
  runner.adopt(policy);
  const segments = sets.map(
    (set): Segment => ({
      set,
      kind: "steps",
      ids,
      from: batch.at,
      count: 1,
      prompt: batch.prompt,
      logits: "last",
    }),
  );
  for (const segment of segments) runner.reserve(segment);
  const gauge: Gauge = { peakPages: 0, physicalReads: 0 };
  runner.gauges.add(gauge);
  const started = performance.now();
  await runner.step(segments, []);
  batch.times.push((performance.now() - started) / 1000);
  runner.gauges.delete(gauge);
  batch.physical = gauge.physicalReads;
  batch.at++;
}

/** Chains of one source. The first step of a fork copies its tails; only then can it be forked itself. */
async function forks(policy: Policy, source: number, length: number, width: number): Promise<Batch> {
  runner.adopt(policy);
  const batch: Batch = { policy, sets: [], prompt: length, at: length, times: [], physical: 0 };
  for (let i = 0; i < width; i++) batch.sets.push(table.fork(source));
  await step(batch);
  return batch;
}

const close = (sets: readonly number[]): void => {
  for (const set of sets) table.close(set);
};

async function root(policy: Policy, length: number): Promise<number> {
  runner.adopt(policy);
  const set = runner.open(length, length + 64);
  await fill(runner, set, length, set);
  return set;
}

/** Pages that these sets refer to, shared ones once. */
function distinctPages(sets: readonly number[]): number {
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

const reads = ({ sets }: Batch): number => {
  const lanes = sets.flatMap((set) => Array.from({ length: table.width }, (_, i) => set * table.width + i));
  return lanes.reduce((sum, lane) => sum + table.device.reads.host[lane], 0) / lanes.length;
};

/** One policy against what it should cost. `first` holds its prompt, cut. */
async function measure(spec: string, first: Batch, whole: number, context: number, width: number, cutMs: number) {
  const { policy } = first;
  const mine = await forks(policy, first.sets[0], first.at, width);
  while (mine.times.length < 2) await step(mine);
  const read = Math.round(reads(mine));
  // Rivals: the full cache over as many keys, its chains forked from one prompt, and each with keys of its own, where the policy's
  // chains no longer share.
  const prompt = await root(full, read);
  const shared = await forks(full, prompt, read, width);
  const own = [prompt];
  const strange = mine.physical > 1.05 * shared.physical;
  while (strange && own.length < width) own.push(await root(full, read));
  const distinct: Batch | null = strange
    ? { policy: full, sets: own, prompt: read, at: read, times: [], physical: 0 }
    : null;
  const entire = await forks(full, whole, context, width);
  const rivals = [shared, ...(distinct ? [distinct] : []), entire];
  for (let i = 0; i < WARM; i++) for (const batch of [mine, ...rivals]) await step(batch);
  for (const batch of [mine, ...rivals]) batch.times.length = 0;
  const works: Work[] = [];
  for (let i = 0; i < steps; i++) {
    for (const batch of [mine, ...rivals]) await step(batch);
    runner.adopt(policy);
    if (i % 3 === 0) works.push(await ranking(runner, mine.sets, mine.at - 1));
  }
  // Batches of keys are cut every 64 steps or more: none of these steps, whose median counts, paid for one.
  const each = median(works.map((work) => work.each));
  // What was read from memory lies between what sharing chains read and what strangers read.
  const apart = distinct ? (mine.physical - shared.physical) / (distinct.physical - shared.physical) : 0;
  const share = Math.min(1, Math.max(0, apart));
  const expected = mine.times.map((_, i) => {
    const strangers = distinct?.times[i] ?? shared.times[i];
    return shared.times[i] + share * (strangers - shared.times[i]) + each;
  });
  const bounds = mine.times.map((t, i) => t / expected[i]);
  const result = {
    context,
    width,
    policy: spec,
    cr: mine.at / table.meanLive(mine.sets[0]),
    live: table.meanLive(mine.sets[0]),
    reads: reads(mine),
    physical: mine.physical,
    bytes: distinctPages(mine.sets) * table.device.bytesPerPage,
    seconds: median(mine.times),
    relative: median(mine.times.map((t, i) => entire.times[i] / t)),
    each,
    amortised: median(works.map((work) => work.amortised)),
    cutMs,
    bound: median(bounds),
    quartiles: [quantile(bounds, 0.25), quantile(bounds, 0.75)],
  };
  close([...mine.sets, ...shared.sets, ...own, ...entire.sets]);
  return result;
}

const rows: Awaited<ReturnType<typeof measure>>[] = [];
const anything = () => 2 ** 30;
const snapkv = makePolicy("snapkv", config, { budget: 64, window: RING });
/** Keeps all and watches what any policy here wants of a prompt. */
const watching: Policy = {
  ...snapkv,
  cut: { ...snapkv.cut!, watch: { ...snapkv.cut!.watch, queries: RING, sums: true, moments: { skip: 4 } } },
  reads: { archivePosition: null, pages: { budget: anything, from: 0 } },
};
runner.sides.queries = RING;

for (const context of contexts) {
  const whole = await root(watching, context);
  for (const spec of ["full", ...specs]) {
    const { name, options } = parseSpec(spec);
    const budget = ["dms", "kvzap", "full"].includes(name) ? {} : { budget: Math.floor(context / cr) };
    const policy = makePolicy(name, { ...config, probe: true }, { ...options, ...budget });
    const source = policy.labels ? await root(policy, context) : table.fork(whole);
    runner.adopt(policy);
    runner.allot(source, context, context + 64);
    const started = performance.now();
    await runner.cutPrompt({ set: source, ids, prompt: context }, context - 1);
    const cutMs = performance.now() - started;
    const first: Batch = { policy, sets: [source], prompt: context, at: context, times: [], physical: 0 };
    if (!policy.labels && !policy.cut?.atPrompt) await step(first); // a fork that nobody cut has not copied its tails yet
    for (const width of widths) rows.push(await measure(spec, first, whole, context, width, cutMs));
    close([source]);
    process.stderr.write(".");
  }
  close([whole]);
}
process.stderr.write("\n");
console.log(`${device.description}; Qwen3-0.6B's shape, CR ${cr} asked, medians of ${steps} steps`);
console.log(
  columns([
    [
      "context",
      "W",
      "policy",
      "CR",
      "keys",
      "reads",
      "from memory",
      "pages MiB",
      "ms/step",
      "x full",
      "each ms",
      "batch ms",
      "cut ms",
      "bound",
      "quartiles",
    ],
    ...rows.map((r) => [
      String(r.context),
      String(r.width),
      r.policy,
      r.cr.toFixed(2),
      r.live.toFixed(0),
      r.reads.toFixed(0),
      r.physical.toFixed(0),
      (r.bytes / 2 ** 20).toFixed(0),
      (1000 * r.seconds).toFixed(1),
      r.relative.toFixed(2),
      (1000 * r.each).toFixed(2),
      (1000 * r.amortised).toFixed(2),
      r.cutMs.toFixed(0),
      r.bound.toFixed(2),
      r.quartiles.map((q) => q.toFixed(2)).join(" to "),
    ]),
  ]),
);
console.log(JSON.stringify(rows));
device.close();
