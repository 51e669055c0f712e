import { readFile, stat } from "node:fs/promises";
import { badArgument, badFile } from "../../base/errors.ts";
import { decodeUtf8 } from "../../base/utf8.ts";

const MOST_BYTES = 256 << 20;

/** Text of a file, bounded. Throws `bad-file`. */
export async function readText(file: string): Promise<string> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw badFile(`${file}: expected a text file, found ${info ? "a folder" : "none"}`);
  if (info.size > MOST_BYTES)
    throw badFile(`${file}: expected at most ${MOST_BYTES >> 20} MiB of text, got ${info.size >> 20}`);
  const text = decodeUtf8(await readFile(file));
  if (typeof text === "number")
    throw badFile(`${file}: line ${text}: expected UTF-8 text, got other bytes; convert it first`);
  return text;
}

/**
 * `count` windows of `length` tokens, evenly spread over `ids` and apart. Throws `bad-argument` where they do not fit.
 */
export function windows(ids: readonly number[], count: number, length: number): number[][] {
  const fit = Math.floor(ids.length / length);
  if (fit < count)
    throw badArgument(
      `expected a text of at least ${count * length} tokens for ${count} windows of ${length}, got ${ids.length}: ${fit > 0 ? `ask for at most ${fit} windows` : "take a longer text, or a smaller prefix and fewer scored tokens"}`,
    );
  const stride = Math.floor((ids.length - length) / Math.max(1, count - 1));
  return Array.from({ length: count }, (_, i) => ids.slice(i * stride, i * stride + length));
}
