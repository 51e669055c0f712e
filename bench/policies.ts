// What a decode step costs under each policy, beside the full cache: W chains forked from one prompt,
// Qwen3-0.6B's shape, random weights, bf16.
//
// `bound` is a policy's step over what its reads and its ranking cost: a full cache's step that reads as many keys, and
// as many of them from memory (chains that cut stop sharing their prompt's pages), plus the policy's own work in every
// step, timed alone. At most 1.05 is the aim. All that is compared takes turns, step by step, as the machine's speed
// changes from minute to minute; bounds are medians over the turns, with their quartiles.
//   node bench/policies.ts [--contexts 4096,16384,32768] [--widths 1,8] [--cr 8] [--steps 9] [--threads 2]
//     [--policies 'a;b']
import { parseArgs } from "node:util";
import { table as columns } from "../src/cli/format.ts";
import { cpu, cpuAvailable } from "../src/device/cpu.ts";
import type { I32 } from "../src/device/device.ts";
import { Runner } from "../src/engine/runner.ts";
import { makePolicy } from "../src/policy/index.ts";
import type { Policy } from "../src/policy/policy.ts";
import { parseSpec } from "../src/policy/spec.ts";
import { FILL, filler } from "./fill.ts";
import { median, quantile } from "./median.ts";
import { ranking, type Work } from "./ranking.ts";
import { step } from "./step.ts";
import { qwen3_06b, syntheticGates, syntheticWeights } from "./synthetic.ts";

const DMS_WINDOW = 256;
/** Queries that the shared prompt remembers: as many as any policy here looks at. */
const QUERIES = 32;
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
    width: 0,
    out: device.matrix(config.kvHeads, config.hidden, "f32"),
    outBias: null,
  };
const longest = Math.max(...contexts);
const most = Math.max(...widths);
const laneBytes = config.layers * config.kvHeads * 2 * config.headDim * 2;
const full = makePolicy("full", config);
const runner = new Runner(
  device,
  { config, weights },
  {
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
  },
);
const { table, sets: open } = runner;
const fill = filler(runner);
const ids = new Int32Array(longest + 256).map((_, i) => (i * 7919) % config.vocabulary);

/** Chains that step together, and what their steps took. */
interface Batch {
  sets: number[];
  at: number; // tokens of each chain
  times: number[];
  reads: number; // of the last step, per lane
  physical: number; // keys per lane that the last step read from memory, over all chains
}

async function next(batch: Batch): Promise<void> {
  batch.times.push(await step(runner, batch.sets, ids, batch.at));
  batch.at++;
  batch.reads = perLane(table.device.reads, batch.sets) / batch.sets.length;
  batch.physical = perLane(table.device.physical, batch.sets);
}

/** A counter of lanes, summed over sets, its mean over layers and heads. */
function perLane({ host }: I32, sets: readonly number[]): number {
  const { width } = table;
  return (
    sets.reduce((sum, set) => host.subarray(set * width, (set + 1) * width).reduce((a, b) => a + b, sum), 0) / width
  );
}

/** Chains of one source. The first step of a fork copies its tails; only then can it be forked itself. */
async function forks(source: number, at: number, width: number, policy?: Policy): Promise<Batch> {
  const batch = batchOf(
    Array.from({ length: width }, () => open.fork(source, policy)),
    at,
  );
  await next(batch);
  return batch;
}

const batchOf = (sets: number[], at: number): Batch => ({ sets, at, times: [], reads: 0, physical: 0 });

const close = (sets: readonly number[]): void => {
  for (const set of sets) open.close(set);
};

async function root(policy: Policy, length: number): Promise<number> {
  const set = open.take(policy, length, length + 64);
  await fill(set, length);
  return set;
}

/** One policy against what it should cost. `first` holds its prompt, cut. */
async function measure(spec: string, first: Batch, whole: number, context: number, width: number, cutMs: number) {
  const mine = await forks(first.sets[0], first.at, width);
  while (mine.times.length < 2) await next(mine);
  const read = Math.round(mine.reads);
  // Rivals: the full cache over as many keys, its chains forked from one prompt, and each with keys of its own, where
  // the policy's chains no longer share.
  const prompt = await root(full, read);
  const shared = await forks(prompt, read, width);
  const own = [prompt];
  const strange = mine.physical > 1.05 * shared.physical;
  while (strange && own.length < width) own.push(await root(full, read));
  const distinct = strange ? batchOf(own, read) : null;
  const entire = await forks(whole, context, width, full);
  const rivals = [shared, ...(distinct ? [distinct] : []), entire];
  for (let i = 0; i < WARM; i++) for (const batch of [mine, ...rivals]) await next(batch);
  for (const batch of [mine, ...rivals]) batch.times.length = 0;
  const works: Work[] = [];
  for (let i = 0; i < steps; i++) {
    for (const batch of [mine, ...rivals]) await next(batch);
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
    reads: mine.reads,
    physical: mine.physical,
    bytes: new Set(mine.sets.flatMap((set) => [...table.pages(set)])).size * table.device.bytesPerPage,
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
const snapkv = makePolicy("snapkv", config, { budget: 64, window: QUERIES });
/** Keeps all and watches what any policy here wants of a prompt. */
const watching: Policy = {
  ...snapkv,
  cut: { ...snapkv.cut!, watch: { ...snapkv.cut!.watch, queries: QUERIES, sums: true, moments: { skip: 4 } } },
  reads: { archivePosition: null, pages: { budget: anything, from: 0 } },
};

for (const context of contexts) {
  const whole = await root(watching, context);
  for (const spec of ["full", ...specs]) {
    const { name, options } = parseSpec(spec);
    const budget = ["dms", "kvzap", "full"].includes(name) ? {} : { budget: Math.floor(context / cr) };
    const policy = makePolicy(name, { ...config, probe: true }, { ...options, ...budget });
    const source = policy.labels ? await root(policy, context) : open.fork(whole, policy);
    const started = performance.now();
    await runner.cutPrompt(source, ids, context - 1);
    const cutMs = performance.now() - started;
    const first = batchOf([source], context);
    if (!policy.labels && !policy.cut?.atPrompt) await next(first); // a fork that nobody cut has yet to copy its tails
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
