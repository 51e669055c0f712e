// Python's strings on JavaScript's: white space by Python's table, positions in code points.
import type { Budget } from "./budget.ts";

/** What str.isspace and \s of Python's re take for white space. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const IS_SPACE = new RegExp(`[${SPACE}]`);
const RUNS = new RegExp(`[^${SPACE}]+`, "g");
const SURROGATE = /[\ud800-\udfff]/;

const isSpace = (sign: string): boolean => IS_SPACE.test(sign);

/** The characters of a text as Python counts them. */
export function characters(text: string, budget: Budget): readonly string[] {
  budget.entries(text.length);
  return SURROGATE.test(text) ? [...text] : text.split("");
}

export function lengthOf(text: string, budget: Budget): number {
  return isPlain(text, budget) ? text.length : characters(text, budget).length;
}

/** Whether every character is one unit: the usual case, in which no list of them is needed. */
function isPlain(text: string, budget: Budget): boolean {
  budget.read(text.length);
  return !SURROGATE.test(text);
}

/** The character at a position, from the end where it is negative. */
export function characterAt(text: string, at: number, budget: Budget): string | undefined {
  if (isPlain(text, budget)) return text.at(at);
  return characters(text, budget).at(at);
}

/** The characters from one position to another. */
export function between(text: string, start: number, end: number, budget: Budget): string {
  if (isPlain(text, budget)) return text.slice(start, end);
  return characters(text, budget).slice(start, end).join("");
}

/** A position in UTF-16 units as one in characters. */
export const position = (text: string, units: number, budget: Budget): number =>
  units < 0 ? units : lengthOf(text.slice(0, units), budget);

/** str.strip: `set` is a set of characters, null for white space. */
export function strip(text: string, set: string | null, side: "both" | "left" | "right", budget: Budget): string {
  budget.read(text.length);
  const drop = set === null ? isSpace : memberOf(set);
  let begin = 0;
  let end = text.length;
  if (side !== "right")
    while (begin < end) {
      const sign = String.fromCodePoint(text.codePointAt(begin) as number);
      if (!drop(sign)) break;
      begin += sign.length;
    }
  if (side !== "left")
    while (end > begin) {
      const low = end >= 2 && /[\udc00-\udfff]/.test(text[end - 1]) && /[\ud800-\udbff]/.test(text[end - 2]);
      const sign = text.slice(low ? end - 2 : end - 1, end);
      if (!drop(sign)) break;
      end -= sign.length;
    }
  return text.slice(begin, end);
}

function memberOf(set: string): (sign: string) => boolean {
  const members = new Set(set);
  return (sign) => members.has(sign);
}

/** str.split without a separator: at most `most` splits, the rest as it stands; -1 for all. */
export function words(text: string, most: number, budget: Budget): string[] {
  const found: string[] = [];
  budget.read(text.length);
  for (const run of text.matchAll(RUNS)) {
    if (most >= 0 && found.length === most) {
      found.push(text.slice(run.index));
      break;
    }
    budget.entries(1);
    found.push(run[0]);
  }
  return found;
}

/** str.rsplit without a separator. */
export function wordsFromRight(text: string, most: number, budget: Budget): string[] {
  if (most < 0) return words(text, most, budget);
  budget.entries(text.length / 2);
  const runs = [...text.matchAll(RUNS)];
  if (runs.length <= most) return runs.map((run) => run[0]);
  const cut = runs.length - most;
  const rest = runs[cut - 1];
  const head = text.slice(0, rest.index + rest[0].length);
  return [head, ...runs.slice(cut).map((run) => run[0])];
}

/** str.split with a separator. */
export function splitAt(text: string, separator: string, most: number, budget: Budget): string[] {
  budget.entries(occurrences(text, separator, budget));
  const parts = text.split(separator);
  if (most < 0 || parts.length <= most + 1) return parts;
  return [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** str.rsplit with a separator. */
export function splitFromRight(text: string, separator: string, most: number, budget: Budget): string[] {
  const parts: string[] = [];
  budget.read(text.length);
  let end = text.length;
  while (most < 0 || parts.length < most) {
    const at = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (at < 0) break;
    budget.entries(1);
    parts.push(text.slice(at + separator.length, end));
    end = at;
  }
  parts.push(text.slice(0, end));
  return parts.reverse();
}

/** What str.splitlines takes for the end of a line. */
const LINE_END = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE = new RegExp(`[^${LINE_END}]*(?:\\r\\n|[${LINE_END}]|$)`, "g");
const LAST_END = new RegExp(`\\r\\n$|[${LINE_END}]$`);

/** str.splitlines. */
export function lines(text: string, keepEnds: boolean, budget: Budget): string[] {
  budget.entries(occurrences(text, "\n", budget));
  const found = text.match(LINE) ?? [];
  if (found.at(-1) === "") found.pop();
  return keepEnds ? found : found.map((line) => line.replace(LAST_END, ""));
}

/** str.count and the number of replacements: matches that do not overlap. */
export function occurrences(text: string, part: string, budget: Budget): number {
  if (part === "") return lengthOf(text, budget) + 1;
  budget.read(text.length);
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

/** str.replace: the first `most` matches; -1 for all. */
export function replaced(text: string, old: string, fresh: string, most: number, budget: Budget): string {
  const found = occurrences(text, old, budget);
  const count = most < 0 ? found : Math.min(most, found);
  budget.text(text.length + count * (fresh.length - old.length));
  if (old === "") {
    const signs = characters(text, budget);
    return signs.map((sign, i) => (i < count ? fresh + sign : sign)).join("") + (count > signs.length ? fresh : "");
  }
  return count === found ? text.split(old).join(fresh) : splitAt(text, old, count, budget).join(fresh);
}

const cased = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u;

/** str.title: capital where a letter follows none. */
export function title(text: string, budget: Budget): string {
  let after = false;
  budget.text(text.length);
  return [...text]
    .map((sign) => {
      const shown = after ? sign.toLowerCase() : sign.toUpperCase();
      after = cased.test(sign);
      return shown;
    })
    .join("");
}

export function capitalize(text: string): string {
  const first = text.slice(
    0,
    text.codePointAt(0) === undefined ? 0 : String.fromCodePoint(text.codePointAt(0) as number).length,
  );
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}
