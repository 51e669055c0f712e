// Next-token training of a small model, from random weights or from a checkpoint.
import { badArgument } from "../base/errors.ts";
import type { Device } from "../device/device.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import { openSource } from "../model/source.ts";
import { openDevice } from "../request/session.ts";
import type { Pieces } from "./data/pieces.ts";
import { fingerprintOfWeights } from "./disk/fingerprint.ts";
import { checkOut, claimFolder } from "./disk/outFolder.ts";
import { checkMemory, forecast, spanOf } from "./estimate.ts";
import { evaluationBatches } from "./evaluation.ts";
import { saveModel } from "./export.ts";
import { type InitialOptions, initialParameters } from "./initial.ts";
import { loadParameters } from "./load.ts";
import { Optimizer } from "./optimizer.ts";
import { dataOf, finish, type Learned, nextTo, run, type Surroundings, stepsDone } from "./run.ts";
import { checkSettings, type TrainSettings } from "./settings.ts";
import { Student } from "./student.ts";
import { Trainer } from "./trainer.ts";

export interface PretrainOptions extends Surroundings, Learned {
  /** config.json, as transformers writes it. */
  config: Record<string, unknown>;
  /** Where weights begin: drawn, or of a folder's checkpoint. */
  from: InitialOptions | string;
  /** A model folder (or a file in it) whose tokenizer and chat template go along; null: none. */
  beside: string | null;
  out: string;
  test: Pieces;
  settings: TrainSettings;
  /** Type of the saved matrices. */
  dtype: "BF16" | "F32";
}

/**
 * Trains and saves a model folder, on a device that `open` opens (default: the fastest that is there); each call of
 * `open` must make a new one, since weights are read on another and go with it. Throws
 * `bad-argument` for settings that make no sense or differ from those of the run that is gone on with, `bad-model`
 * where the loss is no number any more, `no-memory`, `aborted` once a stopped run is saved.
 */
export async function pretrain(options: PretrainOptions, open: () => Device = () => openDevice()): Promise<void> {
  const device = open();
  try {
    await trained(device, open, options);
  } finally {
    device.close();
  }
}

/** Throws `bad-argument` for settings that make no sense with a model, or a model with gates. */
export function checkPretrain(config: ModelConfig, settings: TrainSettings): void {
  checkSettings(settings, config.contextLength);
  if (config.dms)
    throw badArgument(
      "expected a model without DMS gates, as pretraining would move weights from under them: `retrofit` trains both",
    );
}

async function trained(device: Device, staging: () => Device, options: PretrainOptions): Promise<void> {
  const { out, settings, train, test, from } = options;
  const { windows, length, schedule, heldOutWindows } = settings;
  await checkOut(
    out,
    [from, options.beside].filter((path) => typeof path === "string"),
    { goesOn: true },
  );
  const config = parseConfig(options.config);
  checkPretrain(config, settings);
  const shape = { config, settings, train: "full", rank: 0, distills: false, teacherApart: false } as const;
  checkMemory(shape, options.memory);
  const span = spanOf(train, windows, length);
  await forecast(device, { ...shape, span }, options, (await stepsDone(out)) ?? 0);
  await using _ = await claimFolder(out, { goesOn: true });
  const parameters =
    typeof from === "string"
      ? await loadParameters(device, staging(), config, await openSource(from))
      : await initialParameters(device, config, from);
  for (const p of parameters.all) parameters.learn(p);
  const rows = windows * length;
  const keeps = settings.recompute ? "inputs" : "all";
  const plain = { window: 0, tau: 1, rank: 0, teacher: null };
  const student = new Student(device, parameters, { ...plain, rows, keeps, bf16: settings.bf16 });
  const optimizer = new Optimizer(device, parameters.trained, settings.optimizer);
  const trainer = new Trainer(student, optimizer, { kind: "next" }, settings.seed);
  const recipe = {
    kind: "pretrain",
    from: typeof from === "string" ? nextTo(out, from) : from,
    weights: typeof from === "string" ? await fingerprintOfWeights(from) : null,
    config: options.config,
    ...settings,
    ...{ dtype: options.dtype, device: device.name },
  };
  await run(
    { device, trainer, optimizer, learned: parameters.all },
    {
      ...options,
      ...settings,
      recipe,
      pieces: train,
      rate: settings.optimizer.rate,
      schedule: { ...schedule, steps: settings.steps },
      ramp: null,
      sparsityWeight: 0,
      heldOut: evaluationBatches(test, heldOutWindows, windows, length),
    },
  );
  const beside = options.beside === null ? null : (await openSource(options.beside)).path;
  await saveModel(device, parameters.all, out, options.config, { from: beside, dtype: options.dtype });
  const tokenizer = options.beside === null ? null : nextTo(out, options.beside);
  await finish(out, { ...recipe, tokenizer, ...dataOf(options, out) });
}
