import type { Command } from "commander";
import { type GenerateResult, generate } from "../engine/generate.ts";
import { size, some } from "./format.ts";
import { interruptible, note, noteIdle, open, promptOf, promptText } from "./open.ts";
import {
  generateOptions,
  loadOptions,
  type ModelFlags,
  modelOptions,
  type SamplingFlags,
  samplingOptions,
} from "./options.ts";
import { whole } from "./parse.ts";

type Flags = ModelFlags & SamplingFlags & { raw?: boolean; system?: string; logprobs?: number; json?: boolean };

export function registerGenerate(program: Command): void {
  const command = program
    .command("generate")
    .description("stream one continuation of a prompt")
    .argument("[prompt...]", "a question for the model's chat template (default: standard input)")
    .option("--raw", "take the prompt as text, without the chat template")
    .option("--system <text>", "a system message before the question")
    .option("--logprobs <n>", "with --json: log-probabilities of the n best tokens a step", whole)
    .option("--json", "print one JSON object instead of text");
  samplingOptions(modelOptions(command));
  command.addHelpText("after", '\nExample: hyperthink generate -m ./SmolLM2-135M-Instruct "Name three colours."');
  command.action(run);
}

async function run(words: string[], flags: Flags): Promise<void> {
  const text = await promptText(words);
  const signal = interruptible();
  if (!flags.model)
    note("no --model: using the embedded beads, which knows problems about containers of beads and nothing else");
  await using session = await open({ ...loadOptions(flags, "beads"), signal });
  const started = performance.now();
  const generation = generate(session, promptOf(text, flags), {
    ...generateOptions(flags),
    logprobs: flags.logprobs ?? (flags.json ? 0 : null),
    signal,
  });
  const tokens = [];
  for await (const piece of generation) {
    if (!flags.json) process.stdout.write(piece.text);
    else if (piece.token) tokens.push(piece.token);
  }
  const result = await generation.result;
  const seconds = (performance.now() - started) / 1000;
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
  process.stdout.write("\n");
  noteIdle(flags.policy, result.compressionRatio);
  process.stderr.write(`${receiptLine(result, seconds)}\n${session.device.description}\n`);
}

const receiptLine = (r: GenerateResult, seconds: number): string =>
  `[${r.prompt.tokens} + ${some(r.tokens, "token")}, ${(r.tokens / seconds).toFixed(1)} tokens/s, ended by ${r.finish}; ` +
  `${some(r.kvReads, "KV read")}, ${r.compressionRatio.toFixed(2)}x fewer than the full cache, ` +
  `peak ${some(r.bill.peakPages, "page")} = ${size(r.bill.peakBytes)}]`;
