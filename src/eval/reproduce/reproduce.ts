// The small counterpart of each experiment of arXiv 2506.05345, on the models that are shipped.

import { join } from "node:path";
import type { EvaluateEvent, EvaluateOptions } from "../harness/evaluate.ts";
import { calibrateAll, calibrationProblems, calibrationSeed, tokensOf } from "./calibration.ts";
import { runNeedles } from "./needles.ts";
import { type Page, writeResults } from "./page.ts";
import { checkShape, EXPERIMENTS, type Experiment, type Shape, type Stage, stagesOf } from "./plan.ts";
import { Runner } from "./runner.ts";
import { openState } from "./state.ts";

export interface ReproduceOptions extends Pick<EvaluateOptions, "load" | "open" | "batch" | "signal"> {
  /** Folder of all runs and of the results; a run that was stopped goes on in it. */
  out: string;
  /** Folder with abacus and abacus-dms-2x, -4x, -8x. */
  models: string;
  /** Default 300. */
  problems?: number;
  /** Chains a problem, default 8. */
  width?: number;
  /** Of problems and chains; those of the calibration have another. Default 0. */
  seed?: number;
  /** Most new tokens of a chain; the longest is that of all experiments but scaling. Default 256, 512, 1024, 1472. */
  lengths?: readonly number[];
  /** Default: what the task is asked with. */
  temperature?: number;
  only?: readonly Experiment[];
  /** Frontiers of all policies at three ratios, and needles on SmolLM2, too. */
  full?: boolean;
  /** Folder of a retrofit of abacus that was trained to evict at once. */
  immediate?: string;
  /** How the run was asked for, as the page tells it. */
  command?: string;
}

export type ReproduceEvent =
  | { type: "note"; text: string }
  | { type: "estimate"; tokens: number; seconds: number }
  | { type: "stage"; name: string; at: number; of: number; left: number | null } // seconds of this one and all after it
  | { type: "run"; event: EvaluateEvent };

export interface Reproduced extends Page {
  /** Names of what was written into `out`. */
  files: string[];
}

export const LENGTHS = [256, 512, 1024, 1472] as const;

/**
 * Calibrates, runs what is left, and writes results.md. Throws `bad-argument` for what cannot be run, `aborted` after
 * which the same call goes on, and what else `evaluate` and `makeReport` throw.
 */
export async function reproduce(
  options: ReproduceOptions,
  onEvent: (event: ReproduceEvent) => void = () => {},
): Promise<Reproduced> {
  const { out, problems = 300, seed = 0, temperature, full = false, command = "" } = options;
  const shape: Shape = {
    ...{ models: options.models, problems, width: options.width ?? 8, full },
    lengths: options.lengths ?? LENGTHS,
    only: EXPERIMENTS.filter((each) => options.only?.includes(each) ?? true),
    immediate: options.immediate ?? null,
  };
  checkShape(shape);
  const state = await openState(out, {
    ...{ seed, width: shape.width, lengths: shape.lengths.join(","), temperature: temperature ?? null },
    calibration: calibrationProblems(problems),
  });
  const { calibration } = state.of;
  if (calibration < calibrationProblems(problems))
    onEvent({
      type: "note",
      text: `calibrated on ${calibration} problems, as this was begun, not ${calibrationProblems(problems)}`,
    });
  const { load, open, batch, signal } = options;
  const runs = { out, load, open, batch, signal };
  const onRun = (event: EvaluateEvent) => onEvent({ type: "run", event });
  const runner = new Runner({ ...runs, state, temperature, onEvent: onRun });
  await calibrateAll(runner, shape, seed, (text) => onEvent({ type: "note", text }));
  const stages = stagesOf(shape, state.groups);
  const costs = stages.map((stage) => tokensOfStage(runner, stage, problems));
  const total = costs.reduce((sum, n) => sum + n, 0);
  onEvent({ type: "estimate", tokens: total, seconds: secondsOf(runner, total) ?? 0 });
  for (const [at, { name, settings }] of stages.entries()) {
    const left = costs.slice(at).reduce((sum, n) => sum + n, 0);
    onEvent({ type: "stage", name, at: at + 1, of: stages.length, left: secondsOf(runner, left) });
    await runner.run(join("runs", name), settings, { problems, seed });
  }
  const needles = full ? await runNeedles({ ...runs, models: options.models, seed, onEvent: onRun }) : null;
  return writeResults(out, { shape, state, needles, command, seed, calibrationSeed: calibrationSeed(seed) });
}

const tokensOfStage = (runner: Runner, { name, settings }: Stage, problems: number): number =>
  settings.reduce((sum, choice) => {
    const [{ length, width }] = choice.budgets;
    return sum + problems * width * tokensOf(runner, name, choice.name!, length);
  }, 0);

/** At the speed of all runs so far. */
const secondsOf = ({ state }: Runner, tokens: number): number | null =>
  state.tokens > 0 ? (tokens * state.seconds) / state.tokens : null;
