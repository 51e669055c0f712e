import { existsSync } from "node:fs";
import type { Command } from "commander";
import { duration } from "../base/duration.ts";
import { badArgument, HyperthinkError } from "../base/errors.ts";
import type { TaskChoice } from "../eval/harness/asked.ts";
import { type EvaluateEvent, evaluate } from "../eval/harness/evaluate.ts";
import { parseSetting, type SettingChoice } from "../eval/harness/setting.ts";
import { taskRecipes } from "../eval/tasks/index.ts";
import { openTask } from "../eval/tasks/open.ts";
import type { Style } from "../eval/tasks/task.ts";
import { type ScalingBudget, scalingBudgets } from "../scale/budget.ts";
import { commandLine } from "./command-line.ts";
import { openEvalBoard, summaryTable } from "./eval-board.ts";
import { columns, counted } from "./format.ts";
import { interruptible, note, noteIdle, noteMoot, open } from "./open.ts";
import { type DrawFlags, drawOptions, embedded, type ModelFlags, modelOptions, TEMPLATE_VARIABLE } from "./options.ts";
import { choice, texts, variables, whole } from "./parse.ts";

interface Flags extends ModelFlags, DrawFlags {
  task: string[];
  policy?: string[];
  budget?: ScalingBudget[];
  setting?: string[];
  out: string;
  data?: string[];
  limit?: number;
  style?: Style;
  thinkRoom?: number;
  batch?: number;
  templateVar?: Record<string, unknown>;
  json?: boolean;
}

const budgets = (text: string, before: ScalingBudget[] = []): ScalingBudget[] => [...before, ...scalingBudgets(text)];

export function registerEval(program: Command): void {
  const command = program
    .command("eval")
    .description(
      "accuracy against what the cache costs: tasks under policies and budgets, in a folder that a run goes on in",
    )
    .requiredOption(
      "--task <what>",
      "a task with settings, a file of prompts and answers, or a module whose default export is a task; may be given several times",
      texts,
    )
    .requiredOption("-o, --out <dir>", "folder of the record; a run that was stopped goes on in it")
    .option(
      "--policy <spec>",
      "name or name:setting=value,... (default: dms where the model has gates, else full); may be given several times",
      texts,
    )
    .option(
      "--budget <list>",
      "what is spent as LENGTH-WIDTH-CR, such as 1k-8-1,1k-8-4: chains of 1k new tokens, 8 a problem; each policy takes those whose ratio it can",
      budgets,
    )
    .option(
      "--setting <setting>",
      "another model, or a name: NAME=MODEL[+ADAPTER...]:POLICY[:BUDGETS], without budgets those of --budget; may be given several times",
      texts,
    )
    .option(
      "--data <path>",
      "a task's file, or a folder with files by their published names; TASK=PATH for one of several tasks; may be given several times (default: the Hub's cache, for tasks that are on the Hub)",
      texts,
    )
    .option("--limit <n>", "most problems of a task: a seeded choice (default: all; of made ones 100)", whole)
    .option(
      "--style <how>",
      "chat, or text: continued (default: chat where the model has a template)",
      choice("chat", "text"),
    )
    .option(
      "--think-room <n>",
      "tokens of each budget's length that stay for the answer: thinking is cut so many before it",
      whole,
    )
    .option("--batch <n>", "chains in flight (default: as many as run at a time)", whole)
    .option("--template-var <name=value>", TEMPLATE_VARIABLE, variables)
    .option("--json", "print the result as one JSON line");
  drawOptions(modelOptions(command));
  command.addHelpText(
    "after",
    `
A run that was stopped or killed goes on with the same command: no chain is lost or run twice. More tasks, settings or a
higher --limit may come; what differs otherwise is refused by name. docs/eval.md says what the folder holds.
Examples:
  hyperthink eval --task abacus --limit 20 --policy full --policy tova --budget 1k-8-1,1k-8-4 --out runs/abacus
  hyperthink eval --task gsm8k --data bench/ --setting full=DIR:full:4k-8-1 --setting dms=DIR+ADAPTER:dms:4k-8-4 --out runs/gsm8k
Tasks (hyperthink tasks NAME has one's protocol, source and settings):
${columns(taskRecipes.map(({ name, settings, summary }) => [`  ${name}`, Object.keys(settings).join(", "), summary]))}`,
  );
  command.action(run);
}

async function run(flags: Flags): Promise<void> {
  if (flags.thinkRoom !== undefined && flags.thinkMost !== undefined)
    throw badArgument("--think-room says how much thinking each length has: leave out --think-most");
  const settings = settingsOf(flags).map(
    (each): SettingChoice => (flags.thinkRoom === undefined ? each : { ...each, depth: { room: flags.thinkRoom } }),
  );
  const tasks: TaskChoice[] = [];
  for (const spec of flags.task) tasks.push({ spec, task: await openTask(spec) });
  giveData(tasks, flags.data ?? []);
  if (flags.temperature === 0 && settings.some(({ budgets }) => budgets.some(({ width }) => width > 1)))
    note("greedy chains are all alike, so their vote is one chain's: expected a temperature above 0");
  const lengths = settings.flatMap(({ budgets }) => budgets.map(({ length }) => length));
  noteMoot(flags.thinkMost, lengths);
  const { model: _, adapter: __, ...load } = modelFlags(flags);
  const signal = interruptible();
  const board = openEvalBoard(process.stderr);
  const onEvent = (event: EvaluateEvent) => {
    if (event.type === "note") board.say(event.text);
    else if (event.type === "start") board.start(event);
  };
  try {
    const { limit, style, batch, seed, out } = flags;
    const result = await evaluate(
      {
        ...{ out, tasks, settings, limit, style, batch, seed, load, signal },
        chains: chainOptions(flags),
        open: (options) => board.rest(() => open(options)),
      },
      onEvent,
    );
    board.done();
    if (flags.json)
      console.log(JSON.stringify({ out, chains: result.chains, seconds: result.seconds, rows: result.rows }));
    else {
      console.log(summaryTable(result.rows));
      process.stderr.write(`[${counted(result.chains, "chain")} in ${out}, ${duration(result.seconds)}]\n`);
    }
    for (const { setting, cr } of result.rows.filter(({ reads }) => reads > 0))
      noteIdle(result.head.settings.find(({ id }) => id === setting)?.policy, cr);
  } catch (error) {
    board.done();
    if (error instanceof HyperthinkError && error.code === "aborted")
      throw new HyperthinkError("aborted", `stopped; this goes on from there: ${commandLine()}`);
    throw error;
  }
}

/** --model under each --policy at the budgets, and what --setting says. */
function settingsOf(flags: Flags): SettingChoice[] {
  const { model, adapter, policy, budget = [], setting = [] } = flags;
  const own = setting.map((text) => parseSetting(text, budget));
  const plain = model !== undefined || adapter !== undefined || policy !== undefined || own.length === 0;
  if (!plain) return own;
  if (budget.length === 0) throw badArgument("expected --budget LENGTH-WIDTH-CR such as 1k-8-4, got none");
  if (model === undefined)
    note("no --model: using the embedded abacus, which knows problems about containers of beads and nothing else");
  const path = model ?? embedded("abacus");
  const policies: (string | undefined)[] = policy ?? [undefined];
  return [
    ...policies.map((each) => ({ model: { path, adapters: adapter ?? [] }, policy: each, budgets: budget })),
    ...own,
  ];
}

/** --data TASK=PATH for one task, PATH for all others: each at most once. */
function giveData(tasks: readonly TaskChoice[], data: readonly string[]): void {
  const paths = new Map<string | null, string>();
  for (const text of data) {
    const [, name, path] = /^([\w.-]+)=(.+)$/s.exec(text) ?? [];
    const isNamed = tasks.some(({ task }) => task.name === name);
    if (name !== undefined && !isNamed && !existsSync(text))
      throw badArgument(
        `--data ${text}: expected TASK to be one of ${tasks.map(({ task }) => task.name).join(", ")}, or a path`,
      );
    const [key, value] = isNamed ? [name, path] : [null, text];
    if (paths.has(key))
      throw badArgument(
        `--data: expected one path ${key === null ? "for all tasks, others as TASK=PATH" : `for ${key}`}, got ${paths.get(key)} and ${value}`,
      );
    paths.set(key, value);
  }
  for (const task of tasks) task.data = paths.get(task.task.name) ?? paths.get(null);
}

const modelFlags = ({
  model,
  adapter,
  probe,
  device,
  threads,
  kvMemory,
  weights,
  kv,
  context,
  chains,
  chunk,
}: Flags) => ({
  ...{ model, adapter, probe, device, threads, kvMemory, weights, kv, context, chains, chunk },
});

const chainOptions = ({ templateVar, stopId, thinking, ...flags }: Flags) => {
  const { temperature, topK, topP, minP, repetitionPenalty, stop, thinkMost, thinkLast, thinkLeast, nudges, nudge } =
    flags;
  return {
    ...{ temperature, topK, topP, minP, repetitionPenalty, stop, thinkMost, thinkLast, thinkLeast, nudges, nudge },
    thinking: thinking === "none" ? null : thinking,
    stopIds: stopId,
    template: templateVar,
  };
};
