import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import type { KvFormat, WeightFormat } from "../device/device.ts";
import { knowModels } from "../eval/harness/model.ts";
import { chooseSettings } from "../eval/harness/setting.ts";
import type { PolicyOptions } from "../policy/policy.ts";
import { parseSpec, withSetting } from "../policy/spec.ts";
import type { GenerateOptions } from "../request/generate.ts";
import type { LoadOptions, Session } from "../request/session.ts";
import type { Thinking } from "../request/thinking.ts";
import { budgetName, budgetOptions, type ScalingBudget } from "../scale/budget.ts";
import {
  budget,
  bytes,
  choice,
  escaped,
  kvFormat,
  number,
  protectable,
  stopTexts,
  texts,
  thinkingTags,
  variables,
  weightFormat,
  whole,
  wholes,
} from "./parse.ts";
import type { PromptFlags } from "./prompt.ts";

/** The embedded model's folder, wherever the package lies: src/cli and dist/cli are equally deep. */
export const embedded = (name: string): string => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));

export interface ModelFlags {
  model?: string;
  adapter?: string[];
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

export interface SamplingFlags extends DrawFlags {
  policy?: string;
  window?: number;
  cr?: number;
  budget?: number | ScalingBudget;
  threshold?: number;
  protect?: number | "prompt" | "system";
  maxTokens?: number;
}

export interface DrawFlags {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  seed?: number;
  stop?: string[];
  stopId?: number[];
  thinking?: Thinking | "none";
  thinkMost?: number;
  thinkLast?: string;
  thinkLeast?: number;
  nudges?: number;
  nudge?: string;
}

export const ADAPTER =
  "folder with DMS gates, a PEFT LoRA, or both, laid over the model; may be given several times: LoRAs add up";

/** Where a model comes from and how it is held. */
export function modelOptions(command: Command): Command {
  return command
    .option(
      "-m, --model <dir>",
      "Hugging Face folder or .safetensors file (default: the embedded abacus; scale takes the one whose cache is 8x smaller)",
    )
    .option("--adapter <dir>", ADAPTER, texts)
    .option("--probe <dir>", "folder with a KVzap probe for the model (nvidia/KVzap-*)")
    .option("--device <name>", "cpu or reference (default: cpu where its addon is built)", choice("cpu", "reference"))
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole)
    .option("--weights <type>", "f32 or bf16 (default: bf16 where the checkpoint is bf16)", weightFormat)
    .option("--kv <type>", "type of keys and values: f32 or bf16 (default: bf16)", kvFormat)
    .option(
      "--kv-memory <size>",
      "memory of the page pool, such as 2GiB (default: half of what is free, at most 2GiB)",
      bytes,
    )
    .option("--context <n>", "most tokens of a chain, prompt included (default: the model's)", whole)
    .option("--chains <n>", "most chains that run at a time; others wait (default: 64)", whole)
    .option("--chunk <n>", "prompt tokens a pass (default: 256)", whole);
}

export const TEMPLATE_VARIABLE =
  "variable of the chat template, JSON or text, such as enable_thinking=false; may be given several times";

/** What is asked, and in which form. */
export function promptOptions(command: Command): Command {
  return command
    .argument("[prompt...]", "a question for the model's chat template; - stands for standard input (default: -)")
    .option("--raw", "take the prompt as text, every byte of it, without the chat template")
    .option("--system <text>", "a system message before the question")
    .option("--template-var <name=value>", TEMPLATE_VARIABLE, variables)
    .option(
      "--control-tokens <how>",
      "what a control token's spelling (<|im_end|>) in the question or system text is: text (default), or parse: the token",
      choice("text", "parse"),
    )
    .addHelpText(
      "after",
      `
Arguments are joined by blanks and taken as they are. Of standard input only the last newline is dropped (nothing with
--raw). Text on standard input beside arguments without - is refused: a pipe is listened to for 0.1 s, not waited for.
Sampling that no flag names is that of the model's generation_config.json where it has one; the usage line says which.`,
    );
}

/** What the cache keeps and how tokens are drawn. */
export const samplingOptions = (command: Command): Command => drawOptions(keepOptions(command));

function keepOptions(command: Command): Command {
  return command
    .option(
      "--policy <spec>",
      "name or name:setting=value,... (see `hyperthink policies`; default: dms where the model has gates, else full)",
    )
    .option(
      "--cr <ratio>",
      "compression ratio, 8 means 8x smaller: of the prompt, or (policies that act while decoding) of prompt + max tokens",
      number,
    )
    .option(
      "--window <n>",
      "queries that a doomed key still serves, or last queries that rank (default: the policy's)",
      whole,
    )
    .option(
      "--budget <what>",
      "live keys a lane, or what is spent as LENGTH-WIDTH-CR: 32k-8-4 is 8 chains of 32k new tokens, 4x smaller (eval takes lists)",
      budget,
    )
    .option("--threshold <z>", "dms: evict above this decision logit; kvzap: keep from this score on", number)
    .option("--protect <what>", "first positions that no cut takes: prompt, system or a number of tokens", protectable)
    .option("--max-tokens <n>", "most new tokens (default: what the context leaves)", whole);
}

/** How tokens are drawn, and what ends a reply or its thinking. */
export function drawOptions(command: Command): Command {
  return command
    .option("--temperature <t>", "0: greedy, whatever the model suggests", number)
    .option("--top-k <n>", "0: all", whole)
    .option("--top-p <p>", "1: all", number)
    .option("--min-p <p>", "0: all", number)
    .option("--repetition-penalty <r>", "1: none", number)
    .option("--seed <n>", "same seed, same text (default: 0)", whole)
    .option(
      "--stop <text>",
      "text that ends the output; \\n \\r \\t \\\\ \\uXXXX \\u{X} are escapes, any other backslash is itself (\\boxed, but \\\\text); may be given several times",
      stopTexts,
    )
    .option("--thinking <tags>", "tags around the thinking, or none (default: <think>,</think>)", thinkingTags)
    .option("--think-most <n>", "most tokens of thinking: then its end is forced (arXiv 2501.19393)", whole)
    .option("--think-last <text>", "text before the forced end, with escapes as --stop (default: \\n)", escaped)
    .option("--think-least <n>", "fewest tokens of thinking: an end before that is replaced by the nudge", whole)
    .option(
      "--nudges <n>",
      "most ends of thinking that are replaced (default: with --think-least as many as it takes)",
      whole,
    )
    .option(
      "--nudge <text>",
      'text in place of an end of thinking, with escapes as --stop (default: the model\'s thinking_nudge, else "\\nWait,")',
      escaped,
    )
    .option("--stop-id <id>", "token id that ends the output, beside the model's; may be given several times", wholes);
}

export const loadOptions = (flags: ModelFlags, fallback: string): LoadOptions => ({
  ...flags,
  model: flags.model ?? embedded(fallback),
});

/** Width that --budget LENGTH-WIDTH-CR says, if any. Throws `bad-argument` where other flags say otherwise. */
export function budgetWidth({ budget, ...flags }: SamplingFlags & ModelFlags & { width?: number }): number | undefined {
  if (typeof budget !== "object") return undefined;
  const name = `--budget ${budgetName(budget)}`;
  for (const [said, part] of [
    ["width", "width"],
    ["maxTokens", "length"],
    ["cr", "ratio"],
  ] as const)
    if (flags[said] !== undefined)
      throw badArgument(`${name} says the ${part}: leave out --${said === "maxTokens" ? "max-tokens" : said}`);
  if (flags.policy === "full" && budget.cr > 1) throw badArgument(`${name}: the policy full has no ratio but 1`);
  if (flags.context !== undefined && flags.context <= budget.length)
    throw badArgument(`${name}: --context ${flags.context} has no room for ${budget.length} tokens and a prompt`);
  return budget.width;
}

/**
 * Checks LENGTH-WIDTH-CR, if that is what --budget says, against the model and the policy as `eval` does, before
 * weights are loaded. Throws `bad-argument`, and what the model's files are refused with.
 */
export async function checkBudget(flags: SamplingFlags & ModelFlags, fallback: string): Promise<void> {
  const { budget, adapter = [], probe, context } = flags;
  if (typeof budget !== "object") return;
  const model = { path: flags.model ?? embedded(fallback), adapters: adapter };
  const models = await knowModels([model], { probe, context });
  const [{ trained }] = models.values();
  const policy = withFlags(flags.policy ?? (trained.dms ? "dms" : "full"), flags);
  chooseSettings(
    [{ name: `--budget ${budgetName(budget)} with ${policy}`, model, policy, budgets: [budget], all: true }],
    models,
  );
}

/** A policy's spec with the settings that flags name; one that both name is refused unless it is the same. */
function withFlags(spec: string, { window, threshold, protect }: SamplingFlags): string {
  const { options } = parseSpec(spec);
  const more = Object.entries({ window, threshold, protect } satisfies PolicyOptions).filter(
    ([name, value]) => value !== undefined && options[name as keyof PolicyOptions] !== value,
  );
  return more.reduce((text, [name, value]) => withSetting(text, name, value!), spec);
}

export const generateOptions = (
  { stopId, templateVar, thinking, budget, ...flags }: SamplingFlags & PromptFlags,
  session: Session,
): GenerateOptions => ({
  ...flags,
  ...(typeof budget === "object" ? budgetOptions(budget) : { budget }),
  thinking: thinking === "none" ? null : thinking,
  stopIds: stopId && [...session.config.eosIds, ...stopId],
  template: templateVar,
});
