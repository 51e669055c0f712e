// Teaches a model to compress its own cache: DMS (arXiv 2506.05345) by the public recipe (dms.md 3.4), and what small
// batches need beside it.
import { join } from "node:path";
import { badArgument } from "../base/errors.ts";
import { uniform } from "../base/rng.ts";
import type { Device } from "../device/device.ts";
import { openAdapters } from "../model/adapters.ts";
import { parseConfig } from "../model/config.ts";
import { loadConfig } from "../model/load.ts";
import { openSource } from "../model/source.ts";
import { openDevice } from "../request/session.ts";
import { forecast } from "./estimate.ts";
import { evaluationBatches } from "./evaluation.ts";
import { saveAdapter, saveModel } from "./export.ts";
import type { JournalEntry } from "./journal.ts";
import { loadParameters } from "./load.ts";
import type { Loss } from "./lossRows.ts";
import { Optimizer } from "./optimizer.ts";
import { isGate, type Parameters, type TrainedWeights, type TrainMode } from "./parameters.ts";
import type { Pieces } from "./pieces.ts";
import { finish, run, type Talk } from "./run.ts";
import type { Ramp } from "./schedule.ts";
import { checkSettings, type TrainSettings } from "./settings.ts";
import { startLowRank } from "./start.ts";
import { Student } from "./student.ts";
import { Trainer } from "./trainer.ts";

/** What a retrofit is told beside the settings of every run. */
export interface RetrofitSettings {
  loss: Loss;
  train: TrainMode;
  /** own: tensors of their own; borrowed: a channel of the queries, which all weights must learn to give up. */
  gates: "own" | "borrowed";
  per: "head" | "layer";
  window: number; // tokens that a key still serves after its label; 0: immediate eviction
  shift: 0 | 1; // whose decision labels a key: its own token's, or the next one's
  trigger: "every" | "random"; // queries under the mask: all, or those after a random one of each document
  tau: number;
  alphaScale: number;
  alphaOffset: number;
  ramp: Ramp;
  sparsityWeight: number;
  rank: number; // of LoRA
  loraScale: number;
}

/** Gates to begin with: [layers] of proj [Hkv, H] and bias [Hkv], such as those of a surrogate (gateStart.ts). */
export interface GateStart {
  proj: readonly Float32Array[];
  bias: readonly Float32Array[];
  shift: 0 | 1;
}

export interface RetrofitOptions extends Talk {
  model: string;
  adapters: readonly string[];
  /** The uncompressed self, where that is not what `model` and `adapters` make. */
  teacher: string | null;
  out: string;
  train: Pieces; // endless
  test: Pieces;
  settings: TrainSettings;
  retrofit: RetrofitSettings;
  start: GateStart | null; // null: closed gates
  /**
   * Achieved ratios, ascending: at each the result so far is saved in a folder of its own; the run ends with the last.
   */
  achieve: readonly number[];
  /** Steps between results that are saved in folders of their own; 0: none. */
  saveEach: number;
  dtype: "BF16" | "F32";
}

/**
 * Trains, and saves an adapter folder (gates, LoRA) or, where all weights learned, a model folder, on a device that
 * `open` opens. Throws as `pretrain`.
 */
export async function retrofit(options: RetrofitOptions, open: () => Device = () => openDevice()): Promise<void> {
  const device = open();
  try {
    await retrofitted(device, open, options);
  } finally {
    device.close();
  }
}

async function retrofitted(device: Device, staging: () => Device, options: RetrofitOptions): Promise<void> {
  const { settings, retrofit: r, out, train, test, achieve } = options;
  checkSettings(settings);
  check(r);
  const source = await openSource(options.model);
  const base = await source.json("config.json");
  const { gates, loras } = await openAdapters(options.adapters);
  const found = await loadConfig(source, gates, options.note);
  const keys = dmsKeys(r);
  const gated = found.dms ? found : parseConfig({ ...base, ...keys });
  gated.tied = found.tied;
  const distills = r.loss.kind === "distill";
  const teacherApart = distills && (options.teacher !== null || r.train === "full");
  const shape = { config: gated, settings, train: r.train, rank: r.rank, distills, teacherApart };
  const { memory = Number.POSITIVE_INFINITY } = options;
  options.onForecast?.(await forecast(device, shape, settings.steps, settings.bf16, memory));
  const load = (own: boolean) =>
    loadParameters(device, staging(), found, source, {
      adapter: gates,
      loras,
      ...(own ? { gated, biased: options.start !== null } : {}),
    });
  const parameters = await load(true);
  if (options.start) await startGates(parameters, options.start);
  if (r.gates === "borrowed" && !found.dms) await closeBorrowed(parameters);
  await choose(parameters, r);
  if (r.train === "lora") await startLowRank(parameters, settings.seed);
  const teacher = await teacherOf(options, parameters, () => load(false), device, staging);
  const { windows, length, heldOutWindows } = settings;
  const student = new Student(device, parameters, {
    rows: windows * length,
    keeps: settings.recompute ? "inputs" : "all",
    ...{ window: r.window, tau: r.tau, rank: r.rank, teacher, bf16: settings.bf16 },
  });
  const optimizer = new Optimizer(device, parameters.trained, settings.optimizer);
  const trainer = new Trainer(student, optimizer, r.loss, settings.seed);
  const recipe = {
    ...{ kind: "retrofit", model: options.model, adapters: options.adapters, teacher: options.teacher },
    ...{ ...settings, ...r, started: options.start !== null },
  };
  const save = async (folder: string, entry: JournalEntry) => {
    const made = { ...recipe, data: train.description, fingerprint: train.fingerprint, reached: entry };
    const config = { ...keys, dms_cr: Math.max(1, Number(entry.targetCr ?? r.ramp.cr)) };
    if (r.train === "full")
      await saveModel(device, parameters.all, folder, { ...base, ...config }, { from: options.model, ...options });
    else await saveAdapter(device, parameters, folder, config, { model: options.model, dtype: options.dtype });
    return made;
  };
  let [next, last] = [0, null as JournalEntry | null];
  await run(
    { device, trainer, optimizer, learned: parameters.trained },
    {
      ...options,
      ...settings,
      settings: recipe,
      pieces: train,
      schedule: { ...settings.schedule, steps: settings.steps },
      ramp: r.ramp,
      sparsityWeight: r.sparsityWeight,
      trigger:
        r.trigger === "random" ? (i, rows) => Math.floor(uniform(settings.seed, RANDOM, i, 0) * rows) : undefined,
      heldOut: evaluationBatches(test, heldOutWindows, windows, length),
      async onEntry(entry) {
        if (entry.loss !== undefined) last = entry;
        await options.onEntry?.(entry);
        const each = options.saveEach > 0 && entry.step > 0 && entry.step % options.saveEach === 0;
        if (each) await writeRecipe(join(out, `step-${entry.step}`), save, entry);
        if (next < achieve.length && (entry.heldOutCr ?? 0) >= achieve[next])
          await writeRecipe(join(out, `cr${achieve[next++]}`), save, entry);
        return achieve.length > 0 && next === achieve.length ? "enough" : undefined;
      },
    },
  );
  await finish(out, await save(out, last ?? { step: settings.steps }));
}

const RANDOM = 0x7219e2;

type Save = (folder: string, entry: JournalEntry) => Promise<Record<string, unknown>>;
async function writeRecipe(folder: string, save: Save, entry: JournalEntry): Promise<void> {
  await finish(folder, await save(folder, entry));
}

const dmsKeys = (r: RetrofitSettings): Record<string, unknown> => ({
  dms_alpha_scale: r.alphaScale,
  dms_initial_alpha_offset: r.alphaOffset,
  dms_window_size: r.window,
  dms_separate_alpha: r.gates === "own",
  dms_alpha_per: r.per,
  dms_label_shift: r.shift,
  dms_tau: r.tau,
});

/** What learns. */
async function choose(parameters: Parameters, { train, rank, loraScale }: RetrofitSettings): Promise<void> {
  for (const p of parameters.all) if (train === "full" || isGate(p)) parameters.learn(p);
  if (train === "lora") await parameters.addLowRank(rank, loraScale);
}

async function startGates(parameters: Parameters, { proj, bias }: GateStart): Promise<void> {
  for (const [l, { alpha }] of parameters.weights.layers.entries()) {
    if (!alpha?.bias) continue;
    await parameters.write(alpha.proj, proj[l]);
    await parameters.write(parameters.vector(alpha.bias), bias[l]);
  }
}

/** Borrowed channels begin as 0, so that gates begin closed; the model learns to do without them. */
async function closeBorrowed(parameters: Parameters): Promise<void> {
  const { config, weights } = parameters;
  const { kvHeads, queryHeads, headDim } = config;
  const channels = Array.from({ length: kvHeads }, (_, h) => (h * queryHeads * headDim) / kvHeads + headDim - 1);
  for (const { q, qBias } of weights.layers)
    for (const p of [q, ...(qBias ? [parameters.vector(qBias)] : [])]) {
      const values = await parameters.read(p);
      for (const row of channels) values.fill(0, row * p.cols, (row + 1) * p.cols);
      await parameters.write(p, values);
    }
}

/** The untouched weights: those under a LoRA, the frozen ones, or a copy where all learn. */
async function teacherOf(
  { retrofit: { loss, train, gates }, teacher }: RetrofitOptions,
  parameters: Parameters,
  copy: () => Promise<Parameters>,
  device: Device,
  staging: () => Device,
): Promise<TrainedWeights | null> {
  if (loss.kind !== "distill") return null;
  if (teacher !== null) {
    const source = await openSource(teacher);
    return (await loadParameters(device, staging(), await loadConfig(source), source)).weights;
  }
  return train === "full" || gates === "borrowed" ? (await copy()).weights : parameters.untouched();
}

function check(r: RetrofitSettings): void {
  if (r.gates === "borrowed" && r.train !== "full")
    throw badArgument(
      `--gates borrowed: expected --train full, got ${r.train}: the model must give up a query channel`,
    );
  if (!(r.ramp.cr >= 1)) throw badArgument(`--cr: expected a ratio from 1, got ${r.ramp.cr}`);
  if (!(r.tau > 0)) throw badArgument(`--tau: expected a temperature above 0, got ${r.tau}`);
  if (!(Number.isInteger(r.rank) && r.rank >= 1 && r.rank <= 1024))
    throw badArgument(`--rank: expected a whole number from 1 to 1024, got ${r.rank}`);
}
