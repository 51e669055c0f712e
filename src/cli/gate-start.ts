import { join } from "node:path";
import { badArgument } from "../base/errors.ts";
import { mean } from "../base/mean.ts";
import type { ModelConfig } from "../model/config.ts";
import { latestCheckpoint } from "../train/checkpoint.ts";
import { GATE_START, gatesFromSurrogate } from "../train/gateStart.ts";
import type { GateStart, RetrofitSettings } from "../train/retrofitOptions.ts";
import { CHECKPOINTS } from "../train/run.ts";
import { fitProgress } from "./fit-progress.ts";
import { open } from "./open.ts";
import type { KvzapFlags } from "./retrofit-kvzap.ts";
import type { TrainingData } from "./training-data.ts";

/**
 * Gates that begin as a surrogate of KVzip's scores, at a ratio, fitted to what the run learns from. A run that goes on
 * has its gates in a checkpoint.
 */
export async function gateStart(
  flags: KvzapFlags & { adapter?: string[] },
  config: ModelConfig,
  { alphaScale: scale, alphaOffset: offset, ramp }: RetrofitSettings,
  { train, test }: TrainingData,
  signal: AbortSignal,
): Promise<GateStart> {
  if ((await latestCheckpoint(join(flags.out, CHECKPOINTS))).checkpoint) return resumed(config);
  await using session = await open({ ...flags, chains: 1, kvMemory: 1 << 20, weights: "f32", signal });
  if (session.config.dms)
    throw badArgument(`--init kvzap: expected a model without gates, got one that has them: leave out --init`);
  const progress = fitProgress(process.stderr);
  const { scores = GATE_START.scores, prompts, heldOut } = flags;
  const options = { scores, prompts, heldOut: Math.max(1, heldOut), length: flags.length };
  const fit = await gatesFromSurrogate(
    session,
    { train: [train], test: [test] },
    { scale, offset },
    { ...options, cr: ramp.from, sharpness: GATE_START.sharpness, signal, onProgress: progress.show },
  ).finally(progress.done);
  process.stderr.write(
    `gates begin as a surrogate that explains ${(100 * mean(fit.explained)).toFixed(0)}% of log scores, at CR ${ramp.from}\n`,
  );
  return fit;
}

function resumed({ layers, kvHeads, hidden }: ModelConfig): GateStart {
  const zeros = (length: number) => Array.from({ length: layers }, () => new Float32Array(length));
  return { proj: zeros(kvHeads * hidden), bias: zeros(kvHeads) };
}
