// A reply, or a worked solution, graded against a gold answer. A grader must not abstain where a vote would.

import { extractAnswer } from "../answer.ts";
import { lastBoxes } from "../box.ts";
import { LONGEST_ANSWER } from "../key.ts";
import type { Equality, EqualOptions } from "./equality.ts";
import { readForm } from "./form.ts";
import { plain, unescaped } from "./plain.ts";
import { isInequality } from "./reals.ts";
import type { Verdict } from "./verdict.ts";

/** Characters searched, from the end. */
const SEARCHED = 65_536;
/** A formula; an inline one stays on its line. */
const FORMULA =
  /\$\$[^$]{1,1000}\$\$|(?<!\\)\$(?:[^$\n\\]|\\[^\n]){1,1000}\$|\\\([^\n]{1,1000}?\\\)|\\\[[\s\S]{1,1000}?\\\]/g;
const JOINT = /^\s*(?:[,;]|,?\s*(?:and|or))\s*$/;
/** What makes a later formula say something of the one before it. */
const WHERE = /^[\s,]*(?:where|for (?:all|any|some|each|every)|with|if|when|since|because)\b/;
const EMPHASIS = /\\(?:text|textbf|mathbf|mathrm) ?\{[^{}]{1,100}\}|\*\*[^*\n]{1,100}\*\*/g;
/** What may stand beside formulas without making a text prose. */
const BESIDE = /^(?:\s|[.,;:%]|and\b|or\b|percent\b)*$/;

const WORDS = /\\[a-zA-Z]+|(?<![A-Za-z])(?:and|or|sin|cos|tan|cot|sec|csc|ln|log|sqrt|pi|inf|infinity)(?![A-Za-z])/g;

/** A formula without delimiters: 288 \pi, sqrt(2)/2. */
const isFormula = (text: string): boolean =>
  text.length <= LONGEST_ANSWER &&
  !/[$#\n]|\\[([]|\\f?box|\\(?:text|mbox)(?![a-z])/.test(text) &&
  !/[A-Za-z]{2}/.test(text.replace(WORDS, " "));

/**
 * The answer in the words of the reply: the whole text where it is formulas and nothing else; else what a vote would
 * extract; else the last box; else the last formula and those that commas, "and" or "or" join to it; else words in
 * bold, or a short text itself. "" where there is none.
 */
export function answerIn(reply: string): string {
  const text = unescaped(reply.slice(-SEARCHED)).trim();
  const formulas = [...text.matchAll(FORMULA)];
  if (isFormula(text)) return text;
  const whole = formulas.length > 0 && text.length <= LONGEST_ANSWER && !/\\f?box/.test(text);
  if (whole && BESIDE.test(text.replace(FORMULA, " "))) return text;
  const extracted = extractAnswer(text, { thinking: null, finished: true });
  if (extracted.kind === "answer") return extracted.text;
  const boxes = lastBoxes(text).parts;
  if (boxes.length > 0) return boxes.join(", ");
  if (formulas.length === 0) return [...text.matchAll(EMPHASIS)].at(-1)?.[0] ?? (text.length <= 100 ? text : "");
  const gap = (i: number) => text.slice(formulas[i - 1].index + formulas[i - 1][0].length, formulas[i].index);
  let last = formulas.length - 1;
  while (last > 0 && WHERE.test(gap(last))) last--;
  let first = last;
  while (first > 0 && JOINT.test(gap(first))) first--;
  return text.slice(formulas[first].index, formulas[last].index + formulas[last][0].length);
}

/** What a grader compared, and with what result. */
export interface Grade extends Verdict {
  gold: string;
  answer: string;
}

/** Whether a reply gives the gold answer: `gradeAnswer` of what both say. */
export async function grade(
  equality: Equality,
  gold: string,
  reply: string,
  options: EqualOptions = {},
): Promise<Grade> {
  const [wanted, answer] = [answerIn(gold), answerIn(reply)];
  return { ...(await gradeAnswer(equality, wanted, answer, options)), gold: wanted, answer };
}

/**
 * Whether an answer is the gold one. Lenient unless `options` say otherwise, and in two ways that are not symmetric: a
 * gold value may be answered by an equation, which says it on its last side; and where sets may not equal relations
 * otherwise, a set may still answer a gold inequality (Math-Verify's rule).
 */
export async function gradeAnswer(
  equality: Equality,
  gold: string,
  answer: string,
  options: EqualOptions = {},
): Promise<Verdict> {
  const setsAsRelations = (options.setsAsRelations ?? true) || isInequality(gold);
  const asked = { lenient: true, ...options, setsAsRelations };
  const verdict = await equality.equal(gold, answer, asked);
  const last = verdict.equal ? null : lastSide(gold, answer);
  if (last === null) return verdict;
  const again = await equality.equal(gold, last, asked);
  return again.equal ? { ...again, why: `${again.why}; lenient: the last side of an equation` } : verdict;
}

/** The last side of an answer that is an equation, where the gold is no relation. */
function lastSide(gold: string, answer: string): string | null {
  const [wanted, said] = [gold, answer].map((text) => (text.length <= LONGEST_ANSWER ? readForm(plain(text)) : null));
  if (!wanted || wanted.is === "relation" || said?.is !== "relation") return null;
  return said.signs.every((sign) => sign === "=") ? said.sides.at(-1)! : null;
}
