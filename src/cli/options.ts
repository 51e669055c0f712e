import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import type { Dtype } from "../device/device.ts";
import type { GenerateOptions } from "../engine/generate.ts";
import type { LoadOptions } from "../engine/session.ts";
import { bytes, choice, collect, number, protectable, whole } from "./parse.ts";

/** The embedded model's folder, wherever the package lies: src/cli and dist/cli are equally deep. */
export const embedded = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

export interface ModelFlags {
  model?: string;
  adapter?: string;
  probe?: string;
  device?: "cpu" | "reference";
  threads?: number;
  kvMemory?: number;
  weights?: Dtype;
  kv?: Dtype;
  context?: number;
  chains?: number;
  chunk?: number;
}

export interface SamplingFlags {
  policy?: string;
  window?: number;
  cr?: number;
  budget?: number;
  threshold?: number;
  protect?: number | "prompt" | "system";
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  seed?: number;
  maxTokens?: number;
  stop?: string[];
}

const flag = (flags: string, description: string, parse: (text: string, before: never) => unknown) =>
  new Option(flags, description).argParser(parse as (text: string, before: unknown) => unknown);

/** Where a model comes from and how it is held. */
export function modelOptions(command: Command): Command {
  return command
    .option(
      "-m, --model <dir>",
      "Hugging Face folder or .safetensors file (default: an embedded beads model; scale takes the one with 4x gates)",
    )
    .option("--adapter <dir>", "folder with DMS gates, laid over the model")
    .option("--probe <dir>", "folder with a KVzap probe for the model (nvidia/KVzap-*)")
    .addOption(
      flag("--device <name>", "cpu or reference (default: cpu where its addon is built)", choice("cpu", "reference")),
    )
    .addOption(flag("--threads <n>", "threads of the cpu device (default: all cores)", whole))
    .addOption(
      flag("--weights <type>", "f32 or bf16 (default: bf16 where the checkpoint is bf16)", choice("f32", "bf16")),
    )
    .addOption(flag("--kv <type>", "type of keys and values: f32 or bf16 (default: bf16)", choice("f32", "bf16")))
    .addOption(
      flag(
        "--kv-memory <size>",
        "memory of the page pool, such as 2GiB (default: half of what is free, at most 2GiB)",
        bytes,
      ),
    )
    .addOption(flag("--context <n>", "most tokens of a chain, prompt included (default: the model's)", whole))
    .addOption(flag("--chains <n>", "most chains that run at a time; others wait (default: 64)", whole))
    .addOption(flag("--chunk <n>", "prompt tokens a pass (default: 256)", whole));
}

/** What the cache keeps and how tokens are drawn. */
export function samplingOptions(command: Command): Command {
  return command
    .option(
      "--policy <spec>",
      "name or name:setting=value,... (see `hyperthink policies`; default: dms where the model has gates, else full)",
    )
    .addOption(
      flag(
        "--cr <ratio>",
        "compression ratio, 8 means 8x smaller: of the prompt, or (policies that act while decoding) of prompt + max tokens",
        number,
      ),
    )
    .addOption(
      flag(
        "--window <n>",
        "queries that a doomed key still serves, or last queries that rank (default: the policy's)",
        whole,
      ),
    )
    .addOption(flag("--budget <keys>", "live keys a lane", whole))
    .addOption(flag("--threshold <z>", "dms: evict above this decision logit; kvzap: keep from this score on", number))
    .option("--protect <what>", "first positions that no cut takes: prompt, system or a number of tokens", protectable)
    .addOption(flag("--temperature <t>", "0: greedy", number))
    .addOption(flag("--top-k <n>", "0: all", whole))
    .addOption(flag("--top-p <p>", "1: all", number))
    .addOption(flag("--min-p <p>", "0: all", number))
    .addOption(flag("--repetition-penalty <r>", "1: none", number))
    .addOption(flag("--seed <n>", "same seed, same text (default: 0)", whole))
    .addOption(flag("--max-tokens <n>", "most new tokens (default: what the context leaves)", whole))
    .addOption(flag("--stop <text>", "text that ends the output; may be given several times", collect));
}

export const loadOptions = (flags: ModelFlags, fallback: string): LoadOptions => ({
  model: flags.model ?? embedded(fallback),
  adapter: flags.adapter,
  probe: flags.probe,
  device: flags.device,
  threads: flags.threads,
  weights: flags.weights,
  kv: flags.kv,
  kvMemory: flags.kvMemory,
  context: flags.context,
  chains: flags.chains,
  chunk: flags.chunk,
});

export const generateOptions = (flags: SamplingFlags): GenerateOptions => ({
  policy: flags.policy,
  window: flags.window,
  cr: flags.cr,
  budget: flags.budget,
  threshold: flags.threshold,
  protect: flags.protect,
  temperature: flags.temperature,
  topK: flags.topK,
  topP: flags.topP,
  minP: flags.minP,
  repetitionPenalty: flags.repetitionPenalty,
  seed: flags.seed,
  maxTokens: flags.maxTokens,
  stop: flags.stop,
});
