import type { Command } from "commander";
import { cpuAvailable } from "../device/cpu.ts";
import { hasBf16Unit } from "../device/isa.ts";
import type { Schedule } from "../train/schedule.ts";
import { TRAIN_SETTINGS, type TrainSettings } from "../train/settings.ts";
import { choice, number, texts, whole } from "./parse.ts";
import { type Unread, unreadOf } from "./unread.ts";

/** Flags of both trainers. */
export interface TrainingFlags {
  data: string[];
  out: string;
  steps: number;
  windows: number;
  length: number;
  accumulate: number;
  optimizer: "adamw" | "muon";
  muonRate: number;
  rate: number;
  warmup: number;
  schedule: Schedule["shape"];
  last: number;
  decay: number;
  clip: number;
  seed: number;
  products?: "f32" | "bf16";
  recompute?: boolean;
  heldOut: number;
  evaluateEach: number;
  checkpointEach: number;
  device?: "cpu" | "reference";
  threads?: number;
  skipBadLines?: boolean;
  learn: "all" | "assistant";
  long: "cut" | "drop";
  end?: string;
  json?: boolean;
}

const D = TRAIN_SETTINGS;

export function trainingOptions(command: Command, defaults: Partial<TrainSettings> = {}): Command {
  const d = { ...D, ...defaults };
  return command
    .requiredOption(
      "--data <what>",
      ".txt or .jsonl file ({text}, {messages} or {prompt, completion} a line), a folder of them, or abacus:NAME=VALUE,...; may be given several times",
      texts,
    )
    .requiredOption("-o, --out <dir>", "folder of the result; a run that was stopped goes on in it")
    .option("--steps <n>", "changes of the weights (chosen here)", whole, d.steps)
    .option("--windows <n>", "windows of a batch (chosen here; public recipe: 8)", whole, d.windows)
    .option("--length <n>", "tokens of a window (chosen here; public recipe: 32768)", whole, d.length)
    .option("--accumulate <n>", "batches of a step (chosen here)", whole, d.accumulate)
    .option(
      "--optimizer <name>",
      "of matrices: adamw (arXiv 1711.05101), or muon (kellerjordan.github.io/posts/muon; all else: adamw)",
      choice("adamw", "muon"),
      d.optimizer.matrices,
    )
    .option("--muon-rate <r>", "Muon's rate at its peak (chosen here)", number, d.optimizer.muonRate)
    .option("--rate <r>", "AdamW's rate at its peak (chosen here; public recipe: 3e-5)", number, d.optimizer.rate)
    .option("--warmup <n>", "steps until the peak (chosen here; public recipe: none)", whole, d.schedule.warmup)
    .option(
      "--schedule <shape>",
      "rates after it: constant (public recipe), linear, cosine (arXiv 1608.03983), or exponential: by equal factors",
      choice("constant", "linear", "cosine", "exponential"),
      d.schedule.shape,
    )
    .option("--last <share>", "share of the peak at the end (chosen here)", number, d.schedule.last)
    .option("--decay <d>", "weight decay of matrices (public recipe: 0)", number, d.optimizer.decay)
    .option("--clip <norm>", "most norm of the gradients (public recipe: 1); 0: no limit", number, d.optimizer.clip)
    .option("--seed <n>", "same seed, same bits, whatever the threads", whole, d.seed)
    .option(
      "--products <type>",
      "factors of products: bf16 (sums in float32) or f32 (default: bf16 where the CPU has AVX512-BF16)",
      choice("f32", "bf16"),
    )
    .option(
      "--recompute",
      "compute activations again on the way back, a layer at a time: less memory, up to a fifth slower",
    )
    .option(
      "--held-out <n>",
      "windows that evaluations read, at least, of 2% of the documents whatever the seed (of long ones their end)",
      whole,
      d.heldOutWindows,
    )
    .option("--evaluate-each <n>", "steps between evaluations", whole, d.evaluateEach)
    .option("--checkpoint-each <n>", "steps between checkpoints", whole, d.checkpointEach)
    .option(
      "--learn <what>",
      "all tokens, or what the assistant says: its turns, and completions",
      choice("all", "assistant"),
      "all",
    )
    .option(
      "--long <what>",
      "documents longer than a window: cut into windows, or drop what is beyond the first",
      choice("cut", "drop"),
      "cut",
    )
    .option(
      "--end <token>",
      'token that ends plain texts and completions, such as "<|endoftext|>", or none (default: the model\'s own)',
    )
    .option("--skip-bad-lines", "leave out lines of the data that cannot be read, and say how many")
    .option("--device <name>", "cpu or reference (default: cpu where its addon is built)", choice("cpu", "reference"))
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole)
    .option("--json", "print the result as JSON, and progress as lines of the journal");
}

/** Settings as flags say them. */
export const trainSettings = (flags: TrainingFlags, more: Partial<TrainSettings["optimizer"]> = {}): TrainSettings => ({
  steps: flags.steps,
  windows: flags.windows,
  length: flags.length,
  accumulate: flags.accumulate,
  seed: flags.seed,
  optimizer: {
    ...D.optimizer,
    ...{ matrices: flags.optimizer, muonRate: flags.muonRate, rate: flags.rate, decay: flags.decay, clip: flags.clip },
    ...more,
  },
  schedule: { warmup: flags.warmup, shape: flags.schedule, last: flags.last },
  bf16: flags.products === undefined ? roundsWell(flags) : flags.products === "bf16",
  recompute: flags.recompute ?? false,
  heldOutWindows: flags.heldOut,
  evaluateEach: flags.evaluateEach,
  checkpointEach: flags.checkpointEach,
});

/** Whether products of bf16 factors are faster than those of float32. */
export const roundsWell = ({ device }: Pick<TrainingFlags, "device">): boolean =>
  device !== "reference" && cpuAvailable() === null && hasBf16Unit();

/** Whether --data names problems that are made, not a file. */
export const isGenerated = (what: string): boolean => /^abacus(:|$)/.test(what);

/** What both trainers leave unread. */
export const unreadOfTraining = ({ data, optimizer, schedule, heldOut }: TrainingFlags): Unread[] => [
  ...unreadOf(["evaluateEach"], heldOut === 0, "runs that have held-out text, --held-out from 1"),
  ...unreadOf(["muonRate"], optimizer !== "muon", "--optimizer muon"),
  ...unreadOf(["last"], schedule === "constant", "schedules that are not constant"),
  ...unreadOf(["learn", "long", "end", "skipBadLines"], data.some(isGenerated), "data that come from files"),
];
