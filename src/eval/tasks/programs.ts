// Tasks whose answers are programs: found in a reply, run in the sandbox, right where all their tests pass.

import { createHash } from "node:crypto";
import { afterThinking } from "../../request/thinking.ts";
import type { Verdict } from "../code/judge.ts";
import { openSandbox, type Sandbox } from "../sandbox/sandbox.ts";
import type { Setting } from "./recipe.ts";
import type { Answered, Asked, Item, ItemOptions, Reply, Style, VoteWork } from "./task.ts";

/** New tokens of a chat model's reply, where the caller says nothing else. */
export const PROGRAM_TOKENS = 32_768;

export const PROGRAM_SETTINGS: Record<string, Setting> = {
  packages: { about: "1: programs may import what is installed beside Python", default: 0, least: 0, most: 1 },
};

/** What is its own of a task of programs. */
export interface Programs<I extends Item> {
  packages: boolean;
  items(options: ItemOptions): Promise<I[]>;
  ask(item: I, style: Style): Asked;
  /** The program that a reply (what follows its thinking) makes; null where there is none. */
  program(item: I, reply: string): string | null;
  check(sandbox: Sandbox, item: I, program: string, options: { signal?: AbortSignal }): Promise<Verdict>;
}

/** Its items throw `unsupported` where nothing isolates programs: before a model has written any. */
export const programWork = <I extends Item>({ packages, items, ask, program, check }: Programs<I>): VoteWork<I> => ({
  kind: "vote",
  by: "pass",
  async items(options) {
    await openSandbox({ packages });
    return items(options);
  },
  ask,
  extract: (item, reply) => answered(reply, (text) => program(item, text)),
  async grade(item, { text }, _equal, { signal } = {}) {
    const { verdict, detail } = await check(await openSandbox({ packages }), item, text, { signal });
    const worth = { score: Number(verdict === "passed"), judged: { verdict, detail } };
    return verdict === "ended" ? { ...worth, failed: detail } : worth;
  },
  gradeSeconds: Infinity, // programs have limits of their own
  async runsOn() {
    const { isolation, ownUid, python } = await openSandbox({ packages });
    return { isolation, ownUid, python };
  },
});

/** Characters searched, from the end: a program stands last, and a hostile text costs no more than this. */
const SEARCHED = 65_536;

/** Programs are one answer where they are the same text. */
function answered({ text, thinking, opened }: Reply, program: (text: string) => string | null): Answered {
  const reply = thinking === null ? text : afterThinking(text, thinking, opened);
  if (reply === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const found = program(reply.slice(-SEARCHED));
  if (found === null) return { kind: "abstain", reason: "no-answer" };
  return { kind: "answer", text: found, key: createHash("sha256").update(found).digest("hex").slice(0, 32) };
}
