import type { Command } from "commander";
import { Equality } from "../scale/equality/equality.ts";
import { type ScaleOptions, scale } from "../scale/scale.ts";
import { type ChooseFlags, chooseOf, chooseOptions } from "./aggregate.ts";
import { openBoard } from "./board.ts";
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

type Flags = ModelFlags &
  SamplingFlags &
  PromptFlags &
  ChooseFlags & { width?: number; merge?: boolean; json?: boolean };

const MODEL = "abacus-dms-8x";

export function registerScale(program: Command): void {
  const command = program
    .command("scale")
    .description("run W chains over one prompt and let them vote, or let another aggregator choose")
    .option("-w, --width <n>", "chains (default: 8)", whole)
    .option("--merge", "let answers that are equal in other spellings vote as one, by a symbolic library")
    .option("--json", "print the result as one JSON object");
  chooseOptions(samplingOptions(modelOptions(promptOptions(command))));
  command.addHelpText(
    "after",
    `
The default temperature is 1, also where the model suggests greedy decoding.
Examples: hyperthink scale --width 8 "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?"
          hyperthink scale --aggregate confidence:measure=tail,top=0.9 "Why?"
          hyperthink scale --aggregate best --verifier "python3 score.py" "Write a poem of four lines."`,
  );
  command.action(run);
}

async function run(words: string[], flags: Flags): Promise<void> {
  const width = budgetWidth(flags) ?? flags.width ?? 8;
  await using equality = new Equality();
  const chosen = chooseOf(flags, equality);
  await checkBudget(flags, MODEL);
  noteMoot(flags.thinkMost, [typeof flags.budget === "object" ? flags.budget.length : flags.maxTokens]);
  const text = await promptText(words, flags);
  const signal = interruptible();
  if (!flags.model)
    note(`no --model: using the embedded ${MODEL}, which knows problems about containers of beads and nothing else`);
  await using session = await open({ ...loadOptions(flags, MODEL), signal });
  const merge = flags.merge && equality;
  const options: ScaleOptions = { ...generateOptions(flags, session), ...chosen, width, merge, signal };
  const scaling = scale(session, promptOf(text, flags), options);
  if (!flags.json) {
    const board = openBoard(process.stdout);
    for await (const event of scaling) board.show(event);
  }
  const result = await scaling.result;
  noteSampling(session, result.sampling);
  if (result.sampling.temperature === 0 && width > 1)
    note("greedy chains are all alike, so their vote is one chain's: expected a temperature above 0");
  if (flags.json) console.log(JSON.stringify(result));
  else {
    noteIdle(flags.policy, result.usage.compressionRatio);
    process.stderr.write(`[${samplingText(result.sampling)}]\n`);
  }
}
