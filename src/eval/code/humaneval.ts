// HumanEval: 164 functions to write from a signature and a docstring, each with a function `check` of assertions.
//
// Protocol: Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374), and its harness,
// github.com/openai/human-eval: the program is prompt + completion + test + check(entry_point), with 3 seconds for all,
// zero-shot. Here the check runs in another process than the program (judge.ts): its values are compared, not its
// objects; helpers that a check calls are the prompt's; and the seconds are of processor time.

import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { badFile } from "../../base/errors.ts";
import { parseJson } from "../../base/json.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { codeBlocks, definesFunction } from "./blocks.ts";
import { checked } from "./checked.ts";
import { type JudgeOptions, judge, type Verdict } from "./judge.ts";

const TEXT = z.string().max(1 << 20);
const row = z.object({
  task_id: TEXT,
  prompt: TEXT,
  entry_point: z.string().regex(/^[A-Za-z_]\w*$/),
  canonical_solution: TEXT,
  test: TEXT,
});

export interface FunctionProblem {
  id: string; // HumanEval/0
  prompt: string; // Python up to the function's body
  entry: string; // its name
  solution: string; // the body that its authors wrote
  check: string; // Python that defines check(candidate)
}

const MOST_BYTES = 2 ** 28;
const GZIP = 0x8b1f;
export const HUMANEVAL_SECONDS = 3;

/** Problems of HumanEval.jsonl, or of that file gzipped. Throws `bad-file` naming the line. */
export function parseHumanEval(file: string, bytes: Uint8Array): FunctionProblem[] {
  const text = decodeUtf8(isGzip(bytes) ? inflated(file, bytes) : bytes);
  if (typeof text === "number") throw badFile(`${file}: line ${text}: expected UTF-8`);
  const problems = text.split("\n").flatMap((line, i) => {
    if (!line.trim()) return [];
    const what = `${file}: line ${i + 1}`;
    return [functionProblem(parseJson(line, what), what)];
  });
  if (problems.length === 0) throw badFile(`${file}: expected at least one problem, got an empty file`);
  return problems;
}

/** The problem of a row. Throws `bad-file` naming it. */
export function functionProblem(value: unknown, what: string): FunctionProblem {
  const problem = checked(row, value, what, "a problem of HumanEval");
  const { task_id: id, prompt, entry_point: entry, canonical_solution: solution, test: check } = problem;
  return { id, prompt, entry, solution, check };
}

const isGzip = (bytes: Uint8Array) => bytes.length > 2 && bytes[0] + 256 * bytes[1] === GZIP;

function inflated(file: string, bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    throw badFile(`${file}: expected gzip of at most ${MOST_BYTES} bytes: ${(error as Error).message}`);
  }
}

/**
 * What a chat model is asked, in the words of EvalPlus (github.com/evalplus/evalplus); a base model gets the prompt.
 */
export const humanEvalQuestion = ({ prompt }: FunctionProblem): string =>
  `Please provide a self-contained Python script that solves the following problem in a markdown code block:\n\`\`\`python\n${prompt.trim()}\n\`\`\``;

/** Where the Codex paper ends a completion (section 2.2). */
const STOPS = /\n(?:class|def|#|if|print)/;
/** How a line of a function's body may begin that lost its indentation. */
const STATEMENT = /^(?:return|for|while|if|try|with|raise|assert)\b|^[A-Za-z_][\w.[\]]*\s*(?:=|\+=|\()/;

/**
 * The program that a reply makes of a problem: its last closed block of Python that defines the function, after the
 * prompt, whose imports and helpers it may use; else its last block, or the reply itself, as the function's body.
 * null where there is none: the reply abstains. `reply`: what follows the thinking.
 */
export function humanEvalProgram({ prompt, entry }: FunctionProblem, reply: string): string | null {
  const blocks = codeBlocks(reply);
  const whole = blocks.findLast((code) => definesFunction(code, entry));
  if (whole !== undefined) return `${prompt}\n${whole}`;
  const block = blocks.at(-1);
  if (block !== undefined) return /^(?:def|class)\b/m.test(block) ? `${prompt}\n${block}` : prompt + asBody(block);
  if (/^[ \t]*(?:```|~~~)/m.test(reply)) return null; // a block without an end
  if (definesFunction(reply, entry)) return `${prompt}\n${fromCode(reply)}`;
  const body = reply.replace(/^\s*\n/, "").split(STOPS)[0];
  return /^[ \t]+\S/.test(body) || STATEMENT.test(body) ? prompt + asBody(body) : null;
}

/** Indented, where it or its first line is not. */
function asBody(code: string): string {
  if (/^\s/.test(code)) return code;
  const [first, ...rest] = code.split("\n");
  const indent = (line: string) => (line.trim() ? `    ${line}` : line);
  return [indent(first), ...(rest.some((line) => /^\S/.test(line)) ? rest.map(indent) : rest)].join("\n");
}

/** Without words before the code. */
const fromCode = (reply: string): string => reply.slice(reply.search(/^(?:from|import|def|class|@)\b/m));

/** Whether a program passes. `seconds`: default HUMANEVAL_SECONDS. Throws as `Sandbox.run` does. */
export const checkHumanEval = (
  sandbox: Sandbox,
  { prompt, entry, check }: FunctionProblem,
  program: string,
  options: Partial<JudgeOptions> = {},
): Promise<Verdict> =>
  judge(
    sandbox,
    { kind: "check", source: program, entry, before: prompt, check },
    { seconds: HUMANEVAL_SECONDS, ...options },
  );
