import type { Command } from "commander";
import { type ScaleOptions, scale } from "../scale/scale.ts";
import { openBoard } from "./board.ts";
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

type Flags = ModelFlags &
  SamplingFlags & { width: number; earlyStop: boolean; raw?: boolean; system?: string; json?: boolean };

export function registerScale(program: Command): void {
  const command = program
    .command("scale")
    .description("run W chains over one prompt and let them vote")
    .argument("[prompt...]", "a question for the model's chat template (default: standard input)")
    .option("-w, --width <n>", "chains", whole, 8)
    .option("--no-early-stop", "let every chain end, even when the vote is decided")
    .option("--raw", "take the prompt as text, without the chat template")
    .option("--system <text>", "a system message before the question")
    .option("--json", "print the result as one JSON object");
  samplingOptions(modelOptions(command));
  command.addHelpText(
    "after",
    '\nThe default temperature is 1.\nExample: hyperthink scale --width 8 "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?"',
  );
  command.action(run);
}

async function run(words: string[], flags: Flags): Promise<void> {
  const text = await promptText(words);
  const signal = interruptible();
  if (!flags.model)
    note(
      "no --model: using the embedded beads-dms-full-4x, which knows problems about containers of beads and nothing else",
    );
  await using session = await open({ ...loadOptions(flags, "beads-dms-full-4x"), signal });
  const options: ScaleOptions = { ...generateOptions(flags), width: flags.width, earlyStop: flags.earlyStop, signal };
  const scaling = scale(session, promptOf(text, flags), options);
  if (!flags.json) {
    const board = openBoard(process.stdout);
    for await (const event of scaling) board.show(event);
  }
  const result = await scaling.result;
  if (flags.json) console.log(JSON.stringify(result));
  else noteIdle(flags.policy, result.bill.compressionRatio);
}
