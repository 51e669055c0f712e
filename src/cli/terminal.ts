// Text by others on a terminal: a model's reply, a checkpoint's words and names. Its control characters would move the
// cursor, rewrite lines or set the clipboard, and its wide characters fill two columns.
import stringWidth from "string-width";
import { visible } from "../base/visible.ts";

/** Whether lines can be redrawn in place. */
export const redraws = (stream: NodeJS.WriteStream, term = process.env.TERM): boolean =>
  stream.isTTY && term !== "dumb";

/** Milliseconds between lines that say how work goes on, where nothing can be redrawn. */
export const PAUSE = 10_000;

/** What of a line fits into one row: one that wraps could not be redrawn. */
export const rowOf = (stream: NodeJS.WriteStream, line: string): string =>
  line.slice(0, Math.max(20, stream.columns ?? 80) - 1);

/** Control characters as their pictures (ESC as ␛); line feeds and tabs stay. */
export const printable = (text: string): string =>
  text.replace(/\r(?!\n)|[^\P{Cc}\n\r\t]/gu, (c) =>
    c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : c === "\x7f" ? "␡" : "\ufffd",
  );

/**
 * An error or a note on one line: what is invisible stands there by its code point, so
 * that a byte order mark in it is seen.
 */
export const message = (text: string): string => visible(text.replaceAll(/[\r\n\t]+/g, " "));

/** What a model said, on one line. */
export const oneLine = (text: string): string => printable(text.replaceAll(/[\r\n]+/g, " "));
const dense = (text: string): string => printable(text.replaceAll(/\s+/g, " ").trim());

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const characters = (text: string): string[] => Array.from(graphemes.segment(text), ({ segment }) => segment);

/** The end of a text on one line of `width` columns, whole characters only. */
export function tail(text: string, width: number): string {
  const flat = dense(text);
  return stringWidth(flat) <= width
    ? flat
    : `…${fitting(characters(flat).reverse(), width - 1)
        .reverse()
        .join("")}`;
}

/** The beginning of a text on one line, padded on its left to `width` columns. */
export function cell(text: string, width: number): string {
  const shown = fitting(characters(dense(text)), width).join("");
  return " ".repeat(width - stringWidth(shown)) + shown;
}

/** The first of these characters that fill at most `width` columns. */
function fitting(all: readonly string[], width: number): string[] {
  let left = width;
  const end = all.findIndex((character) => {
    left -= stringWidth(character);
    return left < 0;
  });
  return all.slice(0, end < 0 ? all.length : end);
}
