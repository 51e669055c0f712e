import { dirname } from "node:path";
import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import { parseConfig } from "../model/config.ts";
import { openSource, readJson } from "../model/source.ts";
import { machineMemory, openDevice } from "../request/session.ts";
import { checkOut } from "../train/disk/outFolder.ts";
import { checkPretrain, type PretrainOptions, pretrain } from "../train/pretrain.ts";
import { TRAIN_SETTINGS } from "../train/settings.ts";
import { interruptible } from "./open.ts";
import { choice, number, wholeList } from "./parse.ts";
import { trainingBoard } from "./training-board.ts";
import { trainingData } from "./training-data.ts";
import { type TrainingFlags, trainingOptions, trainSettings, unreadOfTraining } from "./training-options.ts";
import { refuseUnread, unreadOf } from "./unread.ts";

interface Flags extends TrainingFlags {
  config?: string;
  from?: string;
  tokenizer?: string;
  deviation: number;
  lookBack?: number[];
  dtype: "bf16" | "f32";
}

export function registerPretrain(program: Command): void {
  const command = program
    .command("pretrain")
    .description("train a small model on the tokens that follow, from random weights or from a checkpoint")
    .option("--config <file>", "config.json of the model, as transformers writes it: begins from random weights")
    .option("--from <dir>", "model folder whose weights, config and tokenizer it begins from")
    .option("--tokenizer <dir>", "folder with tokenizer.json and chat template (default: --from's, or beside --config)")
    .option("--deviation <d>", "standard deviation of random weights", number, 0.02)
    .option(
      "--look-back <list>",
      "KV groups of layer 0 that begin by looking so many tokens back, such as 1,2",
      wholeList,
    )
    .option("--dtype <type>", "of the saved matrices: bf16 or f32", choice("bf16", "f32"), "bf16");
  const optimizer = { ...TRAIN_SETTINGS.optimizer, matrices: "muon" } as const;
  trainingOptions(command, { windows: 8, length: 1024, steps: 1000, optimizer });
  command.addHelpText(
    "after",
    `
Heads that look back make lookups form in models of a few million parameters (models/README.md).
Public recipe: NVIDIA Model-Optimizer, experimental/dms, which learns gates.
Examples:
  hyperthink pretrain --config config.json --tokenizer models/abacus --data stories.txt --out tiny --steps 2000
  hyperthink pretrain --from tiny --data chats.jsonl --out tiny-chat --rate 1e-3`,
  );
  command.action(runPretrain);
}

async function runPretrain(flags: Flags, command: Command): Promise<void> {
  if ((flags.config === undefined) === (flags.from === undefined))
    throw badArgument("expected --config FILE (random weights) or --from DIR (its weights), one of them");
  refuseUnread(command, [
    ...unreadOf(["lookBack", "deviation"], flags.from !== undefined, "--config, whose weights are drawn"),
    ...unreadOfTraining(flags),
  ]);
  await checkOut(
    flags.out,
    [flags.from, flags.tokenizer].filter((path) => path !== undefined),
    { goesOn: true },
  );
  const signal = interruptible();
  const settings = trainSettings(flags);
  const beside = flags.tokenizer ?? flags.from ?? dirname(flags.config!);
  const config = await configOf(flags);
  checkPretrain(parseConfig(config), settings); // before the data are read
  const data = await trainingData(flags, beside, Number(config.vocab_size), signal);
  const board = trainingBoard(flags, settings.steps);
  try {
    const options: PretrainOptions = {
      ...{ config, beside, out: flags.out, ...data, settings, signal, onEntry: board.entry },
      from: flags.from ?? { seed: flags.seed, deviation: flags.deviation, lookBack: flags.lookBack ?? [] },
      onRan: board.plot,
      note: board.say,
      onForecast: board.forecast,
      memory: machineMemory(),
      dtype: flags.dtype === "bf16" ? "BF16" : "F32",
    };
    await pretrain(options, () => openDevice(flags.device, flags.threads));
  } finally {
    board.done();
  }
  await board.finish();
}

async function configOf({ config, from }: Flags): Promise<Record<string, unknown>> {
  const source = from === undefined ? null : await openSource(from);
  const json = await (source ? source.json("config.json") : readJson(config!));
  if (json !== null) return json as Record<string, unknown>;
  throw source ? await source.lacks("config") : badArgument(`${config}: expected the model's config.json, found none`);
}
