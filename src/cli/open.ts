import { HyperthinkError } from "../base/errors.ts";
import { cpuAvailable } from "../device/cpu.ts";
import type { Prompt } from "../engine/generate.ts";
import { type LoadOptions, load, type Session } from "../engine/session.ts";
import { size } from "./format.ts";

/** Loads with a progress bar on a terminal; says once, on stderr, when only the slow device is there. */
export async function open(options: LoadOptions): Promise<Session> {
  const reason = cpuAvailable();
  if (reason && options.device === undefined) note(`running on the slow reference device: ${reason}`);
  const { stderr } = process;
  let shown = false;
  const started = performance.now();
  const session = await load({
    ...options,
    onProgress: (done, total) => {
      if (!stderr.isTTY || performance.now() - started < 500) return; // quick loads need no bar
      shown = true;
      const filled = Math.round((24 * done) / total);
      stderr.write(`\rloading [${"#".repeat(filled)}${".".repeat(24 - filled)}] ${size(done)} of ${size(total)}  `);
    },
  });
  if (shown) stderr.write("\r\x1b[K");
  for (const text of session.notes) note(text);
  return session;
}

const noted = new Set<string>();
export function note(text: string): void {
  if (noted.has(text)) return;
  noted.add(text);
  process.stderr.write(`note: ${text}\n`);
}

/** Says so where a policy was asked for and did nothing: its budget may be a share of far more tokens than came. */
export function noteIdle(policy: string | undefined, ratio: number): void {
  if (policy !== undefined && policy !== "full" && ratio < 1.005)
    note(
      `policy ${policy} evicted nothing (or read all): a budget by cr is a share of the prompt, or of prompt + max tokens for policies ` +
        "that cut while decoding; lower it with --max-tokens, --budget or --cr",
    );
}

/** A question for the chat template, after a system text if there is one, or raw text. */
export const promptOf = (text: string, { raw, system }: { raw?: boolean; system?: string }): Prompt =>
  raw ? { raw: text } : [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: text }];

/** The prompt from the arguments, else from standard input. */
export async function promptText(words: readonly string[]): Promise<string> {
  const given = words.join(" ").trim();
  if (given) return given;
  if (words.length || process.stdin.isTTY)
    throw new HyperthinkError("bad-argument", "expected a prompt as an argument or on standard input, got none");
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin) {
    parts.push(part);
    bytes += part.length;
    if (bytes > 64 << 20)
      throw new HyperthinkError("bad-argument", "the prompt on standard input is larger than 64 MiB");
  }
  const text = Buffer.concat(parts).toString("utf8").trim();
  if (!text)
    throw new HyperthinkError(
      "bad-argument",
      "expected a prompt as an argument or on standard input, got an empty one",
    );
  return text;
}

/** A signal that Ctrl-C fires; a second Ctrl-C ends the process at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => {
    controller.abort();
    process.once("SIGINT", () => process.exit(130));
  });
  return controller.signal;
}
