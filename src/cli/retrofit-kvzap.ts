// A KVzap probe for a model: `retrofit --method kvzap`.
import { join } from "node:path";
import type { Command } from "commander";
import { duration } from "../base/duration.ts";
import { mean } from "../base/mean.ts";
import { RECIPE } from "../model/recipe.ts";
import { machineMemory, type Session } from "../request/session.ts";
import { loadPieces } from "../train/data/data.ts";
import { heldOut, onceShuffled, type Pieces } from "../train/data/pieces.ts";
import { writeJsonAtomic } from "../train/disk/aside.ts";
import { fingerprintOf, fingerprintOfWeights } from "../train/disk/fingerprint.ts";
import { claimFolder } from "../train/disk/outFolder.ts";
import { FIT, type Fit, type FitData } from "../train/fit/fit.ts";
import { checkFitMemory, estimateFit, fitSeconds } from "../train/fit/fitEstimate.ts";
import { fitKvzap, type KvzapOptions, saveKvzap } from "../train/fit/kvzap.ts";
import { nextTo } from "../train/run.ts";
import { fitProgress } from "./fit-progress.ts";
import { count, size, table } from "./format.ts";
import { interruptible, note, open } from "./open.ts";
import { choice, whole } from "./parse.ts";
import { checkSpelling, generatedData } from "./training-data.ts";
import type { Unread } from "./unread.ts";

/** Flags of the fit, most of which it shares with the trainers. */
export interface KvzapFlags {
  surrogate: KvzapOptions["surrogate"];
  scores?: KvzapOptions["scores"];
  prompts: number;
  heldOut: number;
  model: string;
  adapter?: string[];
  data: string[];
  out: string;
  length: number;
  seed: number;
  skipBadLines?: boolean;
  device?: "cpu" | "reference";
  threads?: number;
  json?: boolean;
}

/** Beside --held-out and --length, which the trainers' own options bring along. */
export const kvzapOptions = (command: Command): Command =>
  command
    .option("--surrogate <form>", "kvzap: linear, or mlp with one hidden layer", choice("linear", "mlp"), "linear")
    .option(
      "--scores <kind>",
      "what is predicted: kvzip, or kvzip+, which also weighs what a value adds (default: kvzip+; --init kvzap: kvzip)",
      choice("kvzip", "kvzip+"),
    )
    .option(
      "--prompts <n>",
      "kvzap: prompts to learn from (several --data take turns); --held-out more judge, of 10% of the pieces",
      whole,
      FIT.prompts,
    );

/** What the fit reads of the command line. */
const READ: ReadonlySet<string> = new Set<keyof KvzapFlags | "method">([
  ...(["method", "surrogate", "scores", "prompts", "heldOut", "model", "data", "out", "length", "seed"] as const),
  "adapter",
  ...(["skipBadLines", "device", "threads", "json"] as const),
]);

/** All other options of the command. */
export const unreadOfKvzap = (command: Command): Unread[] =>
  command.options
    .map((option) => option.attributeName())
    .filter((name) => !READ.has(name))
    .map((name) => [name, "--method dms alone"]);

/** Share of the pieces that judge. */
const JUDGING = 0.1;
const SHARES = [0.25, 0.5, 0.75, 0.875, 0.95];

export async function runKvzap(flags: KvzapFlags): Promise<void> {
  const { out, json, model, adapter = [] } = flags;
  const { surrogate, scores = "kvzip+", length, seed, prompts, heldOut: judging } = flags;
  const signal = interruptible();
  await using session = await open({ ...flags, chains: 1, kvMemory: 1 << 20, signal });
  const takes = estimateFit(session.config, flags);
  checkFitMemory(takes, machineMemory());
  const { data, description, fingerprint } = await fitData(session, flags, signal);
  await using _ = await claimFolder(out, { goesOn: false });
  const seconds = await fitSeconds(takes, session.device);
  process.stderr.write(`about ${size(takes.bytes)} of memory and ${duration(seconds)}\n`);
  const progress = fitProgress(process.stderr);
  const settings = { surrogate, scores, length, prompts, heldOut: judging, seed };
  const fit = await fitKvzap(session, data, { ...settings, signal, onProgress: progress.show }).finally(progress.done);
  const thresholds = fit.quantiles(SHARES);
  await saveKvzap(out, session.config, fit.surrogate);
  const { explained, tokens } = fit;
  const made = {
    ...{ kind: "kvzap", model: nextTo(out, model), adapters: adapter.map((path) => nextTo(out, path)) },
    weights: await Promise.all([model, ...adapter].map(fingerprintOfWeights)),
    ...settings,
    ...{ data: description, fingerprint, fitted: fit.surrogate.description, tokens, explained },
    thresholds: SHARES.map((share, i) => ({ share, threshold: thresholds[i] })),
  };
  await writeJsonAtomic(join(out, RECIPE), made);
  if (json) console.log(JSON.stringify(made));
  else console.log(summary(fit, thresholds, out));
}

function summary({ surrogate, explained, tokens }: Fit, thresholds: readonly number[], out: string): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  const least = explained.indexOf(Math.min(...explained));
  return [
    `${surrogate.description}, from ${count(tokens.learned)} tokens`,
    `explains ${percent(mean(explained))} of the variance of log scores of ${count(tokens.judged)} others (mean over layers and heads); ` +
      `layer by layer: ${explained.map((r2) => (100 * r2).toFixed(0)).join(" ")}; least in layer ${least}: ${percent(explained[least])}`,
    table([
      ["threshold", "held-out keys below", "CR where all of them leave"],
      ...SHARES.map((share, i) => [thresholds[i].toFixed(2), percent(share), (1 / (1 - share)).toFixed(2)]),
    ]),
    `saved in ${out}; use it with --probe ${out} --policy kvzap --threshold ${thresholds[2].toFixed(2)}`,
  ].join("\n");
}

/** Each path is a source of its own, so that a large file does not drown a small one. */
async function fitData(
  session: Session,
  { model, data, length, seed, skipBadLines }: Pick<KvzapFlags, "model" | "data" | "length" | "seed" | "skipBadLines">,
  signal: AbortSignal,
): Promise<{ data: FitData; description: string; fingerprint: string }> {
  const generated = generatedData(data, seed, length);
  if (generated) {
    await checkSpelling(generated.train.at(0).ids, session.tokenizer, model, session.config.vocabulary);
    const { train, test } = generated;
    return { data: { train: [train], test: [test] }, description: data[0], fingerprint: train.fingerprint };
  }
  const [train, test, whole]: Pieces[][] = [[], [], []];
  for (const path of data) {
    const { pieces, notes } = await loadPieces([path], session, { length, skipBadLines, signal });
    notes.forEach(note);
    whole.push(pieces);
    const parts = heldOut(pieces, JUDGING);
    train.push(onceShuffled(parts.train, seed));
    test.push(onceShuffled(parts.test, seed));
  }
  return {
    data: { train, test },
    description: whole.map(({ description }) => description).join("; "),
    fingerprint: fingerprintOf(whole.map((pieces) => pieces.fingerprint)),
  };
}
