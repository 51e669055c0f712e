import { appendFile, stat, unlink, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { badArgument, HyperthinkError } from "../base/errors.ts";
import { ABACUS_TOKENS } from "../eval/abacus/problems.ts";
import type { Candidate } from "../eval/compare/compare.ts";
import { knowModels } from "../eval/harness/model.ts";
import type { RecordedSetting } from "../eval/harness/record.ts";
import { chooseSettings, hasOwnSize } from "../eval/harness/setting.ts";
import { recipes } from "../policy/index.ts";
import { parseSpec, withSetting } from "../policy/spec.ts";
import type { LoadOptions, Session } from "../request/session.ts";
import { type ScalingBudget, scalingBudgets } from "../scale/budget.ts";
import { type AccuracyFlags, accuracyRows } from "./compare-accuracy.ts";
import { onText, type TextFlags, textTable } from "./compare-text.ts";
import { counted } from "./format.ts";
import { interruptible, note, open } from "./open.ts";
import { embedded, loadOptions, type ModelFlags, modelOptions } from "./options.ts";
import { number, whole } from "./parse.ts";
import { plotSvg } from "./plot.ts";

interface CompareFlags extends ModelFlags, AccuracyFlags, TextFlags {
  cr: number[];
  budget?: ScalingBudget[];
  replayTexts: number;
  plot?: string;
  json?: boolean;
}

export function registerCompare(program: Command): void {
  const command = program
    .command("compare")
    .description("measure policies against the full cache: on a text, teacher-forced, or on problems with answers")
    .argument(
      "[policy...]",
      "name or name:setting=value,... (default: every policy that the model has what it takes for)",
    )
    .option("--text <file>", "a text; windows of it are read and scored token by token")
    .option(
      "--problems <what>",
      "beads, beads:N, abacus, abacus:N, or a JSONL file of {prompt, answer}, as GSM8K, MATH and AIME have it: accuracy instead of divergence",
    )
    .option(
      "--reference <dir>",
      "text: measure against the full cache of this model (of the same tokenizer), and full as the others: for weights that an adapter changed",
    )
    .option("--cr <list>", "ratios for policies that name no budget", ratios, [2, 4, 8])
    .option("--texts <n>", "windows of the text", whole, 8)
    .option("--replay-texts <n>", "windows for policies that replay the prompt, which is slow", whole, 4)
    .option("--prefix <n>", "tokens of a window that are its prompt", whole, 512)
    .option("--scored <n>", "tokens of a window that are fed one by one after it", whole, 512)
    .option(
      "--budget <list>",
      "problems: LENGTH-WIDTH-CR, such as 1k-4-2,1k-4-8 of one length and width, instead of --max-tokens, --width and --cr",
      scalingBudgets,
    )
    .option("--width <n>", "problems: chains each", whole, 4)
    .option("--max-tokens <n>", `problems: most new tokens a chain (abacus: ${ABACUS_TOKENS})`, whole, 440)
    .option("--seed <n>", "problems: seed of problems and chains", whole, 0)
    .option("--resume <file>", "keep results by text here, and go on from what it holds")
    .option("--plot <file>", "write divergence against achieved CR as SVG")
    .option("--json", "print as JSON");
  modelOptions(command);
  command.addHelpText(
    "after",
    `
With a budget by CR, policies that cut once keep 1 / CR of the prompt and then grow; those that cut while decoding keep
1 / CR of prompt + scored tokens (problems: prompt + max tokens). The table shows what was achieved, in all and of the
least and the most compressed head (--json: of each); floors such as SnapKV's window, R-KV's buffer or Quest's three
pages bind on short texts. KV bytes are of pages: the most in the prompt, after its cut, at the end. Up to 64 tokens
ride in a pass, each by decode attention.
Examples:
  hyperthink compare --model DIR --text book.txt snapkv h2o random --plot kl.svg
  hyperthink compare --model DIR --adapter LORA_DIR --reference DIR --text book.txt
  hyperthink compare --problems abacus:40 --budget 1k-4-2,1k-4-4 h2o tova`,
  );
  command.action(run);
}

function ratios(text: string): number[] {
  const list = text.split(",").map((part) => number(part));
  if (list.some((cr) => !(cr >= 1))) throw badArgument(`--cr: expected ratios >= 1 such as 2,4,8, got "${text}"`);
  return list;
}

/** Flags that only one of the two kinds of comparison has a use for. */
const ONLY = {
  text: ["reference", "texts", "replayTexts", "prefix", "scored", "plot", "resume"],
  problems: ["budget", "width", "maxTokens", "seed"],
};
const flagOf = (name: string): string => `--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;

async function run(specs: string[], given: CompareFlags, command: Command): Promise<void> {
  if ((given.text === undefined) === (given.problems === undefined))
    throw badArgument("expected --text FILE or --problems beads|abacus|FILE, one of them");
  const [used, other] = given.text === undefined ? (["problems", "text"] as const) : (["text", "problems"] as const);
  const stray = ONLY[other].find((name) => command.getOptionValueSource(name) === "cli");
  if (stray) throw badArgument(`${flagOf(stray)} belongs to --${other}: expected it not with --${used}`);
  const flags = { ...given, ...fromBudgets(given.budget, command) };
  const least = { texts: 1, prefix: 1, scored: 2, width: 1, maxTokens: 1, replayTexts: 1 } as const;
  for (const [name, n] of Object.entries(least))
    if (flags[name as keyof typeof least] < n)
      throw badArgument(`${flagOf(name)}: expected at least ${n}, got ${flags[name as keyof typeof least]}`);
  const settings = flags.budget && (await settingsOf(flags, specs, flags.budget));
  const signal = interruptible();
  if (flags.plot && !flags.reference && specs.length > 0 && specs.every((spec) => parseSpec(spec).name === "full"))
    throw badArgument("--plot: expected a policy besides full, whose divergence is nothing");
  if (flags.plot) await writable(flags.plot);
  if (flags.resume) await writable(flags.resume);
  await using session = await open({ ...loadOptions(flags, flags.text ? "abacus" : "abacus-dms-4x"), signal });
  await using reference = flags.reference === undefined ? null : await open({ ...referenceOptions(flags), signal });
  const isSaid = flags.budget !== undefined || command.getOptionValueSource("maxTokens") === "cli";
  const longer = /^abacus\b/.test(flags.problems ?? "") && !isSaid;
  const maxTokens = longer ? ABACUS_TOKENS : flags.maxTokens;
  const tokens = flags.text ? flags.prefix + flags.scored : maxTokens;
  const chosen = specs.length ? [...new Set(specs)] : recipes.map(({ name }) => name);
  const { candidates, unrun } = makeCandidates(session, chosen, specs.length === 0, flags, tokens, settings);
  let idle: string[] = [];
  if (flags.problems !== undefined) {
    const rows = await accuracyRows(session, candidates, { ...flags, maxTokens }, signal);
    idle = unmoved(rows.rows.map(({ policy, cr }) => ({ label: policy, cr })));
    if (flags.json) console.log(JSON.stringify({ rows: rows.rows, unrun }));
    else console.log(rows.text);
  } else {
    const summaries = await onText(session, reference, candidates, flags, signal);
    idle = unmoved(summaries);
    if (flags.json) console.log(JSON.stringify({ summaries, unrun }));
    else console.log(textTable(summaries, reference ? "reference" : "full"));
    if (flags.plot)
      await writeFile(
        flags.plot,
        await plotSvg(
          summaries,
          `${counted(flags.texts, "window")}, ${flags.prefix} + ${flags.scored} tokens`,
          reference ? "the reference's full cache" : undefined,
        ),
      );
  }
  if (!flags.json)
    for (const label of idle) note(`${label} evicted nothing here: its budget, window or floor was never exceeded`);
  for (const { name, why } of unrun) note(`UNRUN ${name}: ${why}`);
}

/** Length, width and ratios that --budget says. Throws `bad-argument` where it says several, or other flags say too. */
function fromBudgets(
  budgets: readonly ScalingBudget[] | undefined,
  command: Command,
): Partial<Pick<CompareFlags, "maxTokens" | "width" | "cr">> {
  if (budgets === undefined) return {};
  const twice = ["maxTokens", "width", "cr"].find((name) => command.getOptionValueSource(name) === "cli");
  if (twice) throw badArgument(`--budget says what ${flagOf(twice)} says: expected one of them`);
  const [{ length, width }] = budgets;
  if (budgets.some((other) => other.length !== length || other.width !== width))
    throw badArgument(
      "--budget: expected budgets of one length and width, which all policies are compared at; eval takes mixed ones",
    );
  return { maxTokens: length, width, cr: budgets.map(({ cr }) => cr).filter((cr) => cr > 1) }; // full is always there
}

/**
 * The settings of each policy, as `eval` chooses them, before weights are loaded: a policy that names its own size has
 * one, of ratio 1. Throws `bad-argument` for a policy that has no use for any ratio.
 */
async function settingsOf(
  { model: path = embedded("abacus-dms-4x"), adapter: adapters = [], probe, context }: CompareFlags,
  specs: readonly string[],
  budgets: readonly ScalingBudget[],
): Promise<ReadonlyMap<string, RecordedSetting[]>> {
  const model = { path, adapters };
  const plain = [{ ...budgets[0], cr: 1 }];
  const ratios = budgets.filter(({ cr }) => cr > 1);
  const policies = new Set(specs.filter((spec) => parseSpec(spec).name !== "full"));
  const { settings, leftOut } = chooseSettings(
    [
      { model, policy: "full", budgets: plain },
      ...[...policies].map((policy) => ({
        ...{ model, policy },
        budgets: hasOwnSize(policy) || ratios.length === 0 ? plain : ratios,
      })),
    ],
    await knowModels([model], { probe, context }),
  );
  for (const text of leftOut) note(`left out: ${text}`);
  return Map.groupBy(settings, ({ policy }) => policy);
}

/** The untouched model, held as the other one. */
const referenceOptions = (flags: CompareFlags): LoadOptions => ({
  ...loadOptions(flags, ""),
  model: flags.reference!,
  adapter: undefined,
  probe: undefined,
});

/** Policies that did nothing, which may surprise: budgets are shares of what a chain may say, not of what it says. */
const unmoved = (rows: readonly { label: string; cr: number }[]): string[] =>
  rows.filter(({ label, cr }) => label !== "full" && cr < 1.0005).map(({ label }) => label);

/** Long work must not end at a file that cannot be written. */
async function writable(file: string): Promise<void> {
  try {
    const isNew = (await stat(file).catch(() => null)) === null;
    await appendFile(file, "");
    if (isNew) await unlink(file); // work that fails leaves no empty file
  } catch (error) {
    throw badArgument(`${file}: expected a file that can be written: ${(error as Error).message}`);
  }
}

/** Each policy at each ratio; of all policies, those that this model cannot run are told of, not refused. */
function makeCandidates(
  session: Session,
  specs: readonly string[],
  lenient: boolean,
  { cr: list, replayTexts }: CompareFlags,
  tokens: number | undefined,
  settings?: ReadonlyMap<string, RecordedSetting[]>,
): { candidates: Candidate[]; unrun: { name: string; why: string }[] } {
  const candidates: Candidate[] = [{ label: "full", policy: session.policy("full"), cr: null }];
  const unrun: { name: string; why: string }[] = [];
  for (const spec of specs) {
    const { name, options } = parseSpec(spec);
    if (name === "full") continue;
    const recipe = recipes.find((r) => r.name === name);
    const byRatio = recipe?.budgets.includes("cr") && options.cr === undefined && options.budget === undefined;
    try {
      for (const cr of byRatio ? new Set(settings?.get(spec)?.map((setting) => setting.cr) ?? list) : [options.cr]) {
        const policy = session.policy(spec, { cr, tokens });
        const label = byRatio ? withSetting(spec, "cr", cr!) : spec;
        const replays = policy.cut?.watch.further ? { texts: replayTexts } : {};
        if (candidates.some((other) => other.label === label)) continue;
        candidates.push({
          label,
          policy,
          cr: cr ?? null,
          spec: { policy: spec, cr: byRatio ? cr : undefined },
          ...replays,
        });
      }
    } catch (error) {
      if (!lenient || !(error instanceof HyperthinkError)) throw error;
      unrun.push({ name, why: error.message });
    }
  }
  return { candidates, unrun };
}
