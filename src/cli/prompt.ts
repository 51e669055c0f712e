import { fstatSync, readSync } from "node:fs";
import type { Socket } from "node:net";
import { badArgument } from "../base/errors.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import type { Prompt } from "../request/prompt.ts";
import { note } from "./open.ts";

export interface PromptFlags {
  raw?: boolean;
  system?: string;
  templateVar?: Record<string, unknown>;
  controlTokens?: "text" | "parse";
}

const MOST_BYTES = 64 << 20;
/** How long a pipe beside an argument is listened to, in ms: it may belong to nobody, and never end. */
const PATIENCE = 100;
/** After so long without a byte of a prompt that must come, in ms, it is said what is waited for. */
const SILENCE = 2000;
const STDIN = 0;

/**
 * The prompt's text as it was given: arguments joined by single blanks, one `-` among them standing for standard input;
 * without arguments, standard input. Throws `bad-argument` where there is none, where a question is blank, and for text
 * on standard input that nobody asked for.
 */
export async function promptText(
  words: readonly string[],
  { raw, system, templateVar, controlTokens }: PromptFlags,
): Promise<string> {
  const unused = { "--system": system, "--template-var": templateVar, "--control-tokens": controlTokens };
  for (const [flag, value] of Object.entries(unused))
    if (raw && value !== undefined)
      throw badArgument(`${flag} belongs to the chat template, which --raw leaves out: expected one of them`);
  const text = await givenText(words, raw === true);
  if (text === "" || (!raw && /^\s*$/.test(text)))
    throw badArgument(
      `expected a prompt as an argument or on standard input, got ${text === "" ? "an empty one" : "nothing but blanks (as text: --raw)"}`,
    );
  return text;
}

/** A question for the chat template, after a system text if there is one, or raw text. */
export const promptOf = (text: string, { raw, system }: PromptFlags): Prompt =>
  raw
    ? { raw: text }
    : [...(system === undefined ? [] : [{ role: "system", content: system }]), { role: "user", content: text }];

async function givenText(words: readonly string[], raw: boolean): Promise<string> {
  const dashes = words.filter((word) => word === "-").length;
  if (dashes > 1) throw badArgument("- stands for standard input: expected it once among the arguments");
  if (words.length === 0 && process.stdin.isTTY)
    throw badArgument("expected a prompt as an argument or on standard input, got none");
  if (words.length > 0 && dashes === 0) {
    if (await inputWaits())
      throw badArgument(
        "there is text on standard input beside the prompt: write - among the arguments where it belongs, " +
          'as in `hyperthink generate "Summarise this:" - < notes.txt`, or leave it out by `< /dev/null`',
      );
    return words.join(" ");
  }
  const input = await readInput(raw);
  return words.length ? words.map((word) => (word === "-" ? input : word)).join(" ") : input;
}

/** All of standard input; without `raw`, less the one newline that ends a file. */
async function readInput(raw: boolean): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => note("waiting for the prompt on standard input"), SILENCE);
  for await (const part of process.stdin) {
    clearTimeout(timer);
    parts.push(part);
    bytes += part.length;
    if (bytes > MOST_BYTES) throw badArgument(`the prompt on standard input is larger than ${MOST_BYTES >> 20} MiB`);
  }
  clearTimeout(timer);
  const text = decodeUtf8(Buffer.concat(parts));
  if (typeof text === "number")
    throw badArgument(
      `standard input, line ${text}: expected UTF-8 text, got other bytes; convert it first (iconv -t UTF-8)`,
    );
  return raw ? text : text.replace(/\r?\n$/, "");
}

/**
 * Is there text on standard input that nobody reads? A file tells at once. A pipe may belong to a caller who never
 * writes or closes it (cron, CI, a parent process), so it gets a moment.
 */
async function inputWaits(): Promise<boolean> {
  const { stdin } = process;
  if (stdin.isTTY) return false;
  let info: ReturnType<typeof fstatSync>;
  try {
    info = fstatSync(STDIN);
    if (info.isFile()) return readSync(STDIN, Buffer.alloc(1)) > 0;
  } catch {
    return false; // closed, or not open for reading
  }
  if (!info.isFIFO() && !info.isSocket()) return false;
  return new Promise((resolve) => {
    const tell = (waits: boolean) => {
      clearTimeout(timer);
      stdin.off("data", onData).off("end", onEnd).off("error", onEnd).pause(); // paused, it lets the process end
      resolve(waits);
    };
    const onData = () => tell(true);
    const onEnd = () => tell(false);
    const onTime = () => {
      tell(false);
      stdin.once("data", () =>
        note(
          "text came on standard input after the prompt had begun, and is not part of it: write - among the arguments",
        ),
      );
      stdin.resume();
      (stdin as Partial<Socket>).unref?.(); // it is heard while the reply is drawn, and keeps nothing from ending
    };
    const timer = setTimeout(onTime, PATIENCE);
    stdin.on("data", onData).on("end", onEnd).on("error", onEnd);
  });
}
