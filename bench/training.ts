// Tokens per second of training steps beside PyTorch's on the same machine, model and batch.
//   HYPERTHINK_VENV=VENV node bench/training.ts [--model FOLDER] [--kinds pretrain,retrofit] [--rounds 12] [--warm 3]
//     [--windows n] [--length n] [--threads n] [--modes f32,bf16,...]
// Without --model: models/abacus's sizes with random weights. VENV: a Python environment as bench/oracle/training.py
// says; without it ours runs alone. In each round steps take turns: ours with its default settings, PyTorch in float32,
// PyTorch under bf16 autocast, and for retrofits both with attention spelled out (f32-eager, bf16-eager). The best of
// PyTorch's counts. Before anything is timed, both programs take three steps in float32 from the same weights, batches
// and noise: their losses must agree. Ratios are of medians over the rounds, with the 95% interval of a bootstrap over
// rounds. PyTorch's threads wait for each other busily: where others use the machine too, several threads cost it most.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seeded } from "../src/base/rng.ts";
import { roundsWell } from "../src/cli/training-options.ts";
import { cpu, cpuAvailable } from "../src/device/cpu.ts";
import type { Device } from "../src/device/device.ts";
import { instructionSet } from "../src/device/isa.ts";
import { native } from "../src/device/native.ts";
import { parseConfig } from "../src/model/config.ts";
import { loadConfig } from "../src/model/load.ts";
import { openSource } from "../src/model/source.ts";
import { newBatch, packBatch, type TrainBatch } from "../src/train/batch.ts";
import { estimate } from "../src/train/estimate.ts";
import { saveAdapter, saveModel } from "../src/train/export.ts";
import { fillNoise } from "../src/train/gates.ts";
import { initialParameters } from "../src/train/initial.ts";
import { loadParameters } from "../src/train/load.ts";
import { startLowRank } from "../src/train/lowRankStart.ts";
import { OPTIMIZER, Optimizer } from "../src/train/optimizer.ts";
import { isGate, type Parameters } from "../src/train/parameters.ts";
import { Student } from "../src/train/student.ts";
import { Trainer } from "../src/train/trainer.ts";
import { interval, median } from "./median.ts";

const { values: args } = parseArgs({
  options: {
    model: { type: "string" },
    kinds: { type: "string", default: "pretrain,retrofit" },
    rounds: { type: "string", default: "12" },
    warm: { type: "string", default: "3" },
    windows: { type: "string" },
    length: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    modes: { type: "string" },
  },
});
const [rounds, warm, threads] = [args.rounds, args.warm, args.threads].map(Number);
const venv = process.env.HYPERTHINK_VENV;
const reason = cpuAvailable();
if (reason) {
  console.log(`UNRUN: ${reason}`);
  process.exit(0);
}

/** Of ours, by the trainers' rule. */
const bf16 = roundsWell({});

type Kind = "pretrain" | "retrofit";
/** Of a retrofit: the public recipe's, at one CR. Gates begin at random, so that masks have work. */
const DMS = { window: 32, tau: 0.1, shift: 1, scale: 100, offset: 5, target: 0.5, weight: 1 } as const;
const LORA = { rank: 16, scale: 2 };
const SEED = 1;
/** How PyTorch is tried. */
const MODES = { pretrain: "f32,bf16", retrofit: "f32,bf16,f32-eager,bf16-eager" };
/** Relative; of losses in float32. */
const TOLERANCE = 1e-3;
const optimizer = { ...OPTIMIZER, gateRate: 1e-4 };
const folder = mkdtempSync(join(tmpdir(), "hyperthink-training-"));

/** A model folder in float32. */
async function baseModel(): Promise<string> {
  const out = join(folder, "model");
  const device = cpu({ threads });
  try {
    const from = args.model ?? fileURLToPath(new URL("../models/abacus", import.meta.url));
    const json = JSON.parse(readFileSync(join(from, "config.json"), "utf8"));
    const source = await openSource(from);
    const parameters = args.model
      ? await loadParameters(device, cpu({ threads }), await loadConfig(source), source)
      : await initialParameters(device, parseConfig(json), { seed: SEED, deviation: 0.02, lookBack: [] });
    await saveModel(device, parameters.all, out, json, { from: null, dtype: "F32" });
  } finally {
    device.close();
  }
  return out;
}

/** Ours: what steps need. */
async function openOurs(device: Device, kind: Kind, model: string, { windows, length }: Shape, bf16: boolean) {
  const source = await openSource(model);
  const found = await loadConfig(source);
  const json = await source.json("config.json");
  const keys = { dms_alpha_scale: DMS.scale, dms_initial_alpha_offset: DMS.offset, dms_window_size: DMS.window };
  const gated = kind === "retrofit" ? parseConfig({ ...json, ...keys, dms_separate_alpha: true }) : undefined;
  const parameters = await loadParameters(device, cpu({ threads }), found, source, { gated });
  if (gated) await startGated(parameters);
  else for (const p of parameters.all) parameters.learn(p);
  const student = new Student(device, parameters, {
    ...{ rows: windows * length, keeps: "all", bf16, window: DMS.window, tau: DMS.tau, rank: LORA.rank },
    teacher: gated ? { config: found, weights: parameters.untouched() } : null,
  });
  const loss = gated ? ({ kind: "distill", direction: "reverse" } as const) : ({ kind: "next" } as const);
  const trainer = new Trainer(student, new Optimizer(device, parameters.trained, optimizer), loss, SEED);
  return { parameters, trainer };
}

/** Random gates that evict about a third of the keys, and low-rank changes that are not 0. */
async function startGated(parameters: Parameters): Promise<void> {
  await parameters.addLowRank(LORA.rank, LORA.scale);
  await startLowRank(parameters, SEED);
  for (const [i, p] of parameters.all.entries()) {
    const random = seeded(SEED, 0xbe9c4, i);
    const draw = (size: number, count: number) => Float32Array.from({ length: count }, () => size * random.gaussian());
    if (isGate(p)) {
      parameters.learn(p);
      if (p.cols > 1) await parameters.write(p, draw(0.1 / Math.sqrt(p.cols), p.rows * p.cols));
    } else if (p.low) await parameters.write(p.low.b, draw(0.002, p.low.b.rows * LORA.rank));
  }
}

interface Shape {
  windows: number;
  length: number;
}

/** Windows of random tokens, each one document. */
function batchOf({ windows, length }: Shape, vocabulary: number, step: number): TrainBatch {
  const batch = newBatch(windows, length);
  const at = (index: number) => {
    const random = seeded(SEED, step, index);
    return { ids: Int32Array.from({ length }, () => random.below(vocabulary)), learn: null };
  };
  packBatch(batch, { at, count: windows }, 0);
  return batch;
}

const rowsOf = ({ ids, windows, rows }: TrainBatch) =>
  Array.from({ length: windows }, (_, w) => [...ids.subarray((w * rows) / windows, ((w + 1) * rows) / windows)]);

interface Answer {
  loss: number;
  sparsity: number;
  seconds: number;
  torch: string;
  transformers: string;
}

/** The Python program: a line of JSON for a line of JSON. */
function python(bin: string) {
  const program = fileURLToPath(new URL("oracle/training.py", import.meta.url));
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), PYTHONWARNINGS: "ignore" };
  const child = spawn(join(bin, "bin/python"), [program], { stdio: ["pipe", "pipe", "inherit"], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(order: object): Promise<Answer> {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${program} ended; see its words above`);
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}
type Python = ReturnType<typeof python>;

/** Noise of a step as ours draws it, in a file for theirs. */
function noiseFile(step: number, rows: number, layers: number, kvHeads: number): string {
  const all = new Float32Array(layers * rows * kvHeads);
  for (let l = 0; l < layers; l++) fillNoise(all.subarray(l * rows * kvHeads, (l + 1) * rows * kvHeads), SEED, step, l);
  const file = join(folder, "noise.f32");
  writeFileSync(file, all);
  return file;
}

const stepOurs = (trainer: Trainer, batch: TrainBatch, step: number, kind: Kind) =>
  trainer.step([batch], step, 1, kind === "retrofit" ? { share: DMS.target, weight: DMS.weight } : null);

/** What a kind is opened with in Python. */
const orderOf = (name: string, kind: Kind, model: string, mode = name) => ({
  ...{ open: name, kind, model, bf16: mode.startsWith("bf16"), eager: mode.endsWith("-eager") },
  ...{ threads, optimizer, retrofit: DMS, adapter: join(folder, "adapter") },
});

/** Three steps of both in float32. Largest relative difference of losses; throws where it is too large. */
async function agree(theirs: Python, kind: Kind, model: string, shape: Shape): Promise<number> {
  const exact = MODES[kind].split(",").filter((mode) => mode.startsWith("f32"));
  const device = cpu({ threads });
  let most = 0;
  try {
    const { trainer, parameters } = await openOurs(device, kind, model, shape, false);
    const { vocabulary, layers, kvHeads } = parameters.config;
    if (kind === "retrofit")
      await saveAdapter(device, parameters, join(folder, "adapter"), {}, { base: model, dtype: "F32" });
    for (const mode of exact) {
      const { torch, transformers } = await theirs.ask(orderOf(`check ${mode}`, kind, model, mode));
      if (mode === "f32") console.log(`PyTorch ${torch}, transformers ${transformers}`);
    }
    for (let step = 1; step <= 3; step++) {
      const batch = batchOf(shape, vocabulary, step);
      const noise = kind === "retrofit" ? noiseFile(step, batch.rows, layers, kvHeads) : null;
      const got = await stepOurs(trainer, batch, step, kind);
      const said = (loss: number, sparsity: number) =>
        kind === "retrofit" ? `${loss.toFixed(6)} + ${sparsity.toFixed(5)}` : loss.toFixed(6);
      console.log(`  step ${step}: loss ${said(got.loss, got.sparsity)}`);
      for (const mode of exact) {
        const wanted = await theirs.ask({ step: `check ${mode}`, ids: rowsOf(batch), noise });
        const off = Math.abs(got.loss - wanted.loss) / wanted.loss;
        console.log(`    PyTorch ${mode} ${said(wanted.loss, wanted.sparsity)}, off by ${off.toExponential(1)}`);
        most = Math.max(most, off, Math.abs(got.sparsity - wanted.sparsity));
      }
    }
    for (const mode of exact) await theirs.ask({ close: `check ${mode}` });
  } finally {
    device.close();
  }
  if (!(most < TOLERANCE)) throw new Error(`losses differ by ${most}: what would be timed is not the same`);
  return most;
}

async function time(kind: Kind, model: string): Promise<Record<string, unknown>> {
  const wide = kind === "pretrain" && !args.model;
  const [windows, length] = wide ? [8, 1024] : [2, 512];
  const shape = { windows: Number(args.windows ?? windows), length: Number(args.length ?? length) };
  const tokens = shape.windows * shape.length;
  console.log(`\n${kind}: ${shape.windows} windows of ${shape.length} tokens, ${threads} threads`);
  const theirs = venv ? python(venv) : null;
  const device = cpu({ threads });
  try {
    const difference = theirs && (await agree(theirs, kind, model, shape));
    const { trainer, parameters } = await openOurs(device, kind, model, shape, bf16);
    const { config } = parameters;
    const modes = theirs ? (args.modes ?? MODES[kind]).split(",") : [];
    const names = ["ours", ...modes];
    for (const mode of modes) await theirs!.ask(orderOf(mode, kind, model));
    const turns = [
      async (batch: TrainBatch, step: number) => {
        const began = performance.now();
        await stepOurs(trainer, batch, step, kind);
        return (performance.now() - began) / 1000;
      },
      ...modes.map((mode) => async (batch: TrainBatch) => {
        return (await theirs!.ask({ step: mode, ids: rowsOf(batch), noise: null })).seconds;
      }),
    ];
    const times = names.map((): number[] => []);
    for (let step = 0; step < warm + rounds; step++) {
      const batch = batchOf(shape, config.vocabulary, step);
      const order = names.map((_, i) => (i + step) % names.length);
      for (const i of order) {
        const seconds = await turns[i](batch, step + 1);
        if (step >= warm) times[i].push(seconds); // the first ones touch fresh memory, and PyTorch plans
      }
    }
    const settings = { ...shape, accumulate: 1, recompute: false, optimizer };
    const gated = kind === "retrofit";
    const { flops } = estimate({
      ...{ config, settings, train: gated ? "lora" : "full", rank: LORA.rank, distills: gated, teacherApart: false },
    });
    return report(kind, shape, names, times, tokens, flops, difference);
  } finally {
    device.close();
    theirs?.end();
  }
}

function report(
  kind: Kind,
  shape: Shape,
  names: readonly string[],
  times: readonly number[][],
  tokens: number,
  flops: number,
  difference: number | null,
): Record<string, unknown> {
  const medians = (drawn: readonly number[]) => times.map((all) => median(drawn.map((round) => all[round])));
  const all = Array.from({ length: rounds }, (_, i) => i);
  const seconds = medians(all);
  names.forEach((name, i) => {
    const gflops = flops / seconds[i] / 1e9;
    const share = i === 0 ? `, ${((100 * gflops) / peak).toFixed(0)}% of float32 multiply-adds` : "";
    const [least, most] = [Math.min(...times[i]), Math.max(...times[i])].map((s) => `${(1000 * s).toFixed(0)}`);
    const title = i === 0 ? `ours (${bf16 ? "bf16" : "float32"} products)` : `PyTorch ${name}`;
    console.log(
      `${title.padEnd(23)} ${(tokens / seconds[i]).toFixed(0).padStart(6)} tokens/s` +
        `  ${(1000 * seconds[i]).toFixed(0)} ms a step (${least} to ${most}), ${gflops.toFixed(0)} GFLOP/s${share}`,
    );
  });
  const ratioOf = (drawn: readonly number[]) => {
    const [ours, ...theirs] = medians(drawn);
    return Math.min(...theirs) / ours;
  };
  const result = { kind, ...shape, threads, bf16, tokens, flops, names, seconds, peakGflops: peak };
  if (names.length === 1) return result;
  const [ratio, [low, high]] = [ratioOf(all), interval(rounds, ratioOf)];
  console.log(
    `ours is ${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}] times as fast as PyTorch at its best`,
  );
  return { ...result, ratio, low, high, difference };
}

const peak = native().measureMultiplyAdd(threads, instructionSet()) / 1e9;
console.log(`${instructionSet()}, ${threads} threads: float32 multiply-adds ${peak.toFixed(0)} GFLOP/s`);
if (!venv)
  console.log("UNRUN: PyTorch: expected HYPERTHINK_VENV with the Python environment of bench/oracle/training.py");
const results: Record<string, unknown>[] = [];
try {
  const model = await baseModel();
  for (const kind of args.kinds.split(",") as Kind[]) results.push(await time(kind, model));
} finally {
  rmSync(folder, { recursive: true });
}
console.log(JSON.stringify({ model: args.model ? "given" : "abacus", results }));
