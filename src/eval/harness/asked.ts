// Tasks with their problems, as a model is asked them.

import { encodePrompt } from "../../request/prompt.ts";
import type { Session } from "../../request/session.ts";
import { votingTemplate } from "../../scale/voting.ts";
import { fingerprintOf } from "../../train/disk/fingerprint.ts";
import { windows } from "../compare/texts.ts";
import { someOf } from "../tasks/questions.ts";
import type { Asked, ChoiceItem, Item, ItemOptions, Style, Task, TextItem, TextTask, VoteTask } from "../tasks/task.ts";
import { codeOf } from "./code.ts";
import { checkAsked, checkItems } from "./items.ts";
import type { RecordedTask } from "./record.ts";

export interface TaskChoice {
  spec: string;
  task: Task;
  /** A file, or a folder in which it has its published name. */
  data?: string;
}

/** A problem that chains answer. */
export interface Question {
  id: string;
  group?: string;
  item: Item;
  asked: Asked;
}

/** A stretch of a text that is foretold. */
export interface Window {
  id: string;
  group?: string;
  ids: readonly number[];
}

export type AskedTask = { recorded: RecordedTask; hashes: readonly string[] } & (
  | { kind: "vote"; task: VoteTask; problems: readonly Question[] }
  | { kind: "loglikelihood"; problems: readonly ChoiceItem[] }
  | { kind: "perplexity"; prefix: number; problems: readonly Window[] }
);

export interface AskOptions {
  seed: number;
  /** Most problems of a task. */
  limit?: number;
  style: Style;
  /** Variables of the chat template. */
  template?: Record<string, unknown>;
}

/** Makes or reads a task's problems. Throws as its `items` does, and `bad-file` as `checkItems` and `checkAsked` do. */
export async function askTask(
  session: Session,
  { spec, task, data }: TaskChoice,
  { seed, limit, style, template }: AskOptions,
): Promise<AskedTask> {
  const tokensOf: ItemOptions["tokensOf"] = async (prompt) =>
    (await encodePrompt(session, prompt, { template: votingTemplate(template) })).ids.length;
  const options: ItemOptions = { data, seed, count: limit, style, tokensOf };
  const parts = await partsOf(session, spec, task, options);
  const { problems } = parts;
  if (task.kind === "perplexity") checkItems(spec, "vote", problems); // its windows
  const hashes = problems.map((problem) => fingerprintOf(problem));
  const { name, source } = task;
  const code = await codeOf(spec);
  const recorded: RecordedTask = {
    ...{ spec, name, source },
    fingerprint: fingerprintOf(hashes),
    problems: problems.map(({ id, group }) => (group === undefined ? { id } : { id, group })),
    ...(code === undefined ? {} : { code }),
    kind: task.kind === "vote" ? (task.by ?? "vote") : "value",
    ...(task.kind === "perplexity" ? { measure: "perplexity" } : {}),
    ...(task.kind === "vote" && task.runsOn ? { programs: await task.runsOn() } : {}),
  };
  return { ...parts, recorded, hashes };
}

type Parts = AskedTask extends infer T ? (T extends unknown ? Omit<T, "recorded" | "hashes"> : never) : never;

async function partsOf(session: Session, spec: string, task: Task, options: ItemOptions): Promise<Parts> {
  const items = await task.items(options);
  checkItems(spec, task.kind, items);
  if (task.kind === "loglikelihood") return { kind: task.kind, problems: items as ChoiceItem[] };
  if (task.kind === "perplexity") return windowsOf(session, task, items as TextItem[], options);
  const question = (item: Item): Question => ({
    ...{ id: item.id, group: item.group, item },
    asked: checkAsked(spec, item.id, task.ask(item, options.style ?? "chat")),
  });
  return { kind: task.kind, task, problems: (items as Item[]).map(question) };
}

async function windowsOf(
  session: Session,
  task: TextTask,
  texts: readonly TextItem[],
  options: ItemOptions,
): Promise<Parts> {
  const { count, length, prefix } = task.windows;
  const problems: Window[] = [];
  for (const { id, text } of texts) {
    const ids = await session.tokenizer.encode(text, { special: false });
    const every = windows(ids, count, length);
    problems.push(...every.map((window, i) => ({ id: `${id}/${i}`, group: id, ids: window })));
  }
  return { kind: task.kind, prefix, problems: someOf(problems, options) };
}

/** The fingerprint that a task's problems of these ids have; null where one is not there. */
export function fingerprintOfSome({ problems, hashes }: AskedTask, ids: readonly string[]): string | null {
  const places = new Map(problems.map(({ id }, i) => [id, i]));
  const chosen = ids.map((id) => places.get(id));
  return chosen.includes(undefined) ? null : fingerprintOf(chosen.map((at) => hashes[at!]));
}
