// A run: steps, evaluations, its journal and its checkpoints; killed at any moment it goes on with the same bits.
import { mkdir, rm } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { badArgument, HyperthinkError } from "../base/errors.ts";
import type { Device, Hidden } from "../device/device.ts";
import { RECIPE } from "../model/recipe.ts";
import { newBatch, packBatch, type TrainBatch, type Trigger } from "./batch.ts";
import type { Pieces } from "./data/pieces.ts";
import { writeJsonAtomic } from "./disk/aside.ts";
import { CHECKPOINTS, cleanCheckpoints, latestCheckpoint, readCheckpoint, writeCheckpoint } from "./disk/checkpoint.ts";
import { JOURNAL, Journal, type JournalEntry } from "./disk/journal.ts";
import { checkResume } from "./disk/resume.ts";
import type { Forecasting } from "./estimate.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Parameter } from "./parameters.ts";
import { evictedShare, type Ramp, rateAt, ratioAt, type Schedule } from "./schedule.ts";
import type { TrainSettings } from "./settings.ts";
import type { Trainer } from "./trainer.ts";

export interface RunOptions
  extends Pick<TrainSettings, "windows" | "length" | "accumulate" | "evaluateEach" | "checkpointEach"> {
  out: string; // folder of the result
  /** JSON of all that the result depends on: a resumed run must have the same. */
  recipe: Record<string, unknown>;
  pieces: Pieces; // endless
  schedule: Schedule;
  rate: number; // AdamW's at its peak, for the journal
  ramp: Ramp | null; // null: no gates
  sparsityWeight: number;
  trigger?: Trigger;
  /** What evaluations read. */
  heldOut: readonly TrainBatch[];
  /** Steps between results that are saved, which are evaluated too; 0: none. */
  saveEach?: number;
  signal?: AbortSignal;
  /** After a step's line is in the journal; "enough" ends the run after this step. */
  onEntry?: (entry: JournalEntry) => Promise<"enough" | undefined> | "enough" | undefined;
  /** Of a run that goes on: the lines that `onEntry` was given before, in their order. */
  recall?: (entry: JournalEntry) => "enough" | undefined;
  /** After the last step, before the result is saved. */
  onRan?: () => Promise<void>;
  note?: (text: string) => void;
}

/** What every trainer is given from outside: who hears of the run, what stops it, how much memory there is. */
export interface Surroundings extends Pick<RunOptions, "signal" | "onEntry" | "onRan" | "note">, Forecasting {}

/** What is learned from. */
export interface Learned {
  train: Pieces; // endless
  /** How the data were read, as the recipe in a folder tells it. */
  reading?: (folder: string) => Record<string, unknown>;
}

export interface RunParts {
  device: Device;
  trainer: Trainer;
  optimizer: Optimizer;
  learned: readonly Parameter[];
}

/** Steps that a run in the folder has done; null: there is none to go on with. */
export const stepsDone = async (out: string): Promise<number | null> =>
  (await latestCheckpoint(join(out, CHECKPOINTS))).checkpoint?.state.step ?? null;

/**
 * Runs to the last step, from a checkpoint in `out` where there is one. Throws `aborted` after saving, when stopped.
 */
export async function run({ device, trainer, optimizer, learned }: RunParts, options: RunOptions): Promise<void> {
  const { out, recipe, pieces, schedule, ramp, signal, saveEach = 0 } = options;
  const dir = join(out, CHECKPOINTS);
  await mkdir(dir, { recursive: true }).catch((error: Error) => {
    throw badArgument(`${out}: expected a folder that can be made and written: ${error.message}`);
  });
  const state = { settings: recipe, data: pieces.fingerprint };
  const tensors = [
    ...learned.map((p) => ({ name: p.name, shape: p.shape, buffer: p.value })),
    ...optimizer.state(),
  ].map(({ name, shape, buffer }) => onDisk(device, name, shape, buffer));
  await cleanCheckpoints(dir);
  const { checkpoint, notes } = await latestCheckpoint(dir);
  for (const text of notes) options.note?.(text);
  let [step, cursor] = [0, 0];
  if (checkpoint) {
    checkResume(checkpoint, state);
    await readCheckpoint(checkpoint, tensors);
    ({ step, cursor } = checkpoint.state);
    options.note?.(`going on after step ${step} of ${checkpoint.path}`);
  }
  await using journal = await Journal.open(join(out, JOURNAL), checkpoint ? step : undefined);
  const save = async () => {
    await journal.sync();
    await writeCheckpoint(dir, { step, cursor, ...state }, tensors);
  };
  const write = async (entry: JournalEntry) => {
    await journal.write(entry);
    return (await options.onEntry?.(entry)) === "enough";
  };
  const evaluation = async () => {
    if (options.heldOut.length === 0) return {};
    const { loss, cr, tokens } = await trainer.evaluate(options.heldOut, ramp !== null);
    if (step === 0) options.note?.(`evaluations predict ${tokens} held-out tokens`);
    return { heldOut: loss, heldOutCr: cr };
  };
  const batches = Array.from({ length: options.accumulate }, () => newBatch(options.windows, options.length));
  let enough = journal.kept.map((entry) => options.recall?.(entry)).includes("enough");
  if (step === 0) enough = await write({ step, ...(await evaluation()) });
  while (step < schedule.steps && !enough) {
    const started = performance.now();
    let next = cursor;
    for (const batch of batches) next = packBatch(batch, pieces, next, options.trigger);
    step++;
    const targetCr = ramp && ratioAt(step, ramp);
    const target = targetCr === null ? null : { share: evictedShare(targetCr), weight: options.sparsityWeight };
    const part = rateAt(step, schedule);
    const { loss, sparsity, evicted, norm, tokens } = await trainer.step(batches, step, part, target);
    cursor = next;
    const last = step === schedule.steps;
    const saves = saveEach > 0 && step % saveEach === 0;
    enough = await write({
      ...{ step, loss, learningRate: part * options.rate, norm, tokens },
      ...(target ? { sparsity, targetCr, cr: 1 / (1 - evicted!) } : {}),
      ...(last || saves || step % options.evaluateEach === 0 ? await evaluation() : {}),
      seconds: Math.round(performance.now() - started) / 1000,
    });
    const stopped = signal?.aborted ?? false;
    if (last || stopped || enough || step % options.checkpointEach === 0) await save();
    if (stopped && !last && !enough)
      throw new HyperthinkError("aborted", `stopped after step ${step}; the same command goes on from there`);
  }
  await options.onRan?.();
}

/** After the result is saved: says how it was made, and removes what a stopped run would have gone on from. */
export async function finish(out: string, training: Record<string, unknown>): Promise<void> {
  await writeJsonAtomic(join(out, RECIPE), training);
  await rm(join(out, CHECKPOINTS), { recursive: true, force: true });
}

/** What the recipe in a folder tells of the data. */
export const dataOf = ({ train, reading }: Learned, folder: string) => ({
  data: train.description,
  ...reading?.(folder),
  fingerprint: train.fingerprint,
});

/** A path as recipes tell it, from the folder that holds the result: such folders move together. */
export const nextTo = (out: string, path: string): string => relative(dirname(resolve(out)), resolve(path));

/** A tensor on the device as checkpoints read and write it. */
function onDisk(device: Device, name: string, shape: readonly number[], buffer: Hidden) {
  const cols = shape.at(-1) ?? 1;
  return {
    name,
    shape: [...shape],
    read: (into: Float32Array, row: number) => device.read(buffer, row * cols, into),
    write: (values: Float32Array, row: number) => device.write(buffer, row * cols, values),
  };
}
