import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import { type GenerateResult, generate } from "../request/generate.ts";
import { counted, size } from "./format.ts";
import { interruptible, note, noteIdle, noteMoot, open } from "./open.ts";
import {
  budgetWidth,
  checkBudget,
  generateOptions,
  loadOptions,
  type ModelFlags,
  modelOptions,
  promptOptions,
  type SamplingFlags,
  samplingOptions,
} from "./options.ts";
import { whole } from "./parse.ts";
import { type PromptFlags, promptOf, promptText } from "./prompt.ts";
import { noteSampling, samplingText } from "./sampling.ts";
import { printable } from "./terminal.ts";

type Flags = ModelFlags & SamplingFlags & PromptFlags & { logprobs?: number; json?: boolean };

const MODEL = "abacus";

export function registerGenerate(program: Command): void {
  const command = program
    .command("generate")
    .description("stream one continuation of a prompt")
    .option("--logprobs <n>", "with --json: log-probabilities of the n best tokens a step", whole)
    .option("--json", "print one JSON object instead of text");
  samplingOptions(modelOptions(promptOptions(command)));
  command.addHelpText("after", '\nExample: hyperthink generate -m ./SmolLM2-135M-Instruct "Name three colours."');
  command.action(run);
}

async function run(words: string[], flags: Flags): Promise<void> {
  const width = budgetWidth(flags) ?? 1;
  if (width > 1)
    throw badArgument(`generate runs one chain: expected a width of 1 in --budget, got ${width}; use scale`);
  await checkBudget(flags, MODEL);
  noteMoot(flags.thinkMost, [typeof flags.budget === "object" ? flags.budget.length : flags.maxTokens]);
  const text = await promptText(words, flags);
  if (flags.logprobs !== undefined && !flags.json) note("--logprobs is shown with --json only");
  const signal = interruptible();
  if (!flags.model)
    note(`no --model: using the embedded ${MODEL}, which knows problems about containers of beads and nothing else`);
  await using session = await open({ ...loadOptions(flags, MODEL), signal });
  const started = performance.now();
  const generation = generate(session, promptOf(text, flags), {
    ...generateOptions(flags, session),
    logprobs: flags.logprobs ?? (flags.json ? 0 : null),
    signal,
  });
  const tokens = [];
  let shown = false;
  try {
    for await (const piece of generation) {
      if (flags.json) {
        if (piece.token) tokens.push(piece.token);
        continue;
      }
      shown ||= piece.text !== "";
      process.stdout.write(process.stdout.isTTY ? printable(piece.text) : piece.text);
    }
  } catch (error) {
    if (shown) process.stdout.write("\n");
    throw error;
  }
  if (!flags.json) process.stdout.write("\n");
  const result = await generation.result;
  const seconds = (performance.now() - started) / 1000;
  noteSampling(session, result.sampling);
  if (flags.json) {
    console.log(
      JSON.stringify({
        ...result,
        ids: tokens.map((token) => token.id),
        tokenDetails: flags.logprobs ? tokens : undefined,
        seconds,
      }),
    );
    return;
  }
  noteIdle(flags.policy, result.compressionRatio);
  process.stderr.write(`${usageLine(result, seconds)}\n${session.device.description}\n`);
}

const usageLine = (r: GenerateResult, seconds: number): string =>
  `[${r.prompt.tokens} + ${counted(r.tokens, "token")}, ${(r.tokens / seconds).toFixed(1)} tokens/s, ended by ${r.finish}; ` +
  `${samplingText(r.sampling)}; ` +
  `${counted(r.kvReads, "KV read")}, ${r.compressionRatio.toFixed(2)}x fewer than the full cache, ` +
  `peak ${counted(r.usage.peakPages, "page")} = ${size(r.usage.peakBytes)}]`;
