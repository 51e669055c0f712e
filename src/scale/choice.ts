// Choices: the letter, A to J, of the option that a reply without a box and without "the answer is" picks.

import { tidy } from "./spelling.ts";

/**
 * The letter of an option named with its text or beside a number; null where it cannot be told, undefined where none is
 * named. `marked`: the reply with its emphasis, which sets a choice off; `reply`: without.
 */
export function optionWithText(marked: string, reply: string): string | null | undefined {
  const line = optionLine(marked);
  return line === undefined ? optionBeside(reply) : line;
}

const OPTION_LINE = /^[\s*_]*(\()?([A-Ja-j])(?:\)|(\.))[\s*_]*\s(?!(?:is|are|was|were|and|or)\b)\S/;

/**
 * The letter of a choice with its text that the reply is, or ends with: "C) 12", "**C. Photosynthesis**"; null where
 * that is one line of several, undefined where there is none.
 */
function optionLine(text: string): string | null | undefined {
  const lines = lastLines(text.trim());
  const last = lines.at(-1) ?? "";
  const line = tidy(last);
  const [, opened, letter, stop] = OPTION_LINE.exec(line) ?? [];
  if (!letter || line.length > 120) return undefined;
  const before = OPTION_LINE.exec(tidy(lines.at(-2) ?? ""))?.[2];
  if (before && before.charCodeAt(0) + 1 === letter.charCodeAt(0)) return null;
  if (letter > "J" || /[.!?]\s+\S/.test(line.slice(line.indexOf(letter) + 2).trim())) return undefined;
  // "A. Smith said so" ends many a text; alone or set off, it is a choice.
  return lines.length === 1 || opened || !stop || /^\s*(?:\*\*|__)/.test(last) ? letter : undefined;
}

/** The lines at the end of a text that are not blank. */
const lastLines = (text: string): string[] =>
  text
    .slice(-2000)
    .split("\n")
    .filter((line) => line.trim() !== "");

const LETTER = String.raw`([A-J])(?![\p{L}\p{N}'])`;
/** An option where digits stand too; "P(A)", "the job (A)" and "Plan B" are none. */
const OPTION = new RegExp(
  String.raw`(?<=(?:^|[^\p{L}\p{N}\s]|\b(?:is|be|not|and|or|choose|pick|select|with|choice|option|answer)) ?)\(([A-J])\)|(?<!\p{L})(?:[Oo]ption|[Cc]hoice)\s+\(?(?!I\b)${LETTER}|\b(?:is|be)\s+(?!I\b)([A-J])(?=,\s|\s[-–—]\s)`,
  "gu",
);
/** What says that the option is the answer, and not one that costs 12. */
const CHOSEN = new RegExp(
  String.raw`(?:\b(?:is|be|choose|pick|select|choice|option|answer|[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore)|[:：]),?\s+(?:[Oo]ption\s+|[Cc]hoice\s+)?\(?${LETTER}` +
    String.raw`|(?<![\p{L}\p{N}])${LETTER}\)?(?=,?\s(?:because|since|as|is (?:the )?(?:correct|right|best))\b|\W*$)`,
  "u",
);
const NAMED = new RegExp(
  String.raw`(?<![\p{L}\p{N}])\(([A-J])\)|(?<!\p{L})(?:[Oo]ption|[Cc]hoice|is|be|es|est|ist|é|è|[Оо]твет:?)\s+(?!I\b)${LETTER}|[是为為选選は은는]\s*(?!I\b)${LETTER}|[:：]\s*(?!I\b)${LETTER}(?=[\s.。]*$)` +
    String.raw`|(?<![\p{L}\p{N}'])(?!I\b)([A-J])(?= is (?:the )?(?:correct|right|best)\b)`,
  "gu",
);
const NEXT_NAMED = new RegExp(String.raw`(?:[,&]|\b(?:and|or))\s*\(?(?!I\b)${LETTER}`, "gu");
const DENIED =
  /\b(?:not|neither|nor|never|cannot|wrong|incorrect|false|between|rule out|eliminate)\b|n't\b|不|ではな|아[닙니]/i;

/**
 * The letter that the last line chooses beside a number; null where it may be the
 * number, undefined where it names none.
 */
function optionBeside(text: string): string | null | undefined {
  const line = text.trim().slice(-2000).split("\n").at(-1)!;
  const named = [...line.matchAll(OPTION)].flatMap((match) => match.slice(1).filter(Boolean));
  if (named.length === 0 || !/\p{Nd}/u.test(line)) return undefined;
  const chosen = CHOSEN.exec(line)?.slice(1).find(Boolean);
  return named.every((letter) => letter === chosen) && !DENIED.test(line) ? named[0] : null;
}

/**
 * A letter in brackets, alone on a line, after "option" or "is", or before "is correct", in the last two lines; the
 * last that has one must have only one, and deny none.
 */
export function loneOption(text: string): string | null {
  for (const line of lastLines(text).slice(-2).reverse()) {
    const alone = /^[^\p{L}\p{N}]{0,8}([A-J])[^\p{L}\p{N}]{0,8}$/u.exec(line)?.[1];
    if (alone) return alone;
    const named = [...line.matchAll(NAMED)].flatMap((match) => match.slice(1).filter(Boolean));
    if (named.length === 0) continue;
    const letters = new Set([...named, ...[...line.matchAll(NEXT_NAMED)].map((match) => match[1])]);
    return letters.size === 1 && !DENIED.test(line) ? named[0] : null;
  }
  return null;
}
