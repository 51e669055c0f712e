// The answer of one chain, out of its whole text.

import { answerKey, isNumberKey } from "./key.ts";

export type Extraction =
  | {
      kind: "answer";
      text: string; // as the chain wrote it
      source: "boxed" | "final-answer" | "last-number" | "choice";
      key: string; // equal answers share it: see `answerKey`
    }
  | {
      kind: "abstain";
      reason: "cut-off-thinking" | "no-answer" | "stopped"; // stopped: ended from outside, for instance by a decided vote
    };

export interface Thinking {
  open: string; // such as <think>
  close: string;
}

/** Characters searched, from the end: an answer stands last, and a hostile text costs no more than this. */
const SEARCHED = 65_536;

/**
 * The answer: the last balanced, non-empty `\boxed{}` (or `\fbox{}`) after the thinking; failing that, in a chain that
 * ended by itself, "the final answer is X", then the last number, then a lone choice letter, A to J. A chain cut off by
 * its token limit (`finished` false) gets no fall-back: the number that it was writing may lack digits.
 * `thinking`: the tags, null for a model that has none. `opened`: the prompt ended inside the thinking, so that no tag
 * opens it in `text` (default: yes, which at worst abstains).
 *
 * What stands within the thinking is never an answer, and a chain whose thinking did not end abstains, box or no box.
 */
export function extractAnswer(
  text: string,
  { thinking, opened = true, finished }: { thinking: Thinking | null; opened?: boolean; finished: boolean },
): Extraction {
  const spoken = thinking ? afterThinking(text, thinking, opened) : text;
  if (spoken === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const end = spoken.slice(-SEARCHED);
  const box = lastBox(end);
  if (box !== null) return answer(box, "boxed") ?? { kind: "abstain", reason: "no-answer" };
  const found =
    finished &&
    (answer(finalAnswer(end), "final-answer") ??
      answer(lastNumber(end), "last-number") ??
      answer(LONE_FORMULA.exec(end)?.[0] ?? null, "final-answer") ??
      answer(choice(end), "choice"));
  return found || { kind: "abstain", reason: "no-answer" };
}

function answer(text: string | null, source: (Extraction & { kind: "answer" })["source"]): Extraction | null {
  const key = text === null ? "" : answerKey(text);
  return key === "" ? null : { kind: "answer", text: text!.trim(), source, key };
}

/** null while the thinking goes on. */
function afterThinking(text: string, thinking: Thinking, opened: boolean): string | null {
  const open = text.lastIndexOf(thinking.open);
  const close = text.lastIndexOf(thinking.close);
  if (open > close) return null; // thinks on, or again
  if (close < 0) return opened ? null : text;
  return text.slice(close + thinking.close.length);
}

/** The content of the box that closes last and is not a placeholder. One pass with a stack of open braces. */
function lastBox(text: string): string | null {
  const open: { from: number; box: boolean }[] = [];
  let found: string | null = null;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\") {
      const name = ["\\boxed", "\\fbox"].find((box) => text.startsWith(box, i));
      let at = i + (name?.length ?? 0);
      while (name && /\s/.test(text[at] ?? "")) at++;
      if (name && text[at] === "{") open.push({ from: at + 1, box: true });
      i = name && text[at] === "{" ? at : i + 1; // else it escapes the next character, maybe a brace
    } else if (text[i] === "{") open.push({ from: i + 1, box: false });
    else if (text[i] === "}") {
      const brace = open.pop();
      if (!brace?.box) continue;
      const content = text.slice(brace.from, i);
      if (!/^(?:[\s.…]|\\l?dots)*$/.test(content)) found = content;
    }
  }
  return found;
}

/** A reply that is one formula and nothing else. */
const LONE_FORMULA = /^\s*(?:\$[^$\n]{1,400}\$|\$\$[^$]{1,400}\$\$|\\\([^\n]{1,400}\\\)|\\\[[\s\S]{1,400}\\\])[\s.]*$/;
const SAYS = /\banswer(?:\*{0,2}\s*(:)|\s+is\b\s*(:)?|\s*(?=\$|\\[([]))/gi;
const DISPLAY = /^(?:\\\[[\s\S]*?\\\]|\$\$[^$]*\$\$)/;
const ASIDE = /,?\s(?:because|since|which|where|when|if|given|so|as)\b[\s\S]*$/;
const LEAD_IN = /^(?:therefore|thus|then|simply|just|indeed|about|approximately|roughly),?\s+/i;
const PROSE =
  /\b(?:not|the|in|is|are|that|this|to|it|we|you|can|be|correct|unknown|unclear|undetermined|above|below)\b/i;

/** X of the last "answer is X", "answer: X" or "answer $X$" where X is short and not prose. */
function finalAnswer(text: string): string | null {
  const says = [...text.matchAll(SAYS)].slice(-16);
  for (const match of says.reverse()) {
    const from = match.index + match[0].length;
    const { said, display } = sentence(text.slice(from, from + 400));
    const option = /^\(?([A-J])\)(?:[\s:.]|$)/.exec(said)?.[1]; // "(C) 12": the letter names the answer
    if (option) return option;
    const formulas = said
      .replace(/\\(?:text|mbox|mathrm)\s*\{/g, "")
      .replace(/\$[^$]+\$|\\\(.*?\\\)|\\[a-zA-Z]+/g, "0");
    const words = formulas.match(/[A-Za-z]{2,}/g)?.length ?? 0;
    const definite = display || /\d/.test(formulas) || /^\W*[A-J]\W*$/.test(said);
    const colon = match[1] ?? match[2];
    // An inline formula stays on its line; what opens one and does not close it is none.
    if (!display && /\\[([]/.test(said.replace(/\\\(.*?\\\)|\\\[.*?\\\]/g, ""))) continue;
    if (said.length <= 200 && words <= 3 && !PROSE.test(formulas) && (colon || definite)) return said;
  }
  return null;
}

/** Up to the sentence's end, less emphasis, lead-in and reasons; or the display formula that comes first. */
function sentence(text: string): { said: string; display: boolean } {
  const start = text.replace(/^[\s*_"'`\\]*(?=[^\s*_"'`\\([]|\\[a-zA-Z([])/, "").replace(LEAD_IN, "");
  const display = DISPLAY.exec(start)?.[0];
  const said = (/^[^\n]*?(?=[.?](?:[\s"*\\]|$)|!(?:\s+[A-Z]|\s*$)|\n|<\||$)/.exec(start)?.[0] ?? "").replace(ASIDE, "");
  return display ? { said: display, display: true } : { said: said.replace(/[\s*_]+$/, ""), display: false };
}

const EQUALS = /=|≈|\\approx(?![a-zA-Z])/;

/** The last number, if it stands alone: no term of a sum, member of a list, bound of an inequality, or part of a word. */
function lastNumber(text: string): string | null {
  const whole = text.trim();
  if (whole.length <= 200 && isNumberKey(answerKey(whole))) return whole;
  let last = text.length - 1;
  while (last >= 0 && !/\d/.test(text[last])) last--;
  if (last < 0) return null;
  const before = text.slice(Math.max(0, last - 300), last + 1);
  const after = text.slice(last + 1, last + 200);
  const formula = formulaAround(before, after);
  if (formula === null) return null;
  const number = formula === undefined ? plainNumber(before, after) : value(formula);
  return number !== null && isNumberKey(answerKey(number)) ? number : null;
}

/** The formula that the end of `before` lies in; null when its ends do not fit, undefined when there is none. */
function formulaAround(before: string, after: string): string | null | undefined {
  const close = /\$|\\[)\]]/.exec(after);
  const open = before.search(/(?:(?<!\\)\$|\\[([])(?![\s\S]*(?:(?<!\\)\$|\\[([]))/);
  if (open < 0 || !close) return /\\[([][^)\]]*$/.test(before) ? null : undefined;
  const opener = before[open] === "$" ? "$" : before.slice(open, open + 2);
  if (close[0] !== { $: "$", "\\(": "\\)", "\\[": "\\]" }[opener]) return null;
  const content = before.slice(open + opener.length) + after.slice(0, close.index);
  // Only display math may span lines, as Math-Verify has it.
  return content.includes("\n") && opener !== "\\[" && !before.slice(0, open).endsWith("$") ? null : content;
}

/** The right side of a formula's last equals sign, unless the left is an equation's (2x + z = 1 says nothing of 1). */
function value(formula: string): string | null {
  if (isNumberKey(answerKey(formula))) return formula;
  const sides = formula.split(EQUALS);
  const right = sides.pop()!;
  const left = sides.pop()?.replace(/\\(?:text|mbox|mathrm)\s*\{[^{}]*\}|\\[a-zA-Z]+/g, "");
  if (left === undefined || /[<>!]\s*$/.test(left)) return null;
  const letters = left.match(/[A-Za-z]+/g) ?? [];
  return letters.length === 0 || /^\s*[A-Za-z]+\s*$/.test(left) ? right : null;
}

const LABEL = /\b(?:step|section|part|case|equation|figure|table|chapter|example|problem|question|line)\s+$/i;

/** A number in running text: `before` ends with its last digit. */
function plainNumber(before: string, after: string): string | null {
  const token = /(?:(?<=^|[\s=:$€£¥*"'`])[-+−])?(?<![\d.,/])\d[\d,./]*$|\d$/.exec(before)!;
  const left = before.slice(0, token.index);
  const next = /^\s*(?:%|percent(?:age)?\b)/.exec(after)?.[0] ?? "";
  const right = after.slice(next.length);
  if (!/^(?:$|[\s.,;:?)*"'`$€£¥°<]|(?:mm|cm|km|m|kg|g|h|s)[²³]?(?![A-Za-z0-9]))/.test(right)) return null;
  if (/^\s+[-+*/^=<>≤≥](?!\|)|^\s*\\(?:leq?|geq?|neq?|times|cdot|in)\b/.test(right)) return null;
  if (!/(?:^|[\s=:$€£¥*"'`≈])$/.test(left)) return null;
  // A list's marker or a heading's number: "2. Add both", "Step 2: add", "see section 2".
  if (/(?:^|\n)[\s#*>-]*$/.test(left) && /^[.):]\s+\S/.test(right)) return null;
  if (LABEL.test(left)) return null;
  const lead = left.trimEnd();
  if (/[-+/^_<>≤≥≠×·([{&]$|\d\s*[,;*]$|[<>!:]=$/.test(lead)) return null;
  if (/\\[a-zA-Z]+$/.test(lead) && !/\\(?:approx|quad)$/.test(lead)) return null;
  if (lead.endsWith("=") && /(?:[-+*/^]\s*[A-Za-z]\w*|\d[A-Za-z])\s*=$/.test(lead.slice(-60))) return null;
  return token[0] + next;
}

/** A letter in brackets, alone on a line, or after "option"; the last line that has one must have only one. */
function choice(text: string): string | null {
  const lines = text.slice(-2000).split("\n");
  for (const line of lines.reverse()) {
    const alone = /^\W{0,8}([A-J])\W{0,8}$/.exec(line)?.[1];
    const named = [...line.matchAll(/\(([A-J])\)|\b(?:[Oo]ption|[Cc]hoice)\s+([A-J])(?![A-Za-z'])/g)];
    const letters = new Set(alone ? [alone] : named.map((match) => match[1] ?? match[2]));
    if (letters.size) return letters.size === 1 ? [...letters][0] : null;
  }
  return null;
}
