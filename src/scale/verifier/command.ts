import { type ChildProcess, spawn } from "node:child_process";
import { badArgument } from "../../base/errors.ts";
import { limitOf } from "./each.ts";
import { scoresIn } from "./lines.ts";
import { told, type Verifier, type VerifierChain } from "./verifier.ts";

export interface CommandOptions {
  /** Seconds for all chains together; default 120. */
  limit?: number;
}

/** Most bytes that a command may print. */
const MOST_BYTES = 4 << 20;
/** How long a command's ends may stay open once it has ended, in ms: a process that it left behind may hold them. */
const PATIENCE = 500;

/**
 * A command as a verifier, run once for all chains: a line for the shell, or a program with its arguments. It reads a
 * JSON object a line on standard input, { chain, prompt, text, reply, answer }, and prints a score a line (`scoresIn`).
 * One that fails, prints no end of output or does not end within the limit is ended with all of its processes; scores
 * that it had printed by then count, and the other chains lose their votes. It is the user's own program and runs as
 * such: with the user's rights, folder and environment. Throws `bad-argument`.
 */
export function commandVerifier(command: string | readonly string[], options: CommandOptions = {}): Verifier {
  const limit = limitOf(options.limit);
  const [file, ...args] = typeof command === "string" ? [command] : command;
  if (!file?.trim()) throw badArgument("a verifier's command: expected a program, got nothing");
  return {
    name: `command ${[file, ...args].join(" ")}`,
    async score(chains, signal) {
      const child = spawn(file, args, { shell: typeof command === "string", detached: true, stdio: "pipe" });
      const { lines, cut } = await talk(child, chains.map(lineOf).join(""), limit, signal);
      return scoresIn(
        lines,
        chains.map(({ chain }) => chain),
        cut,
      );
    },
  };
}

const lineOf = ({ chain, prompt, text, reply, answer }: VerifierChain): string =>
  `${JSON.stringify({ chain, prompt, text, reply, answer })}\n`;

/** Whole lines that a command prints, and why it ended otherwise than well. Rejects when `signal` fires. */
async function talk(
  child: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream },
  input: string,
  limit: number,
  signal: AbortSignal,
): Promise<{ lines: string[]; cut: string | null }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const parts: Buffer[] = [];
  let bytes = 0;
  let said = ""; // the end of what it says on standard error
  let cut: string | null = null;
  let after: NodeJS.Timeout | undefined;
  const kill = () => killGroup(child);
  const end = (why: string | null) => {
    cut ??= why;
    kill();
  };
  const stop = () => end("it was stopped");
  const late = setTimeout(() => end(`the command did not end within ${limit} s`), limit * 1000);
  signal.addEventListener("abort", stop, { once: true });
  process.once("exit", kill);
  child.stdin.on("error", () => {}); // it ended before it read all: how, tells its exit
  child.stdin.end(input);
  child.stdout.on("data", (part: Buffer) => {
    if (bytes > MOST_BYTES) return;
    bytes += part.length;
    if (bytes > MOST_BYTES) end(`the command printed more than ${MOST_BYTES >> 20} MiB`);
    else parts.push(part);
  });
  child.stderr.on("data", (part: Buffer) => {
    said = (said + part).slice(-2000);
  });
  child.on("error", (error) => {
    cut ??= `the command could not be run: ${told(error.message)}`;
    if (child.pid === undefined) resolve();
  });
  child.on("exit", (code, name) => {
    const words = told(said.trim().split("\n").at(-1) ?? "", 200);
    const how = code === null ? `by ${name}` : `with exit code ${code}`;
    if (code !== 0) cut ??= `the command ended ${how}${words && `: ${words}`}`;
    kill();
    after = setTimeout(resolve, PATIENCE);
  });
  child.on("close", () => resolve());
  if (signal.aborted) stop();
  await promise;
  clearTimeout(late);
  clearTimeout(after);
  signal.removeEventListener("abort", stop);
  process.off("exit", kill);
  for (const stream of child.stdio) stream?.destroy();
  signal.throwIfAborted();
  const lines = Buffer.concat(parts).toString("utf8").split("\n");
  if (cut !== null) lines.pop(); // it may lack digits
  return { lines, cut };
}

/** Ends a command and all that it started, but for what left its group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {} // it is gone
}
