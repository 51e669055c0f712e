// LiveCodeBench, code generation: problems of contests from a window of dates, as programs or functions.
//
// Protocol: code/livecodebench.ts has how a program is found in a reply, and checked. Chat models are asked in the
// harness's words, base models continue the question. One right chain is enough (pass@k). Tests are decoded once to see
// that they are sound, and then stay as encoded in the file until a program is checked; of all problems they take
// gigabytes, so that a limit on problems is one on memory.
// Source: arXiv 2403.07974; on the Hub livecodebench/code_generation_lite. Files: test.jsonl, test2.jsonl and so on as
// published, all that a folder has, or prompts with the names of test files that lie beside them.

import { dirname } from "node:path";
import { asError, badArgument, badFile } from "../../base/errors.ts";
import {
  type ContestProblem,
  type ContestTests,
  checkContest,
  contestProgram,
  readLiveCodeBench,
  testsOf,
} from "../code/livecodebench.ts";
import { findParts } from "./data/find.ts";
import { PROGRAM_SETTINGS, PROGRAM_TOKENS, programWork } from "./programs.ts";
import { someOf } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import type { Item, ItemOptions } from "./task.ts";

const PARTS = /^test\d*\.jsonl$/;
const PUBLISHED = {
  files: ["livecodebench.jsonl", "test.jsonl"],
  hub: [{ repository: "livecodebench/code_generation_lite", file: PARTS }],
  parts: PARTS,
};
const NONE = 19000101;
const LAST = 29991231;

interface ContestItem extends Item {
  problem: ContestProblem;
  tests: () => Promise<ContestTests>;
}

export const livecodebench: TaskRecipe = {
  name: "livecodebench",
  kind: "vote",
  summary: "LiveCodeBench: programs for contests' problems, run against their tests",
  source: "arXiv 2403.07974; on the Hub livecodebench/code_generation_lite",
  protocol: "zero-shot; a program passes where all tests do, 6 seconds of processor time each; pass@k",
  data: "test*.jsonl",
  settings: {
    from: { about: "first date of contests, as 20240801", default: NONE, least: NONE, most: LAST },
    to: { about: "last one", default: LAST, least: NONE, most: LAST },
    ...PROGRAM_SETTINGS,
  },
  make: ({ from, to, packages }) =>
    programWork<ContestItem>({
      packages: packages === 1,
      items: (options) => contestItems(options, from, to),
      ask: ({ problem: { system, question } }, style) => ({
        prompt:
          style === "text"
            ? { raw: question }
            : [...(system === null ? [] : [{ role: "system", content: system }]), { role: "user", content: question }],
        maxTokens: style === "text" ? 2048 : PROGRAM_TOKENS,
      }),
      program: (_item, reply) => contestProgram(reply),
      check: async (sandbox, { tests }, program, options) => checkContest(sandbox, await tests(), program, options),
    }),
};

/** Problems of a window of dates, whose tests are there and sound. Throws `bad-file` naming the line. */
async function contestItems(options: ItemOptions, from: number, to: number): Promise<ContestItem[]> {
  const files = await findParts(PUBLISHED, options);
  const isWithin = ({ date }: ContestProblem) => {
    const day = Number(date.slice(0, 10).replaceAll("-", ""));
    return day >= from && day <= to;
  };
  // Twice, so that only chosen problems' tests are held.
  const ids: string[] = [];
  for (const file of files)
    for await (const { problem } of readLiveCodeBench(file)) if (isWithin(problem)) ids.push(problem.id);
  if (ids.length === 0)
    throw badArgument(`livecodebench: ${files.join(", ")} has no problem of ${from} to ${to}: name other dates`);
  const chosen = new Set(someOf(ids, options));
  const items: ContestItem[] = [];
  for (const file of files)
    for await (const { problem, where } of readLiveCodeBench(file)) {
      if (!isWithin(problem) || !chosen.has(problem.id)) continue;
      const { id, question, difficulty } = problem;
      const tests = () => testsOf(problem, dirname(file));
      await tests().catch((error) => {
        throw badFile(`${where}: ${asError(error).message}`);
      });
      items.push({ id, question, gold: "", group: difficulty ?? undefined, problem, tests });
    }
  return items;
}
