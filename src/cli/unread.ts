// Options that a run, as others have it, does not read: refused, so that nobody takes them for having worked.
import type { Command } from "commander";
import { badArgument } from "../base/errors.ts";
import type { TrainingFlags } from "./training-options.ts";

/** An option's name in the flags, and who reads it. */
export type Unread = readonly [name: string, reader: string];

/** Throws `bad-argument` where the command line gives one of these. */
export function refuseUnread(command: Command, unread: Iterable<Unread>): void {
  for (const [name, reader] of unread) {
    if (command.getOptionValueSource(name) !== "cli") continue;
    const { long } = command.options.find((option) => option.attributeName() === name)!;
    throw badArgument(`${long} is read by ${reader}: expected the command without it`);
  }
}

/** What both trainers leave unread. */
export function unreadOfTraining({ data, optimizer }: TrainingFlags): Unread[] {
  const files = "data from files, not by generated problems";
  return [
    ...(optimizer === "muon" ? [] : ([["muonRate", "--optimizer muon"]] as const)),
    ...(data.some((what) => /^abacus(:|$)/.test(what))
      ? (["learn", "long", "end", "skipBadLines"] as const).map((name) => [name, files] as const)
      : []),
  ];
}
