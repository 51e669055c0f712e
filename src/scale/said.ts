// What a reply says its answer is: "the answer is X", "Answer: X", "<answer>X</answer>", and GSM8K's "#### X".

import { lastBoxes } from "./box.ts";
import { answerKey, isMeasureKey, isNumberKey } from "./key.ts";
import { lastNumber, value } from "./running.ts";
import { fold, unmarked } from "./spelling.ts";
import { FOREIGN_CORRECTION } from "./words.ts";

export interface Said {
  text: string;
  source: "final-answer" | "last-number"; // last-number: out of a sentence after "Answer:"
  key: string;
  /** Index after it. */
  end: number;
  /**
   * Said with a marker, with a colon at the head of its line, or as "final": it stands even against a box before it.
   */
  firm: boolean;
}

const SAYS =
  /\b(?:(final) )?answer(?:\s*(:)|\s+is\b\s*(:)?|\s*(?=\$|\\[([]))|(?:答案|答え|정답)(?:是|为|為|は|은)?\s*(:)|(<answer>)|^[ \t]*(####)(?!#)/gim;
const DISPLAY = /^(?:\\\[[\s\S]*?\\\]|\$\$[^$]*\$\$)/;
const ASIDE = /,?\s(?:(?:because|since|which|where|given|so|as)\b|(?:when|if)\b(?![\s\S]*\d))[\s\S]*$/;
/** "12 (see step 4)", but neither "3 (mod 7)" nor "12 (if n is odd)". */
const BRACKETED = /\s\((?!if|when|for|where|or|and)[^()]*\s[a-z]{2}[^()]*\)$|\s\(see\s[^()]*\)$/;
/** "12 within \boxed{}", as small models repeat what they were asked for. */
const EMPTY_BOX = /(?:^|\s)(?:(?:with)?in\s)?\\(?:boxed|fbox)\s?\{\s?\}$/;
const LEAD_IN =
  /^(?:(?:therefore|thus|then|simply|just|indeed|about|approximately|roughly),?\s+|(?:大?[约約]|一?共有?|合計)(?=[\s\d]))/i;
const PROSE =
  /\b(?:not|never|cannot|longer|n't|either|neither|the|in|is|are|that|this|to|it|we|you|can|be|correct|between|unknown|unclear|undetermined|above|below)\b/i;
const OPTION = /^\(?([A-J])\)(?:[\s:.]|$)|^([A-J])(?:[.:] | \(|:?$)/;
const OTHER_OPTION = /\([A-J]\)|\b(?:and|or) [A-J]\b/;
/** Words that are answers. */
const WORD = /^\W*(?:yes|no|true|false|none|no (?:real )?solutions?)\W*$/i;
/** A sentence where a value should be: it begins with a word that is neither a sign, a currency nor a name with "=". */
const SENTENCE = /^(?!negative|minus|USD|EUR|GBP)(?:[AI] [a-z]|[A-Za-z]{2,})(?![A-Za-z]* ?=)[\s\S]*\d/i;

/** A number and what it counts. */
const COUNT = /^[^A-Za-z\\]*\d(?: [a-z]{3,}| an?(?= )){1,4}$|^[^A-Za-z\\=]*[\d”] ?\p{Lo}+$|^“[^“”]*”$/u;
/** A value that is left open, or that runs into the next sentence: "A or B", "18,then5". */
const BLURRED = /^\(?[A-J]\)?,? or \(?[A-J](?![A-Za-z])|(?<![\\A-Za-z])(?!sqrt)[a-z]{4,}\d/;

/** X of the last statement where X is short and not prose. `reply`: without emphasis. */
export function finalAnswer(reply: string): Said | null {
  const text = fold(reply);
  for (const match of [...text.matchAll(SAYS)].slice(-16).reverse()) {
    const from = match.index + match[0].length;
    const marker = match[6] !== undefined;
    const found = marker
      ? marked(reply, from)
      : stated(reply, from, Boolean(match[2] ?? match[3] ?? match[4] ?? match[5]));
    const line = text
      .slice(Math.max(0, match.index - 80), match.index)
      .split("\n")
      .at(-1)!;
    const heads =
      match.slice(2).some((group) => group !== undefined) && /^[\s*#>_-]*(?:(?:so|the|correct) ){0,2}$/i.test(line);
    if (found) {
      const end = from + Math.max(0, reply.slice(from, from + 500).indexOf(found.text)) + found.text.length;
      return { ...found, end, firm: heads || match[1] !== undefined };
    }
  }
  return null;
}

type Found = Omit<Said, "firm" | "end">;

/** What ends the value after a "####" or begins another turn on its line. */
const RUNS_ON = /\n|<[|/]|####|\s(?=(?:Question|Problem|Human|User|Q)\s*:)/;

/** The value on the line of a "####"; null for a heading. */
function marked(text: string, from: number): Found | null {
  const line = text
    .slice(from, from + 200)
    .split(RUNS_ON, 1)[0]
    .trim();
  const key = answerKey(line);
  const plain = isNumberKey(key) || isMeasureKey(key) || /^[A-J]$|^[-\d/,.]+$/.test(key);
  return plain ? { text: line, source: "final-answer", key } : null;
}

function stated(reply: string, from: number, colon: boolean): Found | null {
  const { said, display } = sentence(reply.slice(from, from + 400));
  const option = OPTION.exec(said);
  const letter = option?.[1] ?? option?.[2];
  if (BLURRED.test(said)) return null;
  if (letter && OTHER_OPTION.test(said.slice(option![0].length))) return null;
  if (letter) return { text: letter, source: "final-answer", key: letter }; // "(C) 12": the letter names the answer
  const formulas = said.replace(/\\(?:text|mbox|mathrm)\s*\{/g, "").replace(/\$[^$]+\$|\\\(.*?\\\)|\\[a-zA-Z]+/g, "0");
  if (colon && !display && said.length <= 200 && SENTENCE.test(formulas)) {
    const number = lastNumber(said);
    if (number) return { ...number, source: "last-number" };
  }
  if (said.split("{").length !== said.split("}").length) return null; // a box that was not closed
  const words = formulas.match(/[A-Za-z]{2,}/g)?.length ?? 0;
  const definite = display || /\p{Nd}/u.test(formulas) || /^\W*[A-J]\W*$/.test(said) || WORD.test(said);
  // An inline formula stays on its line; what opens one and does not close it is none.
  if (!display && /\\[([]/.test(said.replace(/\\\(.*?\\\)|\\\[.*?\\\]/g, ""))) return null;
  if (said.length > 200 || words > 3 || PROSE.test(formulas) || !(colon || definite)) return null;
  const right = said.includes("=") ? value(said) : null; // "3*4 = 12" says 12
  const computed = right === null ? "" : answerKey(right);
  // "12 apples" says 12.
  const number = COUNT.test(fold(said)) && !isMeasureKey(answerKey(said)) ? lastNumber(said) : null;
  const key = isNumberKey(computed) ? computed : (number?.key ?? answerKey(said));
  return key === "" ? null : { text: said, source: "final-answer", key };
}

/** Up to the sentence's end, less lead-in and reasons; or the display formula that comes first. */
function sentence(text: string): { said: string; display: boolean } {
  const start = text.replace(/^(?:[\s*_]|\\(?![a-zA-Z([{$%]))*/, "").replace(LEAD_IN, "");
  const display = DISPLAY.exec(start)?.[0];
  if (display) return { said: display, display: true };
  const end =
    /^[^\n]*?(?=[.?](?:[\s"'”*]|\\[)\]]|$)|!(?:\s+[A-Z]|\s*$)|[。！？]|\n|<\||<\/[a-z]|$)/.exec(start)?.[0] ?? "";
  if (start[end.length] === "?") return { said: "", display: false }; // asked, not said
  const said = end
    .replace(ASIDE, "")
    .replace(BRACKETED, "")
    .replace(EMPTY_BOX, "")
    .replace(/(?:\s|\p{Extended_Pictographic}\ufe0f?)+$/u, "");
  return { said, display: false };
}

/** A line that begins another turn, as base models write once they have answered. */
const NEXT_TURN =
  /(?:^|\n)\s{0,3}(?:[*#]{1,4}\s?)?(?:(?:question|problem|exercise|user|human|instruction|q)\*{0,2}\s*:|#{2,4} (?:question|problem|instruction|user|human)\b)|<\|(?:im_start|start_header_id|user|endoftext|eot_id)\|?/gi;
/** Turns that are looked at for an answer before them. */
const MOST_TURNS = 4;
/** A word that takes back what was said before it. */
export const CORRECTS = new RegExp(
  `(?<!\\p{L})(?:wait|actually|h[oa](?:ld|ng) on|hmm+|re-?compute|re-?check|re-?calculate|mistaken?|(?:an|my) error|correction|` +
    "(?:correct|right|true|actual|corrected) (?:answer|value|result) (?:is|should)|oops|sorry|scratch that|second thought|" +
    "(?:that|this|it|which|I)(?:['’]s| is| was) (?:wrong|incorrect|not (?:right|correct))|no(?=[,.!:;—]| [-–—])|" +
    `(?:I|we) (?:meant?|forgot|missed|overlooked|miscounted|misread))(?!\\p{L})|${FOREIGN_CORRECTION}`,
  "iu",
);

/** Lines beginning with "####" that are looked at for a value. */
const MOST_MARKERS = 64;

/**
 * The reply without the questions that were invented after its answer: cut at the first one, or after a "####" line.
 */
export function withoutNextTurns(text: string): { text: string; cut: boolean } {
  const turn = text
    .matchAll(NEXT_TURN)
    .take(MOST_TURNS)
    .find(({ index }) => isAnswered(text.slice(0, index)));
  const reply = turn ? text.slice(0, turn.index) : text;
  const lines = reply.matchAll(/^[ \t]*####(?!#)[^\n]*\n?/gm).take(MOST_MARKERS);
  const marker = lines.find(({ 0: line }) => marked(line.trim(), 4));
  const begins = marker ? marker.index + marker[0].indexOf("####") + 4 : 0;
  const after = begins + reply.slice(begins).search(RUNS_ON);
  if (marker && after >= begins && !CORRECTS.test(reply.slice(after)))
    return { text: reply.slice(0, after), cut: true };
  return { text: reply, cut: turn !== undefined };
}

const isAnswered = (text: string): boolean => lastBoxes(text).parts.length > 0 || finalAnswer(unmarked(text)) !== null;
