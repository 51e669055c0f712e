// What an answer is made of: lists, tuples and intervals, sets, relations, matrices, ratios; and single values, which
// are expressions, numbers, measures or words. Read from the text of `plain`.

import { answerKey, isMeasureKey, isNumberKey } from "../key.ts";
import { apart, type Enclosed, enclosed } from "./brackets.ts";
import { bare } from "./plain.ts";

export type Form = { text: string } & (
  | { is: "value" }
  /** Bare, between commas, "and" or "or"; ± makes a list of two. */
  | { is: "list"; items: Form[]; joint: "and" | "or" | "," }
  /** In brackets; of two items it may be an interval. */
  | { is: "tuple"; items: Form[]; open: string; close: string }
  | { is: "set"; items: Form[] }
  /** Sets and what joins them: \cup, \cap or \setminus, one less than there are parts. */
  | { is: "union"; parts: Form[]; marks: string[] }
  | Relation
  | { is: "matrix"; rows: Form[][] }
  | { is: "ratio"; parts: Form[] }
);
/** Sides between signs, one less than there are sides. */
export type Relation = { is: "relation"; text: string; sides: string[]; signs: string[] };

/** Most items of a list, rows times columns of a matrix, sides of a relation. */
const MOST_ITEMS = 64;

const JOINT = /[,;]|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])/y;
const SIGN = /[=<>]|\\(?:leq|geq|neq|approx|in|lt|gt)(?![a-zA-Z])/y;
const SET_SIGN = /\\(?:cup|cap|setminus)(?![a-zA-Z])/y;
const COMMA = /[,;]/y;
const COLON = /:/y;
const ROW = /\\\\/y;
const CELL = /&/y;
const PLUS_MINUS = /\\(pm|mp)(?![a-zA-Z])/g;
const ENVIRONMENT = /^\\begin ?\{([a-z]+\*?)\} ?(?:\{[clr| ]*\})?([\s\S]*)\\end ?\{\1\}$/;

/** Null where brackets do not pair, or there are too many items. */
export function readForm(text: string): Form | null {
  const whole = bare(text.trim(), "{");
  if (whole === "") return null;
  if (isOneNumber(whole)) return value(whole);
  const sides = apart(whole, SIGN);
  const relation: Form | null =
    sides && sides.marks.length > 0 ? { is: "relation", text: whole, sides: sides.parts, signs: sides.marks } : null;
  if (relation && sides!.parts.length === 2 && isOneNumber(sides!.parts[1])) return relation; // x = 1,234
  const list = apart(whole, JOINT);
  if (!list || list.parts.length > MOST_ITEMS) return null;
  if (list.marks.length > 0) return readList(whole, list);
  if (!relation) return readSingle(whole);
  return sides!.parts.length <= MOST_ITEMS && !sides!.parts.slice(1).includes("") ? relation : null;
}

const value = (text: string): Form => ({ is: "value", text });

/** A number or measure, however its digits are grouped: 58,500 is no list. */
function isOneNumber(text: string): boolean {
  if (!/\d/.test(text) || /[=<>]|\\(?:leq|geq|neq|approx|in|pm)(?![a-z])/.test(text)) return false;
  const key = answerKey(text);
  return isNumberKey(key) || isMeasureKey(key);
}

function readList(text: string, { parts, marks }: { parts: string[]; marks: string[] }): Form | null {
  const words = marks.filter((mark) => mark === "and" || mark === "or");
  const joint = words.length === 0 ? "," : words.includes("or") ? "or" : "and";
  const items: Form[] = [];
  for (const part of parts) {
    if (part === "") continue; // a comma before "and"
    const form = readForm(part);
    if (!form) return null;
    if (form.is === "list") items.push(...form.items);
    else items.push(form);
  }
  if (items.length === 0 || items.length > MOST_ITEMS) return null;
  return items.length === 1 ? items[0] : { is: "list", text, items, joint };
}

function readSingle(text: string): Form | null {
  const sets = apart(text, SET_SIGN);
  if (sets && sets.marks.length > 0) {
    const parts = sets.parts.map(readForm);
    return parts.every((part) => part !== null) ? { is: "union", text, parts, marks: sets.marks } : null;
  }
  const pair = enclosed(text);
  if (pair?.open === "\\{") return readSet(text, pair.inside);
  const both = plusMinus(text);
  if (both) return both;
  const environment = ENVIRONMENT.exec(text);
  if (environment && !environment[2].includes("\\begin")) return readRows(text, environment[1], environment[2]);
  if (pair && /^(?:[([⟨]|\\langle)$/.test(pair.open)) return readPair(text, pair);
  const ratio = apart(text, COLON);
  if (ratio && ratio.marks.length > 0 && !ratio.parts.includes(""))
    return { is: "ratio", text, parts: ratio.parts.map(value) };
  return value(text);
}

/** One ± stands for two values; where ∓ stands beside it, that one takes the other sign. */
function plusMinus(text: string): Form | null {
  const signs = text.match(PLUS_MINUS) ?? [];
  if (signs.filter((sign) => sign === "\\pm").length !== 1) return null;
  const items: Form[] = [];
  for (const plus of [true, false]) {
    const spelled = text.replace(PLUS_MINUS, (_, name) => ((name === "pm") === plus ? "+" : "-"));
    const form = readForm(spelled.replace(/(^|[([{,=]) ?\+ ?/g, "$1"));
    if (!form) return null;
    items.push(form);
  }
  return { is: "list", text, items, joint: "," };
}

function readRows(text: string, name: string, body: string): Form | null {
  const rows = apart(body.trim(), ROW)?.parts.filter((row) => row !== "");
  const cells = rows?.map((row) => apart(row, CELL)?.parts ?? []);
  if (!cells || cells.length === 0 || cells.flat().length > MOST_ITEMS) return null;
  if (name === "cases" && cells.every((row) => row.length === 1))
    return readList(text, { parts: cells.flat(), marks: cells.slice(1).map(() => ",") });
  if (/^[vV]matrix$/.test(name)) return value(text); // a determinant or a norm
  const forms = cells.map((row) => row.map(readForm));
  if (forms.flat().includes(null)) return value(text);
  return { is: "matrix", text, rows: forms as Form[][] };
}

/** Items, or a condition: \{x | x > 2\}. */
function readSet(text: string, inside: string): Form | null {
  const condition = /^[^|:]*[|:](.*)$/.exec(inside)?.[1];
  const relation = condition === undefined ? null : readForm(condition);
  if (relation && isCondition(relation)) return { ...relation, text };
  const inner = readForm(inside);
  return inner && { is: "set", text, items: inner.is === "list" ? inner.items : [inner] };
}

function readPair(text: string, { open, inside, close }: Enclosed): Form | null {
  const parts = apart(inside, COMMA)!.parts;
  if (parts.length > 1) {
    const items = parts.map(readForm);
    if (items.some((item) => item === null || item.is === "list")) return value(text);
    const [first, last] = [open === "[" ? "[" : "(", close === "]" ? "]" : ")"];
    return { is: "tuple", text, items: items as Form[], open: first, close: last };
  }
  const inner = readForm(inside);
  if (inner?.is === "matrix" && open === "[") return inner;
  // One thing in brackets is that thing.
  return open === "(" && inner ? { ...inner, text } : value(text);
}

const isCondition = (form: Form): boolean =>
  form.is === "relation" || (form.is === "list" && form.items.every((item) => item.is === "relation"));

export interface Named {
  name: string;
  value: Form;
}

/** Symbols and nothing else: x, x_1, f(2), P(A), \angle ABC, AB, Area; a product xy is none. */
const NAME =
  /^(?:(?:\\(?!pi(?![a-z])|infty|sqrt|frac)[a-zA-Z]+|[A-Z]+(?![a-z])|[A-Za-z]{3,}|[a-z](?![a-z]))'*|[°:| ])+$/;
/** What belongs to a name besides its letters: indices, arguments, the mark of an inverse. */
const PARTS = /_ ?(?:\{[^{}]*\}|\w)|\^ ?\{ ?-1 ?\}|\([^()]*\)|\{[A-Za-z \\]*\}/g;
const DERIVATIVE = /^\\frac ?\{ ?d ?[a-zA-Z]? ?\} ?\{ ?d ?[a-zA-Z] ?\}/;
const TUPLE_OF_NAMES = /^\((?:[^(),]+,)+[^(),]+\)$/;

const isName = (text: string): boolean =>
  /^(?:[A-Za-z\\]|\|[A-Z])/.test(text) && NAME.test(text.replace(DERIVATIVE, "d").replace(PARTS, ""));

/**
 * `x = 5`, `x \in S` and `x = 3 + 2 = 5` as a name and its value; null for other relations. Of `x = 1/3 \approx 0.33`
 * the value is the exact one.
 */
export function named({ sides, signs }: Relation): Named | null {
  const equals = signs.every((sign) => sign === "=" || sign === "\\approx");
  if (!equals && !(signs.length === 1 && signs[0] === "\\in")) return null;
  let [name, ...others] = sides;
  const about = signs.indexOf("\\approx", 1);
  if (about > 0) others = others.slice(0, about);
  if (equals && others.length === 1 && !isName(name) && /^[A-Za-z]$/.test(others[0]))
    [name, others] = [others[0], [name]];
  const tuple =
    TUPLE_OF_NAMES.test(name) &&
    name
      .slice(1, -1)
      .split(",")
      .every((part) => isName(part.trim()));
  if (name !== "" && !tuple && !isName(name)) return null;
  const value = readForm(others.at(-1)!);
  return value ? { name: name.replace(/ /g, ""), value } : null;
}
