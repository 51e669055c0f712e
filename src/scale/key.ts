// One canonical string for answers that are equal on sight. Where in doubt two answers stay apart: a vote survives a
// split group better than a merged wrong one. Real equality of expressions is a later, slower step between keys.

import { rationalKey, readQuantity } from "./quantity.ts";
import { tidy } from "./spelling.ts";
import { readUnit } from "./units.ts";

/** Longest answer in characters; a longer one is prose, and bounds the work here. */
export const LONGEST_ANSWER = 1000;

/**
 * The key under which equal answers meet: an exact rational ("-10/9", "5") for numbers, with its unit for measures ("5
 * cm"), a normalised string for the rest; "" when nothing is left or the answer is too long.
 *
 * Taken as equal: decimals, fractions, mixed numbers, powers of ten, percentages (50% = 1/2, not 50), thousands
 * separators, signs, leading zeros; `x = 5` and `5`; degrees, sums of any currency and counted things (`30 beads`) and
 * the bare number; a choice's letter with and without its text (`E`, `E. 12`); numbers joined by "and", "or" or commas.
 * A measure keeps its unit: `5 m` and `5 cm` differ, so neither may meet a bare 5.
 */
export function answerKey(answer: string): string {
  if (answer.length > LONGEST_ANSWER) return "";
  const plain = peel(tidy(answer));
  return chosen(plain) ?? amount(plain) ?? restated(plain) ?? either(plain) ?? joined(plain.replace(AND, ", "));
}

/** "12 or 13", "12, 13 or 14": numbers, a list. "x > 5 or x < 3" is none, as "and" would say another thing. */
function either(text: string): string | null {
  if (!OR.test(text)) return null;
  const keys = text.split(OR).flatMap((part) => part.split(", ").map((number) => amount(number)));
  return keys.every((key) => key !== null) ? keys.join(",") : null;
}

/** "1/2 (or 0.5)", "0.5 (50%)": one number twice. */
function restated(text: string): string | null {
  const [, said, again] = /^([^()]+?) \((?:or |i\.e\.,? |that is,? |= ?)?([^()]+)\)$/.exec(text) ?? [];
  const key = again === undefined || again === said ? null : amount(said);
  return key !== null && amount(again) === key ? key : null;
}

const joined = (text: string): string => valued(text) ?? listed(text) ?? spelled(text);

/** Whether a key stands for one number. */
export const isNumberKey = (key: string): boolean => /^-?\d+(?:\/\d+)?$/.test(key);

/** Whether a key stands for one number with its unit, or several of a compound measure. */
export const isMeasureKey = (key: string): boolean => /^-?\d+(?:\/\d+)? [A-Za-z°]/.test(key);

/** The number of a key that stands for one, with or without a unit; else null. */
export const bareNumber = (key: string): string | null => /^(-?\d+(?:\/\d+)?)(?: [^ ]+)?$/.exec(key)?.[1] ?? null;

const AND = / ?(?:, ?)?(?<![A-Za-z\\])and(?![A-Za-z]) ?/g;
const OR = /,? ?(?<![A-Za-z\\])or(?![A-Za-z]) ?/;
const QUOTES = /^(?:(\*{1,3})(?!\*)(.+)\1|(["'`])((?:(?!\3).)*)\3|(“)([^“]*)”|(``)(.*)'')$/;

const SIGNED_BRACKETS = /^([-+] ?|negative |minus )\( ?([\d\\.][^(),]*?) ?\)$/i;

/**
 * Takes off trailing stops, emphasis, quotes, boxes and braces around the whole, and
 * brackets around one number or letter.
 */
export function peel(text: string): string {
  for (let i = 0; i < 8; i++) {
    let next = text.replace(/(?:(?<!\.)[.。]|[,;:\s]|\p{Extended_Pictographic}\ufe0f?)+$/u, "").trim();
    const quoted = QUOTES.exec(next);
    const box = /^\\f?box(?:ed)?\s*(?=\{)/.exec(next);
    const inside = next.slice((box?.[0].length ?? 0) + 1, -1);
    if (quoted) next = (quoted[2] ?? quoted[4] ?? quoted[6] ?? quoted[8]).trim();
    else if (/^\*+$/.test(next)) next = "";
    else if (next.at(-1) === "}" && (box || next[0] === "{") && closed(inside)) next = inside.trim();
    else if (/^\([^(),]*\)$/.test(next) && (amount(inside.trim()) !== null || /^ ?[A-Za-z] ?$/.test(inside)))
      next = inside.trim();
    else
      next = next.replace(SIGNED_BRACKETS, (whole, sign, value) =>
        amount(value) === null ? whole : `${sign}${value}`,
      );
    if (next === text) break;
    text = next;
  }
  return text;
}

/** Whether no bracket in `text` closes before it opens, nor stays open. Backslashed braces count: they pair up too. */
function closed(text: string): boolean {
  let depth = 0;
  for (const c of text) {
    if (c === "(" || c === "[" || c === "{") depth++;
    else if (c === ")" || c === "]" || c === "}") depth--;
    if (depth < 0) return false;
  }
  return depth === 0;
}

const CHOICE =
  /^(?:option |choice )?(?:\(([A-J])\)(?: ?[:,.-](?= )|(?=\d)| )|([A-J])(?:\)| ?:|\. | - (?=[A-Za-z]{3}))) ?(?![,.)\]}=+*/^])(\S.*)$/i;
const OTHER_CHOICE =
  /\([A-J]\)|(?<![A-Za-z0-9\\])[A-J](?:\)|:|\. )|^(?:(?:and|or) )?[A-J](?![A-Za-z0-9'])(?! [a-z])|^(?:and|or) /;

/**
 * The letter of a choice given with its text; "" where it may be none. One letter only: "(A) 1 or (B) 2" is no choice.
 */
function chosen(text: string): string | null {
  const named =
    /^(?:option|choice) \(?([A-J])\)?$/i.exec(text)?.[1] ??
    /^(?:\[{1,2}([A-J])\]{1,2}|([A-J])\))$/.exec(text)?.slice(1).join("");
  if (named) return named.toUpperCase();
  // "E - 12" and "E, 12" are a choice with its text, or a difference and a list: no key.
  const beside = /^[A-J](?: - |, )(.+)$/.exec(text)?.[1];
  if (beside !== undefined && amount(beside) !== null) return "";
  const found = CHOICE.exec(text);
  const letter = found?.[1] ?? found?.[2];
  if (!found || !letter || letter > "J") return null;
  return OTHER_CHOICE.test(found[3]) ? null : letter;
}

const COUNTED = /^(?: ?°| degrees?| beads?| (?:square |cubic )?units?| ways?| people| students?| points?)$/i;

/** A number alone, or with a word or sign that no other answer could stand there with instead; a number with a unit. */
function amount(text: string, grouped = true): string | null {
  let key = "";
  // A compound measure is several: 2 hours 30 minutes, 2 hours and 30 minutes; "5 m and 3 m" is a list.
  let last = "";
  for (let at = 0; at < text.length; ) {
    const number = readQuantity(text, at, { grouped });
    if (!number || (at > 0 && !/\d/.test(text[at]))) return null;
    const value = rationalKey(number);
    if (number.end === text.length) return at === 0 ? value : null;
    if (number.percent) return null;
    if (at === 0 && COUNTED.test(text.slice(number.end))) return value;
    const blank = text[number.end] === " ";
    const measure = readUnit(text, number.end + Number(blank));
    if (!measure) return null;
    // "1/2m" may be half a metre or one over 2m.
    const single = /^[A-Za-z]$/.test(text.slice(number.end, measure.end));
    if (single && /\/ ?\d+$/.test(text.slice(at, number.end))) return null;
    if (measure.unit === last) return null;
    last = measure.unit;
    key += `${key && " "}${value} ${last}`;
    at = measure.end;
    if (at < text.length && text[at] !== " ") return null;
    at += text.startsWith(" and ", at) ? 5 : 1;
  }
  return key || null;
}

const NAME = String.raw`(?:[A-Za-z]|\\[a-zA-Z]+)(?:_(?:\{[^{}]*\}|\w))?'*`;
const ONE_NAME = new RegExp(String.raw`^(?:(?!\\pi$)${NAME})?$`);
const TUPLE_NAMED = new RegExp(String.raw`^\(((?: ?${NAME} ?,)+ ?${NAME} ?)\) ?= ?(\(.+\))$`);
const RELATION = /[<>]|\\(?:leq|geq|neq)(?![a-z])/;
const LETTERS = /[A-Za-z]/;

/**
 * `x = 5` and `x = 3 + 2 = 5` as 5, `(p, q) = (3, 2)` as (3, 2): one name, then sides without a letter
 * of their own, of which the last exact one counts. A computation without a name stays as it is: it may
 * be the answer (make 24 of 4 and 6).
 */
function valued(text: string): string | null {
  const tuple = TUPLE_NAMED.exec(text);
  if (tuple) {
    const parts = split(tuple[2].slice(1, -1));
    if (parts?.length !== split(tuple[1])?.length || RELATION.test(tuple[2]) || letters(tuple[2])) return null;
    return listed(tuple[2]);
  }
  if (RELATION.test(text) || !closed(text)) return null;
  const [exact, ...about] = text.split(/\\approx(?![a-z])/).map((side) => side.trim());
  const sides = exact.split("=").map((side) => side.trim());
  const name = ONE_NAME.test(sides[0]);
  if (sides.length === 1) {
    if (about.length !== 1) return null;
    if (!name) return letters(exact) ? null : (amount(exact) ?? spelled(exact)); // \frac13 \approx 0.33
    sides.push(...about); // x \approx 11
  }
  if (/!$/.test(sides[0])) return null;
  const value = peel(sides.at(-1)!);
  const number = amount(value);
  const first = name ? null : amount(sides[0]);
  if (number !== null && (isNumberKey(number) || /[A-Za-z°]{2}/.test(value)) && !sides.slice(1, -1).some(letters))
    if (name || first === number) return number;
  return name && sides.length === 2 && value !== "" && !letters(value) ? (listed(value) ?? spelled(value)) : null;
}

const letters = (text: string): boolean => LETTERS.test(text.replace(/\\[a-zA-Z]+/g, ""));

/**
 * Elements one by one, so that (1, 9/2) meets (1, 4.5). Their order counts, and a
 * comma in here is no thousands separator.
 */
function listed(text: string): string | null {
  const enclosed = /^(?:[([]|\\\{)/.exec(text)?.[0] ?? "";
  const end = enclosed && /(?:[)\]]|\\\})$/.exec(text)?.[0];
  const inside = text.slice(enclosed.length, end ? text.length - end.length : undefined);
  const whole = end ? split(inside) : null;
  if (!whole) {
    // 1,234, 5,678: the commas without a blank are the thousands'.
    const amounts = /\d,\d/.test(text) && text.includes(", ") ? text.split(/, +/).map((part) => amount(part)) : [null];
    if (amounts.every((key) => key !== null)) return amounts.join(",");
  }
  const parts = whole ?? split(text);
  if (!parts || parts.length < 2) return null;
  const keys = parts.map((part) => element(part.trim())).join(",");
  return whole ? enclosed + keys + end : keys;
}

function element(text: string): string {
  const inner = /^\\f?box(?:ed)? ?\{/.test(text) ? peel(text) : text;
  return amount(inner, false) ?? listed(inner) ?? spelled(inner);
}

/** The parts between commas outside all brackets; null when brackets do not pair. */
function split(text: string): string[] | null {
  if (!closed(text)) return null;
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if ("([{".includes(text[i])) depth++;
    else if (")]}".includes(text[i])) depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/**
 * Spaces go where they separate nothing, braces appear where LaTeX lets them be left
 * out, a plain word loses its capital.
 */
function spelled(text: string): string {
  const dense = text
    .replace(/ ?([^A-Za-z0-9 ]) ?/g, "$1")
    .replace(/(\d) (?=[A-Za-z])|([A-Za-z]) (?=\d)/g, "$1$2")
    .replace(/(\d)\\times(?=\d)/g, "$1x")
    .replace(/(\d)\\cdot(?: (?=[A-Za-z])|(?=\\(?!frac)))/g, "$1")
    .replace(/^\+(?=\\infty$)/, "")
    .replace(/\\sqrt([A-Za-z0-9])(?![A-Za-z0-9])/g, "\\sqrt{$1}")
    .replace(/([\^_])(?:(\d)(?!\d)|([A-Za-z])(?![A-Za-z0-9]))/g, "$1{$2$3}");
  if (/^(?:No|[A-Z][a-z]{2,})$|^[A-Z][a-z]+(?: [a-z]+)+$/.test(dense)) return dense.toLowerCase();
  return dense.includes("\\frac") ? braced(dense) : dense.replace(QUOTIENT, "$1\\frac{$2}{$3}");
}

/** \sqrt{3}/2 and 2\pi/3: a product over one thing, and not 1/2x. */
const QUOTIENT =
  /^(-?)((?=[^/]*[A-Za-z])(?:[\dA-Za-z]|\\(?:sqrt\{\w+\}|(?!sqrt)[a-zA-Z]+(?![a-zA-Z{])))+)\/(\d+|[A-Za-z]|\\sqrt\{\w+\}|\\pi)$/;

/** Braces around the arguments of \frac that LaTeX takes without. */
function braced(text: string): string {
  let out = "";
  const missing = [0]; // arguments still to come, at each depth of braces
  for (const [token] of text.matchAll(/\\(?:[a-zA-Z]+|[\s\S])|[\s\S]/g)) {
    const due = missing.at(-1)!;
    if (due > 0 && token === " ") continue;
    const bare = due > 0 && /^(?:\w|\\(?!frac|sqrt)[a-zA-Z]+)$/.test(token);
    out += bare ? `{${token}}` : token;
    if (token === "\\frac") missing[missing.length - 1] = 2;
    else if (bare) missing[missing.length - 1]--;
    else if (token === "{") missing.push(0);
    else if (token === "}" && missing.length > 1) {
      missing.pop();
      if (missing.at(-1)! > 0) missing[missing.length - 1]--;
    } else missing[missing.length - 1] = 0;
  }
  return out;
}
