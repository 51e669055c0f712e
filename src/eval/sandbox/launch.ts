import { spawn } from "node:child_process";
import { HyperthinkError, unsupported } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import { type Interpreter, pythonFile, viewOf } from "./interpreter.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { type Machine, seccompFilter } from "./seccomp.ts";

/** How a program is kept apart. */
export const ISOLATIONS = ["bubblewrap", "namespaces"] as const;
export type Isolation = (typeof ISOLATIONS)[number];

export interface Program {
  source: string; // Python
  stdin?: string | Uint8Array; // default empty
  limits?: Partial<Limits>; // defaults: DEFAULT_LIMITS
  signal?: AbortSignal;
}

export interface Ran {
  /**
   * ok: exit code 0. error: another one. timeout, memory, output: a limit ended it (memory: or Python was refused
   * some). killed: a signal, its own or the kernel's. What a program may do beyond a limit on files, processes or open
   * files is an error that Python raises in it.
   */
  status: "ok" | "error" | "timeout" | "memory" | "output" | "killed";
  exitCode: number | null; // null where it did not end by itself
  signal: number | null; // the signal that ended it, where that was not the launcher's
  stdout: string; // what is not UTF-8 replaced
  stderr: string;
  wallSeconds: number; // of the program, without making its sandbox
  cpuSeconds: number; // looked at every 20 ms
  peakBytes: number; // resident, of all its processes; likewise
  isolation: Isolation;
  ownUid: boolean; // whether it ran as this process's user
}

/** Where programs run: one way of isolating, one interpreter. */
export interface Place {
  isolation: Isolation;
  bubblewrap: string | null; // its path
  interpreter: Interpreter;
  packages: boolean;
}

/**
 * Strings hash alike in every run, so that a program's order of a set's items does; else what Python needs for UTF-8.
 */
const ENVIRONMENT = {
  PATH: "/usr/bin",
  HOME: "/scratch",
  TMPDIR: "/scratch",
  LANG: "C.UTF-8",
  PYTHONHASHSEED: "0",
  OMP_NUM_THREADS: "1",
  OPENBLAS_NUM_THREADS: "1",
};
/** Seconds beyond the program's own until the launcher itself is given up. */
const PATIENCE = 40;

interface Told {
  failed?: string;
  stopped: "wall" | "cpu" | "memory" | "output" | "processes" | "stopped" | null;
  code?: number; // negative: a signal's
  wallSeconds: number;
  cpuSeconds: number;
  peakBytes: number;
  own: boolean;
  output: number;
  errors: number;
}

/** Runs one program: see `Sandbox.run`. */
export async function launch(place: Place, { source, stdin = "", limits, signal }: Program): Promise<Ran> {
  if (signal?.aborted) throw aborted();
  const { isolation, bubblewrap, interpreter, packages } = place;
  const most = limitsOf(limits);
  const input = Buffer.from(stdin);
  const job = {
    source,
    stdin: input.length,
    limits: most,
    isolation,
    bubblewrap,
    python: interpreter.python,
    ...viewOf(interpreter, packages),
    filter: Buffer.from(seccompFilter(process.arch as Machine)).toString("hex"),
    environment: ENVIRONMENT,
  };
  const { answer, said } = await talk(interpreter.python, [`${JSON.stringify(job)}\n`, input], most, signal);
  const end = answer.indexOf(10);
  if (end < 0) throw failed(visible(said) || "its launcher ended without a result; is the machine out of memory?");
  const told = JSON.parse(answer.toString("utf8", 0, end)) as Told;
  if (told.stopped === "stopped") throw aborted();
  if (told.failed !== undefined) throw failed(visible(told.failed));
  const middle = end + 1 + told.output;
  const stdout = answer.toString("utf8", end + 1, middle);
  const stderr = answer.toString("utf8", middle, middle + told.errors);
  return { ...ending(told, stderr, most), stdout, stderr, ...usage(told), isolation, ownUid: told.own };
}

const usage = ({ wallSeconds, cpuSeconds, peakBytes }: Told) => ({ wallSeconds, cpuSeconds, peakBytes });

const SIGKILL = 9;
const SIGXCPU = 24;

function ending(
  { stopped, code, cpuSeconds }: Told,
  stderr: string,
  limits: Limits,
): Pick<Ran, "status" | "exitCode" | "signal"> {
  const none = { exitCode: null, signal: null };
  if (stopped === "memory" || stopped === "output") return { status: stopped, ...none };
  if (stopped === "processes") return { status: "killed", ...none };
  if (stopped !== null || code === undefined) return { status: "timeout", ...none };
  if (code < 0) {
    const late = -code === SIGXCPU || (-code === SIGKILL && cpuSeconds >= limits.cpuSeconds);
    return { status: late ? "timeout" : "killed", exitCode: null, signal: -code };
  }
  if (code === 0) return { status: "ok", exitCode: 0, signal: null };
  const memory = /(?:^|\n)MemoryError\b[^\n]*\n?$/.test(stderr);
  return { status: memory ? "memory" : "error", exitCode: code, signal: null };
}

/**
 * What the launcher answers to a job, or says instead. It ends at the program's limits, and at the end of its input.
 */
function talk(
  python: string,
  job: readonly (string | Uint8Array)[],
  limits: Limits,
  signal?: AbortSignal,
): Promise<{ answer: Buffer; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, ["-I", "-S", "-B", pythonFile("launcher.py")], {
      stdio: ["pipe", "pipe", "pipe"],
      env: {},
      cwd: "/",
    });
    const parts: Buffer[] = [];
    let said = "";
    const stop = () => child.stdin.end();
    const late = setTimeout(() => child.kill("SIGKILL"), (limits.wallSeconds + PATIENCE) * 1000);
    signal?.addEventListener("abort", stop);
    child.stdin.on("error", () => {}); // it ended before it read all: its answer says why
    child.stdout.on("data", (part: Buffer) => parts.push(part));
    child.stderr.on("data", (part: Buffer) => {
      said = (said + part).slice(-2000);
    });
    child.on("error", (error) => reject(failed(error.message)));
    child.on("close", () => {
      clearTimeout(late);
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) reject(aborted());
      else resolve({ answer: Buffer.concat(parts), said: said.trim().split("\n").at(-1)! });
    });
    for (const part of job) child.stdin.write(part);
  });
}

const failed = (why: string) => unsupported(`the sandbox could not be made: ${why}`);
const aborted = () => new HyperthinkError("aborted", "the program was stopped by the caller's signal");
