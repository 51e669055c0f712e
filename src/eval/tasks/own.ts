// A task of one's own: a file of questions and answers, or an object that says what is different.

import { basename } from "node:path";
import { badArgument } from "../../base/errors.ts";
import { questionItems } from "./questions.ts";
import { extractReply, gradeAnswer, type Item, type Task, type VoteTask } from "./task.ts";

/** What an object must say; the rest is as for a file. */
export type OwnTask<I extends Item = Item> = Pick<VoteTask<I>, "name" | "items"> & Partial<Omit<VoteTask<I>, "kind">>;

/** Most new tokens of a reply, where the context has room for them. */
const MOST_TOKENS = 32_768;

/**
 * A task of questions: each is asked as it stands, the vote's extraction reads the reply, and equal answers count.
 * Whatever the object has takes the place of that.
 */
export const ownTask = <I extends Item>(own: OwnTask<I>): VoteTask<I> => ({
  summary: "a task of one's own",
  source: "its author",
  protocol: "questions as they stand",
  ask: ({ question }, style) => ({
    prompt: style === "chat" ? question : { raw: question },
    maxTokens: MOST_TOKENS,
  }),
  extract: extractReply,
  grade: gradeAnswer,
  ...own,
  kind: "vote",
});

/** The task of a file (.jsonl, .json, .csv, .parquet) of "prompt" or "question" or "problem", and "answer". */
export const fileTask = (file: string): VoteTask =>
  ownTask({
    name: basename(file).replace(/\.(?:jsonl|json|csv|parquet)(?:\.gz)?$/, ""),
    summary: "questions of a file",
    source: file,
    items: (options) => questionItems({ files: [], hub: [] }, { ...options, data: file }),
  });

/** What a module of the user's exports, as a task. Throws `bad-argument` that says what it lacks. */
export function checkTask(value: unknown): Task {
  const wrong = (what: string) => badArgument(`a task of one's own: expected ${what}`);
  if (typeof value !== "object" || value === null) throw wrong(`an object with name and items, got ${typeof value}`);
  const task = value as Record<string, unknown>;
  if (typeof task.name !== "string" || !/^[\w.-]{1,64}$/.test(task.name))
    throw wrong(`name to be a word of letters, digits, points and hyphens, got ${String(task.name).slice(0, 80)}`);
  if (typeof task.items !== "function") throw wrong(`items to be a function, got ${typeof task.items}`);
  const kind = task.kind ?? "vote";
  if (kind === "vote") {
    if (![undefined, "vote", "pass"].includes(task.by as string | undefined))
      throw wrong(`by to be vote or pass, got ${String(task.by).slice(0, 80)}`);
    for (const part of ["ask", "extract", "grade"])
      if (task[part] !== undefined && typeof task[part] !== "function")
        throw wrong(`${part} to be a function, got ${typeof task[part]}`);
    const { gradeSeconds } = task;
    if (gradeSeconds !== undefined && !(typeof gradeSeconds === "number" && gradeSeconds > 0))
      throw wrong(`gradeSeconds to be a number above 0, got ${String(gradeSeconds).slice(0, 80)}`);
    return ownTask(value as OwnTask);
  }
  if (kind !== "loglikelihood" && kind !== "perplexity")
    throw wrong(`kind to be vote, loglikelihood or perplexity, got ${String(kind).slice(0, 80)}`);
  const { count, length, prefix } = (task.windows ?? {}) as Record<string, unknown>;
  const whole = [count, length, prefix].every((n) => Number.isInteger(n) && (n as number) >= 1);
  if (kind === "perplexity" && !(whole && (length as number) > (prefix as number)))
    throw wrong("windows: { count, length, prefix }, whole numbers, with length above prefix");
  return { summary: "a task of one's own", source: "its author", protocol: "its own", ...value } as Task;
}
