// The answer of one chain, out of its whole text.

import { lastBoxes } from "./box.ts";
import { answerKey, bareNumber } from "./key.ts";
import { lastNumber } from "./running.ts";
import { CORRECTS, finalAnswer, withoutNextTurns } from "./said.ts";
import { tidy, unmarked } from "./spelling.ts";
import { afterThinking, type Thinking } from "./thinking.ts";

export type { Thinking } from "./thinking.ts";

export type Extraction =
  | {
      kind: "answer";
      text: string; // as the chain wrote it, less emphasis
      source: "boxed" | "final-answer" | "last-number" | "choice";
      key: string; // equal answers share it: see `answerKey`
    }
  | {
      kind: "abstain";
      reason: "cut-off-thinking" | "no-answer" | "stopped"; // stopped: ended from outside, for instance by a decided vote
    };

/** Characters searched, from the end: an answer stands last, and a hostile text costs no more than this. */
const SEARCHED = 65_536;

const NONE: Extraction = { kind: "abstain", reason: "no-answer" };

/**
 * The answer: the last balanced, non-empty `\boxed{}` (or `\fbox{}`) after the thinking, or all those that one sentence
 * lists; failing that, in a chain that ended by itself, "the final answer is X", then the choice with its text on the last
 * line, then the last number where it is the whole value, then a lone choice letter, A to J. A later "Answer: X" stands against a box. Questions invented after the answer
 * are not read.
 *
 * A chain cut off by its token limit (`finished` false) gets no fall-back: the number that it was writing may lack digits;
 * and no box either where it was correcting that. `thinking`: the tags, null for a model that has none. `opened`: the
 * prompt ended inside the thinking, so that no tag opens it in `text` (default: yes, which at worst abstains).
 *
 * What stands within the thinking is never an answer, and a chain whose thinking did not end abstains, box or no box.
 */
export function extractAnswer(
  text: string,
  { thinking, opened = true, finished }: { thinking: Thinking | null; opened?: boolean; finished: boolean },
): Extraction {
  const spoken = thinking ? afterThinking(text, thinking, opened) : text;
  if (spoken === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const { text: marked, cut } = withoutNextTurns(spoken.slice(-SEARCHED));
  const reply = unmarked(marked);
  const ended = finished || cut;
  const boxes = lastBoxes(reply);
  const rest = reply.slice(boxes.end);
  if (!ended && (boxes.open || CORRECTS.test(rest))) return NONE;
  if (boxes.parts.length > 0) {
    const later = ended ? finalAnswer(rest) : null;
    if (boxes.text === null && !later) return NONE;
    const boxed = boxes.text === null ? NONE : answer(boxes.text, "boxed", keyOf(boxes.parts));
    if (boxed.kind === "answer" && ended && takenBack(boxed.key, rest)) return NONE;
    if (!later?.firm || boxed.kind === "abstain") return boxed;
    const same = later.key === boxed.key || lastNumber(later.text)?.key === boxed.key; // 5, and "Answer: 5 apples"
    return same ? boxed : answer(later.text, later.source, later.key);
  }
  if (!ended) return NONE;
  const said = finalAnswer(reply);
  if (said) return takenBack(said.key, reply.slice(said.end)) ? NONE : answer(said.text, said.source, said.key);
  const line = optionLine(marked);
  const option = line === undefined ? optionBeside(reply) : line;
  if (option !== undefined) return option === null ? NONE : answer(option, "choice", option);
  const number = lastNumber(reply);
  if (number) return answer(number.text, "last-number", number.key);
  const formula = LONE_FORMULA.exec(reply)?.[0];
  if (formula && answerKey(formula)) return answer(formula, "final-answer", answerKey(formula));
  const letter = choice(reply);
  return letter ? answer(letter, "choice", letter) : NONE;
}

const answer = (text: string, source: (Extraction & { kind: "answer" })["source"], key: string): Extraction =>
  key === "" ? NONE : { kind: "answer", text: text.trim(), source, key };

/** Whether what follows an answer says that it was wrong, and ends in another number or letter. */
function takenBack(key: string, rest: string): boolean {
  if (!CORRECTS.test(rest)) return false;
  const value = bareNumber(key);
  const later = value !== null ? lastNumber(rest)?.key : /^[A-J]$/.test(key) ? choice(rest) : null;
  return later != null && later !== (value ?? key);
}

/** One box's key, or the list of several; the same answer boxed twice is one. */
function keyOf(parts: readonly string[]): string {
  const keys = parts.map(answerKey);
  if (keys.includes("")) return "";
  return new Set(keys).size === 1 ? keys[0] : keys.join(",");
}

/** A reply that is one formula and nothing else. */
const LONE_FORMULA = /^\s*(?:\$[^$\n]{1,400}\$|\$\$[^$]{1,400}\$\$|\\\([^\n]{1,400}\\\)|\\\[[\s\S]{1,400}\\\])[\s.]*$/;

const OPTION_LINE = /^[\s*_]*(\()?([A-Ja-j])(?:\)|(\.))[\s*_]*\s(?!(?:is|are|was|were|and|or)\b)\S/;

/**
 * The letter of a choice with its text that the reply is, or ends with: "C) 12", "**C. Photosynthesis**"; null where that
 * is one line of several, undefined where there is none.
 */
function optionLine(text: string): string | null | undefined {
  const lines = text
    .trim()
    .slice(-2000)
    .split("\n")
    .filter((line) => line.trim() !== "");
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

/** The letter that the last line chooses beside a number; null where it may be the number, undefined where it names none. */
function optionBeside(text: string): string | null | undefined {
  const line = text.trim().slice(-2000).split("\n").at(-1)!;
  const named = [...line.matchAll(OPTION)].flatMap((match) => match.slice(1).filter(Boolean));
  if (named.length === 0 || !/\p{Nd}/u.test(line)) return undefined;
  const chosen = CHOSEN.exec(line)?.slice(1).find(Boolean);
  return named.every((letter) => letter === chosen) && !DENIED.test(line) ? named[0] : null;
}

/**
 * A letter in brackets, alone on a line, after "option" or "is", or before "is correct", in the last two lines; the last
 * that has one must have only one, and deny none.
 */
function choice(text: string): string | null {
  const lines = text
    .slice(-2000)
    .split("\n")
    .filter((line) => line.trim() !== "");
  for (const line of lines.slice(-2).reverse()) {
    const alone = /^[^\p{L}\p{N}]{0,8}([A-J])[^\p{L}\p{N}]{0,8}$/u.exec(line)?.[1];
    if (alone) return alone;
    const named = [...line.matchAll(NAMED)].flatMap((match) => match.slice(1).filter(Boolean));
    if (named.length === 0) continue;
    const letters = new Set([...named, ...[...line.matchAll(NEXT_NAMED)].map((match) => match[1])]);
    return letters.size === 1 && !DENIED.test(line) ? named[0] : null;
  }
  return null;
}
