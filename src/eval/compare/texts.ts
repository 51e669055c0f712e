import { readFile, stat } from "node:fs/promises";
import { HyperthinkError } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import type { Problem } from "../race.ts";

const MOST_BYTES = 256 << 20;

/** Text of a file, bounded. Throws `bad-file`. */
export async function readText(file: string): Promise<string> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile())
    throw new HyperthinkError("bad-file", `${file}: expected a text file, found ${info ? "a folder" : "none"}`);
  if (info.size > MOST_BYTES)
    throw new HyperthinkError(
      "bad-file",
      `${file}: expected at most ${MOST_BYTES >> 20} MiB of text, got ${info.size >> 20}`,
    );
  const text = decodeUtf8(await readFile(file));
  if (typeof text === "number")
    throw new HyperthinkError(
      "bad-file",
      `${file}: line ${text}: expected UTF-8 text, got other bytes; convert it first`,
    );
  return text;
}

/** `count` windows of `length` tokens, evenly spread over `ids` and apart. Throws `bad-argument` where they do not fit. */
export function windows(ids: readonly number[], count: number, length: number): number[][] {
  const fit = Math.floor(ids.length / length);
  if (fit < count)
    throw new HyperthinkError(
      "bad-argument",
      `expected a text of at least ${count * length} tokens for ${count} windows of ${length}, got ${ids.length}: ${fit > 0 ? `ask for at most ${fit} windows` : "take a longer text, or a smaller prefix and fewer scored tokens"}`,
    );
  const stride = Math.floor((ids.length - length) / Math.max(1, count - 1));
  return Array.from({ length: count }, (_, i) => ids.slice(i * stride, i * stride + length));
}

/** Problems of a JSONL file: `prompt` (or `question`) and `answer` a line. Throws `bad-file` naming the line. */
export function parseProblems(file: string, text: string): Problem[] {
  if (!text.trim()) throw new HyperthinkError("bad-file", `${file}: expected at least one problem, got an empty file`);
  // Some editors begin a file with a byte order mark, which JSON does not know.
  const lines = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .flatMap((line, i) => (line.trim() ? [{ line, number: i + 1 }] : []));
  return lines.map(({ line, number }) => {
    const wrong = (why: string) =>
      new HyperthinkError(
        "bad-file",
        `${file}: line ${number}: expected {"prompt": text, "answer": text or number}, ${why}`,
      );
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw wrong(`got ${(error as Error).message}`);
    }
    const { prompt, question, answer } = (value ?? {}) as Record<string, unknown>;
    const asked = prompt ?? question;
    if (typeof asked !== "string" || !(typeof answer === "string" || typeof answer === "number"))
      throw wrong("got something else");
    return { question: asked, answer: String(answer) };
  });
}
