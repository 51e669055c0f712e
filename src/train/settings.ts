import { badArgument } from "../base/errors.ts";
import { OPTIMIZER, type OptimizerSettings } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";

/** What pretraining and retrofits are both told. */
export interface TrainSettings {
  steps: number;
  windows: number; // of a batch
  length: number; // tokens of a window
  accumulate: number; // batches of a step, whose gradients add up
  seed: number;
  optimizer: OptimizerSettings;
  schedule: Omit<Schedule, "steps">;
  /** Factors of products are rounded to bf16; sums are float32. */
  bf16: boolean;
  /** Activations of one layer at a time, computed again on the way back. */
  recompute: boolean;
  heldOutWindows: number; // that evaluations read, rounded up to whole batches
  evaluateEach: number; // steps
  checkpointEach: number; // steps
}

export const TRAIN_SETTINGS: TrainSettings = {
  steps: 300,
  windows: 2,
  length: 512,
  accumulate: 1,
  seed: 0,
  optimizer: OPTIMIZER,
  schedule: { warmup: 10, shape: "cosine", last: 0.1 },
  bf16: true,
  recompute: false,
  heldOutWindows: 8,
  evaluateEach: 25,
  checkpointEach: 50,
};

/** Throws `bad-argument`, naming the flag, for a setting that makes no sense, or not with a model of this context. */
export function checkSettings(settings: TrainSettings, contextLength: number): void {
  const { optimizer, schedule } = settings;
  for (const [name, value] of Object.entries({
    "--steps": settings.steps,
    "--windows": settings.windows,
    "--accumulate": settings.accumulate,
    "--evaluate-each": settings.evaluateEach,
    "--checkpoint-each": settings.checkpointEach,
  }))
    if (!(Number.isInteger(value) && value >= 1))
      throw badArgument(`${name}: expected a whole number from 1, got ${value}`);
  for (const [name, value] of Object.entries({
    "--held-out": settings.heldOutWindows,
    "--warmup": schedule.warmup,
    "--seed": settings.seed,
  }))
    if (!(Number.isInteger(value) && value >= 0))
      throw badArgument(`${name}: expected a whole number from 0, got ${value}`);
  if (!(Number.isInteger(settings.length) && settings.length >= 2))
    throw badArgument(`--length: expected windows of 2 tokens or more, got ${settings.length}`);
  if (settings.length > contextLength)
    throw badArgument(
      `--length: expected at most the model's context of ${contextLength} tokens, got ${settings.length}`,
    );
  if (settings.windows * settings.length > 1 << 20)
    throw badArgument(
      `--windows x --length: expected at most ${1 << 20} tokens a batch, got ${settings.windows} x ${settings.length}; ` +
        "accumulate several batches instead",
    );
  if (schedule.shape === "exponential" && schedule.last === 0)
    throw badArgument(
      "--last 0: an exponential schedule never gets there; expected a share above 0, or --schedule linear",
    );
  if (!(schedule.last >= 0 && schedule.last <= 1))
    throw badArgument(`--last: expected a number from 0 to 1, got ${schedule.last}`);
  const { momentum, beta1, beta2 } = optimizer;
  for (const [name, value] of Object.entries({ momentum, beta1, beta2 }))
    if (!(value >= 0 && value < 1)) throw badArgument(`${name}: expected a number from 0 to below 1, got ${value}`);
  const { rate, muonRate, gateRate, eps, decay, clip } = optimizer;
  for (const [name, value] of Object.entries({
    ...{ "--rate": rate, "--muon-rate": muonRate, "--gate-rate": gateRate, eps },
    ...{ "--decay": decay, "--clip": clip },
  }))
    if (!(value >= 0 && value < Infinity)) throw badArgument(`${name}: expected a number from 0, got ${value}`);
}
