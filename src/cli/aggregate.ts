import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import { aggregatorRecipes } from "../scale/aggregate/index.ts";
import { type ChooseOptions, chooserOf } from "../scale/chooser.ts";
import type { Equality } from "../scale/equality/equality.ts";
import { commandVerifier } from "../scale/verifier/command.ts";
import { REWARD_FORMS, type RewardFormName } from "../scale/verifier/forms.ts";
import { goldVerifier } from "../scale/verifier/gold.ts";
import { rewardModel } from "../scale/verifier/http.ts";
import { LIMIT, type Verifier } from "../scale/verifier/verifier.ts";
import { columns } from "./format.ts";
import { choice, escaped, number, whole, wholes } from "./parse.ts";

export interface ChooseFlags {
  aggregate?: string;
  earlyStop?: boolean;
  verifier?: string;
  verifierLimit?: number;
  rewardUrl?: string;
  rewardForm?: RewardFormName;
  rewardModel?: string;
  rewardReads?: "reply" | "text";
  rewardTemplate?: string;
  rewardLabel?: number;
  rewardToken?: number[];
  gold?: string;
}

/** Where a reward model's key is taken from: not from the command line, which other users of the machine may read. */
const KEY = "HYPERTHINK_REWARD_KEY";

/** Who chooses the answer. */
export function chooseOptions(command: Command): Command {
  return command
    .option("--aggregate <spec>", "who chooses: a name below, or name:setting=value,... (default: majority)")
    .option("--early-stop", "majority: stop once the winner is certain (default)")
    .option("--no-early-stop", "let every chain end, even when the vote is decided; other aggregators always do")
    .option("--verifier <command>", "a command line that scores chains: see below")
    .option("--verifier-limit <s>", `seconds for a command, or a request (default: ${LIMIT})`, number)
    .option("--reward-url <url>", `a reward model's server; a key, if it wants one, from ${KEY}`)
    .option("--reward-form <form>", "how it is asked: see below (default: vllm-classify)", choice(...FORMS))
    .option("--reward-model <name>", "the model's name there")
    .option(
      "--reward-reads <what>",
      "reply (default): what follows the thinking; or text: all",
      choice("reply", "text"),
    )
    .option(
      "--reward-template <text>",
      "the model's template with {prompt} and {text}, with escapes as --stop",
      escaped,
    )
    .option("--reward-label <n>", "which class of several is the score, from 0 (default: the last)", whole)
    .option("--reward-token <id>", "sglang-score: label tokens, the one for right first; several times", wholes)
    .option("--gold <answer>", "a verifier that passes this answer in any spelling")
    .addHelpText("after", HELP);
}

const FORMS = Object.keys(REWARD_FORMS) as RewardFormName[];

const HELP = `
Aggregators, with their settings and sources:
${columns(
  aggregatorRecipes.flatMap(({ name, summary, source, settings }) => [
    [`  ${name}`, `${summary} (${source})`],
    ...Object.entries(settings).map(([setting, words]) => [`    ${setting}=`, words]),
  ]),
)}
best, weighted and pass need one verifier. A command is run once: it reads a JSON object a line, { chain, prompt, text,
reply, answer }, and prints a score a line: numbers (or true, false) in the same order, or { "chain": 0, "score": 0.5 } in
any. A verifier that fails, hangs or prints nonsense costs the chains at hand their votes, which the result lists.
Reward models are asked a chain a request:
${columns(Object.entries(REWARD_FORMS).map(([name, { path, summary }]) => [`  ${name}`, path, summary]))}`;

/** Throws `bad-argument` for flags that contradict each other: before a model is loaded. `equality`: for --gold. */
export function chooseOf(flags: ChooseFlags, equality: Equality): ChooseOptions {
  const { aggregate, earlyStop } = flags;
  const options = { aggregate, earlyStop, verifier: verifierOf(flags, equality) };
  chooserOf(options);
  return options;
}

function verifierOf(flags: ChooseFlags, equality: Equality): Verifier | undefined {
  const { verifier, rewardUrl, gold, verifierLimit: limit } = flags;
  if ([verifier, rewardUrl, gold].filter((flag) => flag !== undefined).length > 1)
    throw badArgument("expected one of --verifier, --reward-url and --gold");
  const stray = Object.keys(flags).find((flag) => /^reward(?!Url$)/.test(flag));
  if (stray !== undefined && rewardUrl === undefined)
    throw badArgument(`--${stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} needs --reward-url`);
  if (limit !== undefined && verifier === undefined && rewardUrl === undefined)
    throw badArgument("--verifier-limit needs --verifier or --reward-url");
  if (verifier !== undefined) return commandVerifier(verifier, { limit });
  if (gold !== undefined) return goldVerifier(gold, equality);
  if (rewardUrl === undefined) return undefined;
  return rewardModel({
    url: rewardUrl,
    form: flags.rewardForm,
    model: flags.rewardModel,
    reads: flags.rewardReads,
    template: flags.rewardTemplate,
    label: flags.rewardLabel,
    labelTokens: flags.rewardToken,
    key: process.env[KEY],
    limit,
  });
}
