import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import { openAdapters } from "../model/adapters.ts";
import { loadConfig } from "../model/load.ts";
import { openSource } from "../model/source.ts";
import { machineMemory, openDevice } from "../request/session.ts";
import { checkOut } from "../train/disk/outFolder.ts";
import type { TrainMode } from "../train/parameters.ts";
import { checkRetrofit, retrofit } from "../train/retrofit.ts";
import type { RetrofitAsked, RetrofitPlan, RetrofitSettings } from "../train/retrofitOptions.ts";
import { TRAIN_SETTINGS } from "../train/settings.ts";
import { gateStart } from "./gate-start.ts";
import { interruptible, note } from "./open.ts";
import { choice, number, texts, whole } from "./parse.ts";
import { type KvzapFlags, kvzapOptions, runKvzap, unreadOfKvzap } from "./retrofit-kvzap.ts";
import { trainingBoard } from "./training-board.ts";
import { trainingData } from "./training-data.ts";
import { type TrainingFlags, trainingOptions, trainSettings, unreadOfTraining } from "./training-options.ts";
import { refuseUnread, type Unread, unreadOf } from "./unread.ts";

interface Flags extends TrainingFlags, Pick<KvzapFlags, "surrogate" | "scores" | "prompts"> {
  method: "dms" | "kvzap";
  init?: "zero" | "kvzap";
  model: string;
  from?: string;
  adapter?: string[];
  teacher?: string;
  cr: number;
  crFrom?: number;
  crSteps: number;
  achieve?: number[];
  saveEach: number;
  loss: "distill" | "ntp";
  kl: "reverse" | "forward";
  train: TrainMode;
  gates?: RetrofitSettings["gates"];
  per?: RetrofitSettings["per"];
  window?: number;
  eviction?: "delayed" | "immediate";
  trigger: RetrofitSettings["trigger"];
  tau?: number;
  alphaScale?: number;
  alphaOffset?: number;
  shift?: RetrofitSettings["shift"];
  sparsity: number;
  gateRate: number;
  rank: number;
  loraAlpha?: number;
  dtype: "bf16" | "f32";
}

export function registerRetrofit(program: Command): void {
  const command = program
    .command("retrofit")
    .description("teach a model to compress its own cache: DMS gates by distillation from its uncompressed self")
    .requiredOption("-m, --model <dir>", "model folder")
    .option(
      "--method <name>",
      "dms, or kvzap: a probe for the policy kvzap, fitted to KVzip's scores (arXiv 2601.07891)",
      choice("dms", "kvzap"),
      "dms",
    )
    .option(
      "--init <what>",
      "gates begin closed (zero, paper), or as a linear fit of KVzip's scores (kvzap: arXiv 2505.23416, 2601.07891; as gates: chosen here), which small batches need (default: kvzap where gates are new, one per head, of their own and without --shift 1)",
      choice("zero", "kvzap"),
    )
    .option("--from <dir>", "folder of an earlier retrofit, whose gates and LoRA learn on")
    .option(
      "--adapter <dir>",
      "folder with a LoRA or gates under it; LoRAs are merged; may be given several times",
      texts,
    )
    .option(
      "--teacher <dir>",
      "model that is distilled (paper: the model itself) (default: --model as it is, with every key kept)",
    )
    .option(
      "--cr <ratio>",
      "nominal compression ratio to rise to (paper): shares of decisions, those in the window too",
      number,
      4,
    )
    .option(
      "--cr-from <ratio>",
      "where it begins (default: 1 as in the paper; with --init kvzap 3/4 of --cr, or of the least of --achieve: chosen here; where the ratio of gates that learn on ended)",
      number,
    )
    .option("--cr-steps <n>", "steps a unit of CR (paper: 100; public recipe: 34)", whole, 100)
    .option(
      "--achieve <list>",
      "save at each ratio that held-out text achieves, such as 2,4,8, and end with the last (paper: one run, a family)",
      ratios,
    )
    .option("--save-each <n>", "save in a folder of its own each so many steps (chosen here); 0: never", whole, 0)
    .option(
      "--loss <name>",
      "distill (paper), or ntp: the tokens that follow (summaries of the paper)",
      choice("distill", "ntp"),
      "distill",
    )
    .option(
      "--kl <direction>",
      "of distillation: reverse, KL(student || teacher), as the public code has it, or forward",
      choice("reverse", "forward"),
      "reverse",
    )
    .option(
      "--train <what>",
      "gates alone, with a LoRA of every projection (arXiv 2106.09685), or full: all weights (paper)",
      choice("gates", "lora", "full"),
      "lora",
    )
    .option(
      "--gates <where>",
      "own tensors, or a borrowed channel of the queries (paper) (default: own)",
      choice("own", "borrowed"),
    )
    .option(
      "--per <what>",
      "a decision per KV head (paper) or per layer (public code) (default: head)",
      choice("head", "layer"),
    )
    .option(
      "--window <n>",
      "tokens that a key still serves once it is labelled (paper: 256; 16 suffice for CR 4) (default: 32)",
      whole,
    )
    .option(
      "--eviction <when>",
      "delayed by the window (paper), or immediate: its ablation (default: delayed)",
      choice("delayed", "immediate"),
    )
    .option(
      "--trigger <which>",
      "every query under the mask, or those after a random one (summaries of the paper)",
      choice("every", "random"),
      "every",
    )
    .option("--tau <t>", "temperature of the Gumbel-sigmoid (public recipe: 0.1, the default)", number)
    .option("--alpha-scale <s>", "factor of gate logits (public recipe: 100, the default)", number)
    .option("--alpha-offset <o>", "gates begin closed by so much (paper: 5, the default)", number)
    .option(
      "--shift <n>",
      "1: the next token's decision labels a key (public code); 0: its own (default: 1, with --init kvzap 0)",
      shifts,
    )
    .option("--sparsity <w>", "weight of the one-sided sparsity term (public recipe: 1)", number, 1)
    .option("--gate-rate <r>", "AdamW's rate of gates (chosen here)", number, TRAIN_SETTINGS.optimizer.gateRate)
    .option("--rank <r>", "of the LoRA (chosen here)", whole, 16)
    .option("--lora-alpha <a>", "its scale is a / rank, as PEFT has it (default: twice the rank)", number)
    .option("--dtype <type>", "of saved matrices: bf16 or f32; gates are f32", choice("bf16", "f32"), "bf16");
  // As the shipped retrofits learned; 1e-2 was no better after 650 steps (LOG.md), and 0.02 is for pretraining.
  trainingOptions(command, { optimizer: { ...TRAIN_SETTINGS.optimizer, muonRate: 5e-3 } });
  kvzapOptions(command);
  command.addHelpText(
    "after",
    `
Paper: arXiv 2506.05345. Public recipe and code: NVIDIA Model-Optimizer, experimental/dms. The achieved ratio counts
keys that queries read, as the engine's meter does: it is below the nominal one, since keys in the window stay.
Gates that begin by --init kvzap have a bias and label by a key's own token (dms_label_shift 0), as this engine reads
them; NVIDIA's code knows neither and would shift each label by a token: use --init zero for it.
Gates that learn on (--from, or those of --model) keep their window and tau unless others are given, and their form:
--gates, --per, --shift and --alpha-* that differ from it are refused.
Examples:
  hyperthink retrofit --model DIR --data books/ --cr 4 --out DIR-dms
  hyperthink retrofit --method kvzap --model DIR --data books/ --length 1024 --out DIR-probe
  hyperthink retrofit --model DIR --data chats.jsonl --train full --cr 12 --achieve 2,4,8 --steps 1100 --out DIR-dms`,
  );
  command.action(runRetrofit);
}

const ratios = (text: string): number[] => text.split(",").map((part) => number(part));
const shifts = (text: string): 0 | 1 => Number(choice("0", "1")(text)) as 0 | 1;

/** What the run reads of models. */
const folders = ({ model, adapter = [], from, teacher }: Flags): string[] =>
  [model, ...adapter, from, teacher].filter((path) => path !== undefined);

async function runRetrofit(given: Flags, command: Command): Promise<void> {
  const fits = given.method === "kvzap";
  const flags = fits ? given : { ...given, init: given.init ?? ((await canFit(given)) ? "kvzap" : "zero") };
  refuseUnread(command, fits ? unreadOfKvzap(command) : unreadOfDms(flags));
  await checkOut(flags.out, folders(flags), { goesOn: !fits });
  if (fits) return runKvzap(flags);
  const achieve = flags.achieve ?? [];
  if (achieve.some((cr, i) => !(cr > 1 && cr > (achieve[i - 1] ?? 1))))
    throw badArgument(`--achieve: expected ascending ratios above 1 such as 2,4,8, got ${achieve.join()}`);
  const signal = interruptible();
  const settings = trainSettings(flags, { gateRate: flags.gateRate });
  const chosen = askedOf(flags);
  const plan: RetrofitPlan = {
    ...{ model: flags.model, adapters: flags.adapter ?? [], teacher: flags.teacher ?? null, out: flags.out },
    earlier: flags.from ?? null,
    ...{ settings, signal, achieve, saveEach: flags.saveEach },
    start: flags.init === "kvzap" ? gateStart(flags, signal) : null,
    retrofit: chosen,
    memory: machineMemory(),
    dtype: flags.dtype === "bf16" ? "BF16" : "F32",
  };
  const { config, settings: form } = await checkRetrofit(plan); // before the data are read
  if (given.init === undefined && flags.init === "zero" && config.dms === null)
    note("gates begin closed, since these cannot begin as a fit: small batches end worse so (--help, --init)");
  if (flags.eviction === "delayed" && form.window === 0)
    throw badArgument("--eviction delayed: expected --window from 1, as the window is 0");
  const data = await trainingData(flags, flags.model, config.vocabulary, signal);
  const board = trainingBoard(flags, settings.steps);
  const heard = { onEntry: board.entry, onRan: board.plot, note: board.say, onForecast: board.forecast };
  try {
    await retrofit({ ...plan, ...data, ...heard }, () => openDevice(flags.device, flags.threads));
  } finally {
    board.done();
  }
  await board.finish();
}

/** Asked for in these forms, gates cannot begin as a fit. */
const noFit = ({ shift, gates, per, from }: Flags): boolean =>
  shift === 1 || gates === "borrowed" || per === "layer" || from !== undefined;

/** Whether gates can begin as a fit: none are there, and none of another form are asked for. */
async function canFit(flags: Flags): Promise<boolean> {
  if (noFit(flags)) return false;
  const { gates } = await openAdapters(flags.adapter ?? []);
  return (await loadConfig(await openSource(flags.model), gates)).dms === null;
}

const unreadOfDms = (flags: Flags): Unread[] => [
  ...unreadOf(["kl", "teacher"], flags.loss === "ntp", "--loss distill"),
  ...unreadOf(["rank", "loraAlpha"], flags.train !== "lora", "--train lora"),
  ...unreadOf(
    ["rate", "decay", "dtype"],
    flags.train === "gates",
    "--train lora and full (gates learn by --gate-rate)",
  ),
  ...unreadOf(["surrogate"], true, "--method kvzap (gates begin as a linear one)"),
  ...unreadOf(["scores", "prompts"], flags.init === "zero", "--init kvzap"),
  ...unreadOf(["window"], flags.eviction === "immediate" && flags.window !== 0, "--eviction delayed"),
  ...unreadOfTraining(flags),
];

function askedOf(flags: Flags): RetrofitAsked {
  const least = Math.min(flags.cr, ...(flags.achieve ?? []));
  const from = flags.crFrom ?? (flags.init === "kvzap" ? Math.max(1, 0.75 * least) : undefined);
  if (from !== undefined && !(from >= 1 && from <= flags.cr))
    throw badArgument(`--cr-from: expected 1 to --cr, ${flags.cr}, got ${from}`);
  if (flags.init === "kvzap" && noFit(flags))
    throw badArgument(
      "--init kvzap: expected new gates of their own, one per head, that label by a key's own token (--shift 0)",
    );
  if (flags.eviction === "immediate")
    note("--eviction immediate: a key that is labelled serves no later query (window 0)");
  return {
    loss: flags.loss === "distill" ? { kind: "distill", direction: flags.kl } : { kind: "next" },
    train: flags.train,
    gates: flags.gates,
    per: flags.per,
    window: flags.eviction === "immediate" ? 0 : flags.window,
    shift: flags.shift ?? (flags.init === "kvzap" ? 0 : undefined),
    trigger: flags.trigger,
    tau: flags.tau,
    alphaScale: flags.alphaScale,
    alphaOffset: flags.alphaOffset,
    ramp: { from, cr: flags.cr, perUnit: flags.crSteps },
    sparsityWeight: flags.sparsity,
    rank: flags.rank,
    loraScale: (flags.loraAlpha ?? 2 * flags.rank) / flags.rank,
  };
}
