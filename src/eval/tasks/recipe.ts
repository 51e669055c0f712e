// Tasks by name with settings, as in `needle:from=2048,to=4096`.

import { badArgument } from "../../base/errors.ts";
import type { ChoiceWork, Task, TaskHead, TextWork, VoteWork } from "./task.ts";

/** A whole number that a task takes. */
export interface Setting {
  about: string;
  default: number;
  least: number;
  most: number;
}

export type Settings = Readonly<Record<string, number>>;

/** How to make a task; what a list of tasks shows. */
export interface TaskRecipe extends TaskHead {
  kind: Task["kind"];
  /** The file that it reads; null where it makes its problems. */
  data: string | null;
  settings: Readonly<Record<string, Setting>>;
  /** All settings have values. */
  make(settings: Settings): VoteWork | ChoiceWork | TextWork;
}

/** The task of a recipe. Throws `bad-argument` for settings that it does not have, or values out of range. */
export function taskOf(recipe: TaskRecipe, given: Settings = {}): Task {
  const { name, summary, source, protocol, settings } = recipe;
  const stray = Object.keys(given).find((key) => !Object.hasOwn(settings, key));
  if (stray !== undefined)
    throw badArgument(
      `task ${name} has no setting ${stray}: expected ${Object.keys(settings).join(", ") || "none"}, got ${stray}=${given[stray]}`,
    );
  const values = Object.fromEntries(
    Object.entries(settings).map(([key, { default: fallback, least, most }]) => {
      const value = given[key] ?? fallback;
      if (!Number.isInteger(value) || value < least || value > most)
        throw badArgument(`task ${name}: expected ${key} to be a whole number from ${least} to ${most}, got ${value}`);
      return [key, value];
    }),
  );
  for (const [least, most] of RANGES)
    if (values[least] > values[most])
      throw badArgument(
        `task ${name}: expected ${least} to be at most ${most}, got ${least}=${values[least]}, ${most}=${values[most]}`,
      );
  return { name, summary, source, protocol, ...recipe.make(values) };
}

/** Settings that are the ends of one range, where a task has both. */
const RANGES = [
  ["low", "high"],
  ["from", "to"],
] as const;

/** A name, and settings after a colon. Throws `bad-argument` where it is not of that form. */
export function parseTaskSpec(text: string): { name: string; settings: Settings } {
  const at = text.indexOf(":");
  const settings = new Map<string, number>();
  for (const part of at < 0 ? [] : text.slice(at + 1).split(",")) {
    const [, key, value] = /^ *([a-z]+) *= *(-?\d+) *$/.exec(part) ?? [];
    if (key === undefined)
      throw badArgument(`task "${text}": expected name:setting=number,... as in needle:from=2048, got "${part}"`);
    if (settings.has(key)) throw badArgument(`task "${text}": expected ${key} once, got it twice`);
    settings.set(key, Number(value));
  }
  return { name: (at < 0 ? text : text.slice(0, at)).trim(), settings: Object.fromEntries(settings) };
}
