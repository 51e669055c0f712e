// Options that a run does not read, since others say so: they are refused, so that nobody thinks they did anything.
import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";

/** An option's name in the flags, and who reads it. */
export type Unread = readonly [name: string, reader: string];

/** The options of these names, where something makes them unread. */
export const unreadOf = (names: readonly string[], are: boolean, reader: string): Unread[] =>
  are ? names.map((name) => [name, reader]) : [];

/** Throws `bad-argument` where the command line gives one of these. */
export function refuseUnread(command: Command, unread: Iterable<Unread>): void {
  for (const [name, reader] of unread) {
    if (command.getOptionValueSource(name) !== "cli") continue;
    const { long } = command.options.find((option) => option.attributeName() === name)!;
    throw badArgument(`${long} is read by ${reader}: expected the command without it`);
  }
}
