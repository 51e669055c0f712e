// The task that a user names: one of ours, a file of questions, or a module of the user's.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { asError, badFile } from "../../base/errors.ts";
import { makeTask } from "./index.ts";
import { checkTask, fileTask } from "./own.ts";
import type { Task } from "./task.ts";

export const isQuestionFile = (spec: string): boolean => /\.(?:jsonl|json|csv|parquet)(?:\.gz)?$/.test(spec);
export const isModule = (spec: string): boolean => /\.[mc]?[jt]s$/.test(spec);

/**
 * A task by name with settings; a file of prompts and answers (.jsonl, .json, .csv, .parquet); or a module (.ts, .js,
 * .mjs) whose default export is a task, which is run. Throws `bad-argument`, `bad-file`.
 */
export async function openTask(spec: string): Promise<Task> {
  if (isQuestionFile(spec)) return fileTask(spec);
  if (!isModule(spec)) return makeTask(spec);
  const module = await import(pathToFileURL(resolve(spec)).href).catch((error) => {
    throw badFile(`${spec}: expected a module with a task as its default export: ${asError(error).message}`);
  });
  return checkTask(module.default);
}
