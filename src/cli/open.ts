import { cpuAvailable } from "../device/cpu.ts";
import { type LoadOptions, load, type Session } from "../request/session.ts";
import { size } from "./format.ts";
import { message, redraws } from "./terminal.ts";

/** Loads with a progress bar on a terminal; says once, on stderr, when only the slow device is there. */
export async function open(options: LoadOptions): Promise<Session> {
  const reason = cpuAvailable();
  if (reason && options.device === undefined) note(`running on the slow reference device: ${reason}`);
  const bar = openBar("loading");
  const session = await load({ ...options, onProgress: bar.show }).finally(bar.done);
  for (const text of session.notes) note(text);
  return session;
}

/** A bar on stderr, of bytes, where a terminal can redraw it. */
export function openBar(what: string): { show(done: number, total: number): void; done(): void } {
  const { stderr } = process;
  const started = performance.now();
  let shown = false;
  return {
    show(done, total) {
      if (!redraws(stderr) || performance.now() - started < 500) return; // what is quick needs no bar
      shown = true;
      const filled = Math.round((24 * done) / total);
      stderr.write(`\r${what} [${"#".repeat(filled)}${".".repeat(24 - filled)}] ${size(done)} of ${size(total)}  `);
    },
    done() {
      if (shown) stderr.write("\r\x1b[K");
      shown = false;
    },
  };
}

const noted = new Set<string>();
export function note(text: string): void {
  if (noted.has(text)) return;
  noted.add(text);
  process.stderr.write(`note: ${message(text)}\n`);
}

/** Says so where a policy was asked for and did nothing: its budget may be a share of far more tokens than came. */
export function noteIdle(policy: string | undefined, ratio: number): void {
  if (policy !== undefined && policy !== "full" && ratio < 1.005)
    note(
      `policy ${policy} evicted nothing (or read all): a budget by cr is a share of the prompt, or of prompt + max tokens for policies ` +
        "that cut while decoding; lower it with --max-tokens, --budget or --cr",
    );
}

/** Says so where chains of these lengths end before their thinking could be cut. */
export function noteMoot(thinkMost: number | undefined, lengths: readonly (number | undefined)[]): void {
  const shorter = lengths.filter((length) => length !== undefined && thinkMost !== undefined && length <= thinkMost);
  if (shorter.length > 0)
    note(
      `--think-most ${thinkMost} cuts nothing of chains that end at ${[...new Set(shorter)].join(" or ")} tokens: expected fewer, so that the answer has room`,
    );
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
