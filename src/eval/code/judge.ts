// Tries a model's program against tests, in the sandbox. python/judge.py is the judge; it runs the program in a process
// of its own.
//
// Prevented: ending the process as if all were well (sys.exit, os._exit, killing the judge), results that claim to
// equal everything, changed builtins or helpers, reading checks and expected values (from memory, files, frames or the
// input), and forging the verdict, which the judge alone can write and which carries a word that it reads last.
// Not prevented: a program that recognises its inputs and has learned the answers; one that spends another process's
// time (real time is limited still). Of LiveCodeBench's tests on standard input, each run could look up the expected
// outputs of the tests before it, which say nothing about its own.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { pythonFile } from "../sandbox/interpreter.ts";
import type { Ran } from "../sandbox/launch.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";

/** One test: input and expected output, as LiveCodeBench has them. */
export interface CodeTest {
  input: string; // standard input; for a function one JSON value a line
  output: string; // standard output; for a function one JSON value
}

export type CodeTask =
  | { kind: "check"; source: string; entry: string; before: string; check: string } // `check` defines check(candidate)
  | { kind: "calls"; source: string; entry: string; tests: readonly CodeTest[] }
  | { kind: "programs"; source: string; tests: readonly CodeTest[] };

export interface JudgeOptions {
  seconds: number; // of processor time, for each test (of "check": for all); three times as much of real time
  memoryBytes?: number; // default 2 GiB
  signal?: AbortSignal;
}

/** What was found of a program. */
export interface Judged {
  /**
   * wrong: a test failed. error: the program, not its answer. ended: a signal ended the judge, the machine's, where its
   * memory was short, or the program's, so that nothing is known. The others: the limit that it met.
   */
  verdict: "passed" | "wrong" | "error" | "timeout" | "memory" | "output" | "ended";
  detail: string; // of the first test that failed; untrusted text
}

export interface Verdict extends Judged {
  ran: Ran;
}

const said = z.object({
  verdict: z.enum(["passed", "wrong", "error", "timeout"]),
  detail: z.string().max(1000),
  word: z.string().optional(),
});

/** A day, in seconds. */
const LONGEST = 86_400;

/** The first test that fails decides. Throws as `Sandbox.run` does. */
export async function judge(sandbox: Sandbox, task: CodeTask, options: JudgeOptions): Promise<Verdict> {
  const { seconds, memoryBytes = 2 ** 31, signal } = options;
  const { kind, source } = task;
  const count = task.kind === "check" ? 1 : task.tests.length;
  const entry = task.kind === "programs" ? null : task.entry;
  const word = randomUUID();
  const ran = await sandbox.run({
    source: readFileSync(pythonFile("judge.py"), "utf8"),
    stdin: frames([{ kind, source, entry, seconds, tests: count }, ...hidden(task), word]),
    limits: {
      wallSeconds: Math.min(3 * seconds * count + 10, LONGEST),
      cpuSeconds: Math.min(seconds * count + 5, LONGEST),
      memoryBytes,
      outputBytes: 2 ** 20,
      scratchBytes: 2 ** 28,
    },
    signal,
  });
  if (ran.status === "timeout" || ran.status === "memory" || ran.status === "output")
    return { verdict: ran.status, detail: "", ran };
  const answer = ran.status === "ok" ? said.safeParse(parsed(ran.stdout)) : null;
  if (!answer?.success || (answer.data.verdict === "passed" && answer.data.word !== word))
    return {
      verdict: ran.status === "killed" ? "ended" : "error",
      detail: `the judge was ended: ${ran.status}`,
      ran,
    };
  return { verdict: answer.data.verdict, detail: answer.data.detail, ran };
}

/** What the judge reads after the program began. */
function hidden(task: CodeTask): unknown[] {
  if (task.kind === "check") return [{ before: task.before, check: task.check }];
  if (task.kind === "calls") return [...task.tests];
  return task.tests.flatMap(({ input, output }) => [input, output]); // apart: a run begins between them
}

/** Each as JSON behind its length in bytes (8, little-endian). */
function frames(parts: readonly unknown[]): Uint8Array {
  return Buffer.concat(
    parts.flatMap((part) => {
      const text = Buffer.from(JSON.stringify(part));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      return [length, text];
    }),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
