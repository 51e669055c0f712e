// LiveCodeBench, code generation: problems of contests, by date; programs that read standard input, or functions.
//
// Protocol: Jain et al. (arXiv 2403.07974) and its harness, github.com/LiveCodeBench/LiveCodeBench: a problem counts
// where all its public and private tests pass, 6 seconds each; the last code block of a reply is the program; many
// names are imported before it. Here each test on standard input is a run of its own as a main program, where the
// harness wraps programs in a function: `open(0)`, threads and exit handlers work. The seconds are of processor time.
// Of several blocks, Python's are meant. numpy is there only where the sandbox was opened with packages.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { badArgument, badFile } from "../../base/errors.ts";
import { parseJson } from "../../base/json.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import { visible } from "../../base/visible.ts";
import { readLines } from "../../train/data/files.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { codeBlocks } from "./blocks.ts";
import { checked as checkedAs } from "./checked.ts";
import { decodePrivateTests } from "./encoded.ts";
import { type CodeTest, type JudgeOptions, judge, type Verdict } from "./judge.ts";

export const LIVECODEBENCH_SECONDS = 6;
const MOST_TESTS = 10_000;
const MOST_BYTES = 2 ** 29 - 24; // of a line or a file of tests: V8's longest string

const tests = z
  .array(z.object({ input: z.string(), output: z.string(), testtype: z.enum(["stdin", "functional"]) }))
  .max(MOST_TESTS);
/** As the data set `livecodebench/code_generation_lite` has them. */
const published = z.object({
  question_id: z.string(),
  question_content: z.string(),
  contest_date: z.string(),
  difficulty: z.string(),
  platform: z.string(),
  starter_code: z.string(),
  public_test_cases: z.string(),
  private_test_cases: z.string(),
  metadata: z.string(),
});
/** As QwQ's evaluation has them: a finished prompt, and tests in a file of their own. */
const prompted = z.object({
  question_id: z.string(),
  contest_date: z.string(),
  prompt: z.string(),
  tests: z.object({ fname: z.string().regex(/^[\w-][\w.-]*$/), md5: z.string().regex(/^[0-9a-f]{32}$/) }),
});
const beside = z.object({ input_output: z.string() });
const inputOutput = z.object({
  inputs: z.array(z.string()).max(MOST_TESTS),
  outputs: z.array(z.string()).max(MOST_TESTS),
  fn_name: z.string().nullish(),
});
const FUNCTION = z.string().regex(/^[A-Za-z_]\w*$/);

export interface ContestProblem {
  id: string;
  date: string; // of the contest, ISO 8601
  question: string; // what a chat model is asked
  system: string | null; // what its system message says
  difficulty: string | null;
  platform: string | null;
  /** Encoded as published: tests of all problems take gigabytes. */
  tests: { public: string; private: string; metadata: string } | { file: string; md5: string };
}

export interface ContestTests {
  entry: string | null; // the function's name, or the method's of class Solution; null for programs
  tests: CodeTest[];
}

export interface ContestRow {
  problem: ContestProblem;
  where: string; // for errors: file and line
}

/** Problems of a JSONL file in either published form, line by line. Throws `bad-file` naming the line. */
export async function* readLiveCodeBench(file: string): AsyncGenerator<ContestRow> {
  for await (const { number, bytes } of readLines(file, MOST_BYTES)) {
    const what = `${file}: line ${number}`;
    const line = bytes && decodeUtf8(bytes);
    if (typeof line !== "string") throw badFile(`${what}: expected UTF-8 of at most ${MOST_BYTES} bytes`);
    if (line.trim()) yield { problem: contestProblem(parseJson(line, what), what), where: what };
  }
}

function contestProblem(row: unknown, what: string): ContestProblem {
  const short = prompted.safeParse(row);
  if (short.success) {
    const { question_id: id, contest_date: date, prompt, tests } = short.data;
    const place = { file: tests.fname, md5: tests.md5 };
    return { id, date, question: prompt, system: null, difficulty: null, platform: null, tests: place };
  }
  const full = checked(published, row, what);
  return {
    id: full.question_id,
    date: full.contest_date,
    question: question(full),
    system: SYSTEM,
    difficulty: full.difficulty,
    platform: full.platform,
    tests: { public: full.public_test_cases, private: full.private_test_cases, metadata: full.metadata },
  };
}

/** The harness's words for chat models (lcb_runner/prompts/code_generation.py, "generic"). */
const SYSTEM =
  "You are an expert Python programmer. You will be given a question (problem specification) and will generate a correct Python program that matches the specification and passes all tests.";
const WITH_STARTER =
  "You will use the following starter code to write the solution to the problem and enclose your code within delimiters.";
const WITHOUT_STARTER =
  "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample inputs). Enclose your code within delimiters as follows. Ensure that when the python program runs, it reads the inputs, runs the algorithm and writes output to STDOUT.";

const question = ({ question_content: content, starter_code: starter }: z.infer<typeof published>): string =>
  `### Question:\n${content}\n\n### Format: ${starter ? WITH_STARTER : WITHOUT_STARTER}\n\`\`\`python\n${
    starter || "# YOUR CODE HERE"
  }\n\`\`\`\n\n### Answer: (use the provided format with backticks)\n\n`;

/**
 * All tests of a problem. `folder`: where test files lie, of problems that name one. Throws `bad-file` where they are
 * not what they should be, `bad-argument` where a folder is needed.
 */
export async function testsOf({ id, tests: place }: ContestProblem, folder?: string): Promise<ContestTests> {
  if (!("file" in place)) {
    const what = `tests of ${id}`;
    const rows = [
      ...checked(tests, parseJson(place.public, `public ${what}`), `public ${what}`),
      ...checked(tests, parseJson(decoded(place.private, `private ${what}`), `private ${what}`), `private ${what}`),
    ];
    const metadata = checked(z.object({ func_name: FUNCTION.nullish() }), parseJson(place.metadata, what), what);
    return complete(what, metadata.func_name ?? null, rows);
  }
  if (folder === undefined)
    throw badArgument(`tests of ${id} lie in a file ${place.file}: give the folder that holds such files`);
  const file = join(folder, place.file);
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size === 0 || size > MOST_BYTES) throw badFile(`${file}: expected tests of ${id}, got ${size} bytes`);
  const bytes = await readFile(file);
  const md5 = createHash("md5").update(bytes).digest("hex");
  if (md5 !== place.md5)
    throw badFile(`${file}: expected tests with MD5 ${place.md5}, got ${md5}: get that file again`);
  const text = checked(beside, parseJson(bytes.toString("utf8"), file), file).input_output;
  const { inputs, outputs, fn_name: name } = checked(inputOutput, parseJson(text, file), file);
  if (inputs.length !== outputs.length)
    throw badFile(`${file}: expected as many outputs as inputs, got ${inputs.length} and ${outputs.length}`);
  const entry = checked(FUNCTION.nullable(), name ?? null, file);
  return complete(
    file,
    entry,
    inputs.map((input, i) => ({ input, output: outputs[i] })),
  );
}

/** Functions' tests are JSON: what is none is a fault of the file, not of a program. */
function complete(what: string, entry: string | null, rows: readonly CodeTest[]): ContestTests {
  if (rows.length === 0) throw badFile(`${what}: expected at least one test`);
  if (entry !== null)
    for (const { input, output } of rows) for (const text of [...input.split("\n"), output]) parseJson(text, what);
  return { entry, tests: rows.map(({ input, output }) => ({ input, output })) };
}

function decoded(encoded: string, what: string): string {
  try {
    return decodePrivateTests(encoded);
  } catch (error) {
    throw badFile(
      `${what}: expected JSON, or base64 of zlib of a pickled string: ${visible((error as Error).message)}`,
    );
  }
}

const checked = <T>(shape: z.ZodType<T>, value: unknown, what: string): T =>
  checkedAs(shape, value, what, "a problem of LiveCodeBench");

/** The program of a reply: its last closed block of Python; null where there is none. */
export const contestProgram = (reply: string): string | null => codeBlocks(reply).at(-1) ?? null;

/** Names that programs may use without importing them, as in the harness. */
const PRELUDE = `${"string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json builtins typing"
  .split(" ")
  .map((name) => `from ${name} import *\n`)
  .join("")}import string, re, datetime, collections, heapq, bisect, copy, math, random, statistics, itertools
import functools, operator, io, sys, json
sys.setrecursionlimit(50000)
`;

/** Whether a program passes all tests. `seconds`: default LIVECODEBENCH_SECONDS. Throws as `Sandbox.run` does. */
export const checkContest = (
  sandbox: Sandbox,
  { entry, tests }: ContestTests,
  program: string,
  options: Partial<JudgeOptions> = {},
): Promise<Verdict> => {
  const source = `${PRELUDE}\n${program}`;
  return judge(
    sandbox,
    entry === null ? { kind: "programs", source, tests } : { kind: "calls", source, entry, tests },
    {
      seconds: LIVECODEBENCH_SECONDS,
      ...options,
    },
  );
};
