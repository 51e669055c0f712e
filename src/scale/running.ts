// The last number of running text, if it is the whole value: else null. A number stands here without its noun
// or unit ("18 apples", "15 cm"), as the question asked for it. Read off: what stands before it (a sign,
// another number with "and", "to", a colon or a unit between, "not", "at least", an operator) and after it
// ("million", "and a half", "percent").

import { answerKey, bareNumber, isNumberKey } from "./key.ts";
import { rationalKey, readQuantity, readSuffix, VULGAR } from "./quantity.ts";
import { fold } from "./spelling.ts";
import { readUnit } from "./units.ts";
import { FOREIGN_AFTER, FOREIGN_BEFORE } from "./words.ts";

/** A number or a formula with digits. `key`: of its number, "" where it is none. */
interface Item {
  from: number;
  to: number;
  key: string;
  formula: boolean;
}

/** Characters looked at before the last digit, and after it. */
const BEFORE = 1000;
const AFTER = 300;

/** The last number as written, with its key. */
export function lastNumber(reply: string): { text: string; key: string } | null {
  const whole = reply.trim();
  const wholeKey = whole.length <= 200 ? answerKey(whole) : "";
  if (isNumberKey(wholeKey)) return { text: whole, key: wholeKey };
  const { text, start } = tail(reply);
  const items = itemsOf(text);
  const last = items.at(-1);
  if (!last) return null;
  const before = leftOf(text, last, items.at(-2));
  if (before === null) return null;
  const suffix = last.formula ? readSuffix(text, last.to) : null;
  const to = suffix?.end ?? last.to;
  const written = reply.slice(start + before.from, start + to).trim();
  // A formula's own key, for what "$" and a word after it leave: $28$ percent, negative $5$, $5$ million.
  const key = last.formula ? answerKey(`${before.negative ? "-" : ""}${last.key}${text.slice(last.to, to)}`) : last.key;
  if (!isNumberKey(key) || !endsWell(text.slice(to))) return null;
  if (/[$¤]/.test(text.slice(before.from, to)) && !last.formula && /^ ?[mMbB](?![A-Za-z])/.test(text.slice(to)))
    return null; // $5m
  return { text: written, key };
}

/** The lines around the last digit, folded: every index is the reply's, less `start`. */
function tail(reply: string): { text: string; start: number } {
  let last = reply.length - 1;
  while (last >= 0 && !DIGIT.test(reply[last])) last--;
  let start = Math.max(0, last - BEFORE);
  const line = reply.indexOf("\n", start);
  if (start > 0 && line >= 0 && line < last) start = line + 1;
  // The currency and percent signs of LaTeX are signs.
  const text = fold(reply.slice(start, last + AFTER))
    .replaceAll("\\$", " ¤")
    .replaceAll("\\%", " %");
  return { text, start };
}

const DIGIT = new RegExp(`[${Object.keys(VULGAR).join("")}0-9\\p{Nd}]`, "u");

function itemsOf(text: string): Item[] {
  const items: Item[] = [];
  for (let i = 0; i < text.length; ) {
    const formula = formulaAt(text, i);
    const aside = text.startsWith("<<", i) ? /^[^<>\n]{0,200}>>/.exec(text.slice(i + 2, i + 204)) : null;
    if (aside) {
      i += 2 + aside[0].length; // GSM8K's calculator: 20-5=<<20-5=15>>15
    } else if (formula) {
      const { content, to, sound } = formula;
      if (/\d/.test(content) || !sound) {
        const number = sound ? value(content) : null;
        items.push({ from: i, to, key: number === null ? "" : numberKey(number), formula: true });
      }
      i = to;
    } else if (DIGIT.test(text[i]) || (text[i] === "." && /\d/.test(text[i + 1] ?? ""))) {
      const from = signStart(text, i);
      const quantity = readQuantity(text, from);
      const end = quantity?.end ?? i + 1;
      // TeX outside math may be cut from a term.
      const bare = quantity && !/\\(?:times|cdot)/.test(text.slice(from, end));
      items.push({ from, to: end, key: bare ? rationalKey(quantity) : "", formula: false });
      const unit = readUnit(text, end + Number(text[end] === " ")); // its exponent is no number: 25 cm^2
      i = Math.max(unit?.unit.includes("^") ? unit.end : end, i + 1);
    } else i++;
  }
  return items;
}

const numberKey = (text: string): string => bareNumber(answerKey(text)) ?? "";

const SIGNED =
  /(?:(?<=^|[\s=:*"'`(≈])[-+][$¤]?|(?<![A-Za-z])(?:negative|minus) [$¤]?|(?<=(?:^|[=:])\s?)- [$¤]?|[$¤][- ]?)$/i;

/**
 * Where the sign and the currency before a number begin. A blank after the sign makes it an
 * operator, unless nothing stands before.
 */
function signStart(text: string, at: number): number {
  const from = Math.max(0, at - 14);
  const lead = SIGNED.exec((from > 0 ? "…" : "") + text.slice(from, at));
  return at - (lead?.[0].length ?? 0);
}

const CLOSERS: Record<string, string> = { $$: "$$", "\\(": "\\)", "\\[": "\\]" };

/**
 * The formula that opens at `at`. A single $ opens one where Pandoc has it so: no blank within its ends (or one at
 * both), no digit after it; else it is a currency sign. `sound`: it closes, and only display math spans lines.
 */
function formulaAt(text: string, at: number): { content: string; to: number; sound: boolean } | null {
  const mark = text.startsWith("$$", at) ? "$$" : text.slice(at, at + 2);
  if (CLOSERS[mark]) {
    const end = text.indexOf(CLOSERS[mark], at + 2);
    const content = end < 0 ? text.slice(at + 2) : text.slice(at + 2, end);
    const inline = mark === "\\(" && content.includes("\n");
    return { content, to: end < 0 ? text.length : end + 2, sound: end >= 0 && !inline && content.length <= 400 };
  }
  if (text[at] !== "$") return null;
  const end = text.slice(0, at + 400).indexOf("$", at + 1);
  const content = text.slice(at + 1, end);
  if (end < 0 || content.includes("\n") || /^\d/.test(text.slice(end + 1))) return null;
  const blanks = [content[0], content.at(-1)].filter((c) => c === " ").length;
  return blanks === 1 ? null : { content, to: end + 1, sound: true };
}

const EQUALS = /=|≈|\\approx(?![a-zA-Z])/;

/** The right side of a formula's last equals sign, unless the left is an equation's (2x + z = 1 says nothing of 1). */
export function value(formula: string): string | null {
  if (bareNumber(answerKey(formula)) !== null) return formula;
  const sides = formula.split(EQUALS);
  const right = sides.pop()!;
  const left = sides.pop()?.replace(/\\(?:text|mbox|mathrm)\s*\{[^{}]*\}|\\[a-zA-Z]+|(?<=\d ?)x(?= ?\d)/g, "");
  if (left === undefined || /[<>]\s*$|\s!$|[,;]\s/.test(left)) return null;
  const letters = left.match(/[A-Za-z]+/g) ?? [];
  return letters.length === 0 || /^\s*[A-Za-z]+\s*$/.test(left) ? right : null;
}

const SENTENCE_END = /[.!?](?:["')*$]|\\[)\]])*\s|[。！？\n]|[^\s\d]:\s|\d:\s(?!\d)|[=≈]/g;
const LABEL = /\b(?:step|section|part|case|equation|figure|table|chapter|example|problem|question|line|page|base)\s+$/i;
const MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december";
const NUMBER_WORDS =
  "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]{3,5}teen|[a-z]{3,4}ty|hundred|thousand|million|point";
/**
 * The number is denied, bounded, an argument, or the end of something longer; perhaps a word or a currency is between.
 */
const UNLIKE = new RegExp(
  [
    String.raw`(?:\b(?:not|never|cannot|without|nor|no longer)\b|n't)(?: [a-z]+){0,3}`,
    String.raw`\b(?:than|except|least|most|almost|nearly|over|under|above|below|up to|between|from|either|exceeds?)(?: the| an?| only)?`,
    String.raw`\b(?:half|thirds?|quarters?|fifths?|tenths?|roots?|power|square|cube|reciprocal|inverse|multiples?|factors?) (?:of(?: the)?|the)`,
    String.raw`\b(?:half|quarter) (?:past|to)`,
    String.raw`\b(?:all but|neither|neg\.?|binary|octal|hex(?:adecimal)?|twice|double|triple|sqrt|log|ln|sin|cos|tan|year|${MONTHS})`,
    String.raw`\b(?:${NUMBER_WORDS})(?: (?:and|or|to|by|over|in|(?:out )?of(?: the)?|minus|plus|times))?`,
    "(?:不|非|没有|沒有)[是为為]?",
  ]
    .map((words) => String.raw`(?:${words})\s*[$¤]?\s*$`)
    .join("|"),
  "i",
);
/**
 * Before a number without a blank: nothing, or a sign that opens a value; or a word
 * that does in Chinese, Japanese, Korean.
 */
const OPENS = /(?:^|[\s=:$¤*_"“'`≈]|\bUS|[约約是为為爲有共得于於はが은는이가])$/;
/** Words that begin a value of its own after another number. */
const FRESH =
  /(?<!\bto )\b(?:is|are|was|were|be|equals?|gives?|gets?|makes?|leaves?|becomes?|costs?|pays?|has|have|had|totals?|yields?|earns?|needs?|spends?|so|then|hence|thus|therefore|giving|making|leaving|find|which)\b/i;

/** Where the number begins with its sign; null where what stands before it makes it no whole value. */
function leftOf(text: string, item: Item, previous: Item | undefined): { from: number; negative: boolean } | null {
  const sign = item.formula
    ? /(?<![A-Za-z])((?:negative|minus)\s+)$/i.exec(text.slice(Math.max(0, item.from - 14), item.from))
    : null;
  const from = item.from - (sign?.[1].length ?? 0);
  let left = text.slice(0, from);
  // With the last stop that a formula holds: "$x^2 = 4.$ Hence".
  const gap = previous ? text.slice(previous.formula ? previous.to - 2 : previous.to, from) : left;
  const ends = [...gap.matchAll(SENTENCE_END)].at(-1);
  const clause = ends ? gap.slice(ends.index + ends[0].length) : gap;
  if (UNLIKE.test(clause) || FOREIGN_BEFORE.test(clause.slice(-80)) || LABEL.test(left) || /\([^)]*$/.test(clause))
    return null;
  if (
    previous &&
    joint(
      text.slice(previous.to, from),
      ends !== undefined,
      text.slice(Math.max(0, previous.from - 120), previous.from),
      item.formula && /[=≈]/.test(text.slice(item.from, item.to)),
    )
  )
    return null;
  if (item.formula) return { from, negative: sign !== null };
  left = left.replace(/<<[^<>\n]{0,200}>>$/, "");
  if (!OPENS.test(left)) return null;
  const mark = /^["']/.exec(text.slice(item.to))?.[0];
  if (mark && !left.endsWith(mark)) return null; // 5' and 5" are feet and inches
  // A list's marker or a heading's number: "2. Add both".
  if (/(?:^|\n)[\s#*>-]*$/.test(left) && /^[.):]\s+\S/.test(text.slice(item.to))) return null;
  const lead = left.trimEnd();
  if (/[-+/^<>≤≥≠×·([{&]$|[^\s_]_{1,3}$|\d\s*[,;*]$|[<>!:]=$/.test(lead)) return null;
  if (/\\[a-zA-Z]+$/.test(lead) && !/\\(?:approx|quad)$/.test(lead)) return null;
  if (
    lead.endsWith("=") &&
    /(?:[-+*^]\s*[A-Za-z]\w*|\/\s*[A-Za-z]|\d[A-Za-z]|(?<![A-Za-z])(?:[xyz]|(?<!\d)[A-Za-z]) ?(?:[-+*/] ?\d[\d.]*|\^ ?\{?\w+\}?|[²³])|\|)\s*=$/.test(
      lead.slice(-60),
    )
  )
    return null;
  return { from, negative: false };
}

/**
 * Whether a number is part of one thing with the one before, `gap` between: a list, a range, a ratio, a sum, a
 * compound measure, "132 spoons to make 16". Where no word begins a value of its own, it may be, and then neither is
 * the whole. `ends`: a sentence ends in the gap; `earlier`: what stands before the number before; `computed`: the
 * number is a formula's with an equals sign.
 */
function joint(gap: string, ends: boolean, earlier: string, computed: boolean): boolean {
  if (/^ *(?:(?:[,;]|[,;]? *(?:and|or)\b) *(?:[A-Za-z]\w* *= *)?)?$/.test(gap)) return true; // x = 12, y = 13
  if (OTHER_OR.test(gap)) return true;
  return !ends && !computed && (!FRESH.test(gap) || parallel(earlier, gap));
}

/** "5 oder x = 6", in other languages. */
const OTHER_OR = /^ *(?:[和与或及と]|または|또는|(?:oder|und|ou|et|y|o|e|или|и)(?!\p{L}))(?: *[A-Za-z]\w* *=)? *$/u;
const VERBS = new RegExp(FRESH, "gi");
/** What makes the later of two statements the conclusion. */
const CONCLUDES =
  /\b(?:so|then|hence|thus|therefore|making|giving|leaving|which|totals?|altogether|in all|sum|combined|only|left|remain\w*|difference)\b/i;

/** "Tom has 5 and Ann has 7": one verb says both, side by side, so that neither is the answer. */
function parallel(earlier: string, gap: string): boolean {
  if (!/[,;]|\b(?:and|while|but|whereas)\b/.test(gap) || CONCLUDES.test(gap)) return false;
  const verb = (text: string) => text.match(VERBS)?.at(-1)?.toLowerCase();
  return verb(gap) === verb(earlier.split(/[.!?\n]/).at(-1)!);
}

/** Words that make another value of the number before them, or a bound. */
const WORD_AFTER = new RegExp(
  String.raw`^[\s-]*(?:(?:half|halves|thirds|quarters|fourths|fifths|sixths|sevenths|eighths|ninths|tenths|hundredths|thousandths|` +
    String.raw`squared|cubed|factorial|modulo|mod|[ap]\.?m|o'clock|times (?:as|more|the)|tens|scores?|noon|midnight|[a-z]+illions?|lakhs?|crores?|gross|doz|bn|mn|mln|mio|mrd|mil|k|plus|minus|cents?|` +
    String.raw`(?:basis|percentage) points?|per ?mill?e?|pp[mbt]|bps|pi|(?:in )?\(?(?:binary|octal|hex(?:adecimal)?|base)|${MONTHS.replace("|may", "")})\b|π|` +
    String.raw`(?:[a-z]+ )?below\b|` +
    String.raw`(?:[a-z]+ )?(?:or (?:so|more|less|fewer|higher|lower)|and (?:up|above|over|below))\b|` +
    String.raw`(?:and an?|(?:and|or|to) (?:\d|${NUMBER_WORDS}))\b)`,
  "i",
);
const CLASSIFIERS =
  /^(?:[个個元人名只隻岁歲本张張条條块塊枚颗顆件天种種次步米円匹冊台歳명개원살](?!半|亿|億|百分点|方|以[上下内]|未満| ?이[상하]| ?미만)|です|である|だ|입니다|이다)/;

/** Whether what stands after a number leaves it as it is. */
function endsWell(right: string): boolean {
  if (WORD_AFTER.test(right) || FOREIGN_AFTER.test(right.slice(0, 60)) || /^[^.!?\n]*\?/.test(right)) return false;
  if (/^\s+[-+*/^=<>≤≥×](?!\|)|^\s*‰|^\s*\\(?:leq?|geq?|neq?|times|cdot|in)\b|^\s*\*\*?\d/.test(right)) return false;
  const unit = readUnit(right, 0)?.end ?? Number(right[0] === "°"); // without a blank: 15cm, 5°
  if (unit > 0) return !/^[A-Za-z0-9]/.test(right.slice(unit));
  return /^(?:$|[\s.,;:?)*_"”'`$¤。！？<]|\/[A-Za-z])/.test(right) || CLASSIFIERS.test(right);
}
