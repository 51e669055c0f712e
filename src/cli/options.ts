import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import type { KvFormat, WeightFormat } from "../device/device.ts";
import type { GenerateOptions } from "../request/generate.ts";
import type { LoadOptions, Session } from "../request/session.ts";
import { bytes, choice, number, protectable, stopTexts, variables, whole, wholes } from "./parse.ts";
import type { PromptFlags } from "./prompt.ts";

/** The embedded model's folder, wherever the package lies: src/cli and dist/cli are equally deep. */
export const embedded = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

export interface ModelFlags {
  model?: string;
  adapter?: string;
  probe?: string;
  device?: "cpu" | "reference";
  threads?: number;
  kvMemory?: number;
  weights?: WeightFormat;
  kv?: KvFormat;
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
  stopId?: number[];
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

/** What is asked, and in which form. */
export function promptOptions(command: Command): Command {
  return command
    .argument("[prompt...]", "a question for the model's chat template; - stands for standard input (default: -)")
    .option("--raw", "take the prompt as text, every byte of it, without the chat template")
    .option("--system <text>", "a system message before the question")
    .addOption(
      flag(
        "--template-var <name=value>",
        "variable of the chat template, JSON or text, such as enable_thinking=false; may be given several times",
        variables,
      ),
    )
    .addOption(
      flag(
        "--control-tokens <how>",
        "what a control token's spelling (<|im_end|>) in the question or system text is: text (default), or parse: the token",
        choice("text", "parse"),
      ),
    )
    .addHelpText(
      "after",
      `
Arguments are joined by blanks and taken as they are. Of standard input only the last newline is dropped (nothing with
--raw). Text on standard input beside arguments without - is refused: a pipe is listened to for 0.1 s, not waited for.
Sampling that no flag names is that of the model's generation_config.json where it has one; the receipt says which.`,
    );
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
    .addOption(flag("--temperature <t>", "0: greedy, whatever the model suggests", number))
    .addOption(flag("--top-k <n>", "0: all", whole))
    .addOption(flag("--top-p <p>", "1: all", number))
    .addOption(flag("--min-p <p>", "0: all", number))
    .addOption(flag("--repetition-penalty <r>", "1: none", number))
    .addOption(flag("--seed <n>", "same seed, same text (default: 0)", whole))
    .addOption(flag("--max-tokens <n>", "most new tokens (default: what the context leaves)", whole))
    .addOption(
      flag(
        "--stop <text>",
        "text that ends the output; \\n \\r \\t \\\\ \\uXXXX \\u{X} are escapes, any other backslash is itself (\\boxed, but \\\\text); may be given several times",
        stopTexts,
      ),
    )
    .addOption(
      flag("--stop-id <id>", "token id that ends the output, beside the model's; may be given several times", wholes),
    );
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

export const generateOptions = (flags: SamplingFlags & PromptFlags, session: Session): GenerateOptions => ({
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
  stopIds: flags.stopId && [...session.config.eosIds, ...flags.stopId],
  template: flags.templateVar,
  controlTokens: flags.controlTokens,
});
