// How much of the machine a decode step uses: W distinct chains over a long context, Qwen3-0.6B's shape,
// random weights, bf16 weights and cache. Unique bytes (each weight once, each live key and value once)
// over time, against measured bandwidth.
//   node bench/speed.ts [--width 16] [--context 4096] [--steps 12] [--threads 2]
import { parseArgs } from "node:util";
import { cpu, cpuAvailable } from "../src/device/cpu.ts";
import { Runner } from "../src/engine/runner.ts";
import { makePolicy } from "../src/policy/index.ts";
import { measure } from "./bandwidth.ts";
import { FILL, filler } from "./fill.ts";
import { median } from "./median.ts";
import { step } from "./step.ts";
import { qwen3_06b, syntheticWeights } from "./synthetic.ts";

const { values: args } = parseArgs({
  options: {
    width: { type: "string", default: "16" },
    context: { type: "string", default: "4096" },
    steps: { type: "string", default: "12" },
    threads: { type: "string", default: "2" },
  },
});
const reason = cpuAvailable();
if (reason) {
  console.log(`UNRUN: ${reason}`);
  process.exit(0);
}
const [width, context, steps, threads] = [args.width, args.context, args.steps, args.threads].map(Number);

const machine = measure(threads);
const device = cpu({ threads });
const config = qwen3_06b();
const weights = syntheticWeights(device, config, { weights: "bf16", seed: 1 });
const keyBytes = 2 * config.headDim * 2;
const cacheBytes = width * config.layers * config.kvHeads * (context + 64) * (keyBytes + 4);
const runner = new Runner(
  device,
  { config, weights },
  {
    kv: "bf16",
    kvBytes: cacheBytes * 1.05,
    chains: width,
    sets: width,
    contextLength: context + 64,
    chunk: FILL,
    rows: FILL + width,
    logitRows: width,
    samplers: width,
  },
);

const full = makePolicy("full", config);
const sets = Array.from({ length: width }, () => runner.sets.take(full, context, context + 64));
const fill = filler(runner);
for (const set of sets) await fill(set, context);
const ids = new Int32Array(context + steps + 1).map((_, i) => (i * 7919) % config.vocabulary);
const times: number[] = [];
for (let s = 0; s < steps + 2; s++) {
  const seconds = await step(runner, sets, ids, context + s);
  if (s >= 2) times.push(seconds); // the first two touch fresh memory
}
const weightBytes =
  weights.head.bytes +
  weights.layers.reduce(
    (sum, l) => sum + [l.q, l.k, l.v, l.o, l.gate, l.up, l.down].reduce((bytes, m) => bytes + m.bytes, 0),
    0,
  );
const kvBytes = width * config.layers * config.kvHeads * (context + steps / 2) * keyBytes;
const seconds = median(times);
const gbs = (weightBytes + kvBytes) / seconds / 1e9;
const share = gbs / machine.readGBs.all;
console.log(
  `${device.description}; W = ${width} distinct chains, ${context} tokens of context, Qwen3-0.6B's shape, bf16`,
);
console.log(`weights ${(weightBytes / 1e9).toFixed(2)} GB + keys and values ${(kvBytes / 1e9).toFixed(2)} GB a step`);
console.log(
  `step ${(1000 * seconds).toFixed(0)} ms (median of ${steps}, ${(1000 * Math.min(...times)).toFixed(0)} to ${(1000 * Math.max(...times)).toFixed(0)}), ${(width / seconds).toFixed(1)} tokens/s`,
);
console.log(
  `${gbs.toFixed(1)} GB/s of ${machine.readGBs.all.toFixed(1)} GB/s measured = ${(100 * share).toFixed(0)}% (floor: 40%)`,
);
console.log(
  JSON.stringify({
    device: device.description,
    width,
    context,
    seconds,
    tokensPerSecond: width / seconds,
    gbs,
    readGBs: machine.readGBs.all,
    share,
  }),
);
device.close();
