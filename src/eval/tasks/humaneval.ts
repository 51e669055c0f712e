// HumanEval: 164 functions to write from a signature and a docstring.
//
// Protocol: code/humaneval.ts has how a program is found in a reply, and checked. Chat models are asked in EvalPlus'
// words, base models continue the prompt and end where the paper ends them. One right chain is enough (pass@k).
// Source: arXiv 2107.03374; github.com/openai/human-eval (MIT). File: HumanEval.jsonl.gz; on the Hub a parquet of it.

import {
  checkHumanEval,
  type FunctionProblem,
  functionProblem,
  humanEvalProgram,
  humanEvalQuestion,
  parseHumanEval,
} from "../code/humaneval.ts";
import { findData } from "./data/find.ts";
import { readBytes, readRows } from "./data/rows.ts";
import { PROGRAM_SETTINGS, PROGRAM_TOKENS, programWork } from "./programs.ts";
import { someOf } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import type { Item } from "./task.ts";

const HUB_FILE = /(?:^|\/)test-.*\.parquet$/;
const PUBLISHED = {
  files: ["HumanEval.jsonl.gz", "HumanEval.jsonl"],
  // The second: its name before repositories had owners.
  hub: ["openai/openai_humaneval", "openai_humaneval"].map((repository) => ({ repository, file: HUB_FILE })),
};
/** Where the paper ends a completion (section 2.2). */
const STOPS = ["\nclass", "\ndef", "\n#", "\nif", "\nprint"];

interface FunctionItem extends Item {
  problem: FunctionProblem;
}

export const humaneval: TaskRecipe = {
  name: "humaneval",
  kind: "vote",
  summary: "HumanEval: functions in Python, run against their tests",
  source: "arXiv 2107.03374; github.com/openai/human-eval, data/HumanEval.jsonl.gz; on the Hub openai/openai_humaneval",
  protocol: "zero-shot; a program passes where its check does, 3 seconds of processor time; pass@k",
  data: PUBLISHED.files[0],
  settings: PROGRAM_SETTINGS,
  make: ({ packages }) =>
    programWork<FunctionItem>({
      packages: packages === 1,
      async items(options) {
        const items = (await functionProblems(await findData(PUBLISHED, options))).map(
          (problem): FunctionItem => ({
            id: problem.id,
            question: problem.prompt,
            gold: problem.solution,
            problem,
          }),
        );
        return someOf(items, options);
      },
      ask: ({ problem }, style) =>
        style === "chat"
          ? { prompt: humanEvalQuestion(problem), maxTokens: PROGRAM_TOKENS }
          : { prompt: { raw: problem.prompt }, maxTokens: 512, stop: STOPS },
      program: ({ problem }, reply) => humanEvalProgram(problem, reply),
      check: (sandbox, { problem }, program, options) => checkHumanEval(sandbox, problem, program, options),
    }),
};

async function functionProblems(file: string): Promise<FunctionProblem[]> {
  if (!file.endsWith(".parquet")) return parseHumanEval(file, await readBytes(file));
  return (await readRows(file)).map(({ fields, where }) => functionProblem(Object.fromEntries(fields), where));
}
