// Boxes: \boxed{} and \fbox{}, and those without braces that TeX takes too: \boxed 2.

import { LONGEST_ANSWER } from "./key.ts";

export interface Boxes {
  /**
   * What the last box holds, or the stretch from the first to the last of several that one sentence lists; null where
   * there is no box, or the last one says "?" or is but a part of the value.
   */
  text: string | null;
  /** Contents of that box, or of those boxes. */
  parts: string[];
  end: number; // of the last one; 0 where there is none
  /** A box after it was begun and never closed, or it may lack digits. */
  open: boolean;
}

interface Box {
  from: number; // of its backslash
  to: number;
  content: string;
}

const BARE = /\s*([-+−]?(?:\d[\d.,]*\d|\d)|[A-J](?![A-Za-z]))/y;
const BLANK = /\s*/y;
/** Boxes that show the format and no answer. */
const PLACEHOLDER =
  /^(?:[\s.…_]|\\l?dots|\\(?:cdots|square|quad|_))*$|^(?:\\text\s*\{)?\s*(?:(?:your|the|final)\s){0,3}answer(?:\shere)?\s*\}?$/i;
const UNKNOWN = /^(?:\\text\s*\{)?[\s?]*\?[\s?]*\}?$/;

/** The answer's boxes: one pass with a stack of open braces. */
export function lastBoxes(text: string): Boxes {
  const stack: { from: number; inside: number; box: boolean }[] = [];
  const found: Box[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\") {
      const name = ["\\boxed", "\\fbox"].find((box) => text.startsWith(box, i));
      if (!name) {
        i++; // it escapes the next character, maybe a brace
        continue;
      }
      BLANK.lastIndex = BARE.lastIndex = i + name.length;
      BLANK.exec(text);
      const brace = BLANK.lastIndex;
      const bare = text[brace] === "{" ? null : BARE.exec(text);
      if (text[brace] === "{") {
        stack.push({ from: i, inside: brace + 1, box: true });
        i = brace;
      } else if (bare) {
        found.push({ from: i, to: BARE.lastIndex, content: bare[1] });
        i = BARE.lastIndex - 1;
      } else i += name.length - 1;
    } else if (text[i] === "{") stack.push({ from: i, inside: i + 1, box: false });
    else if (text[i] === "}") {
      const brace = stack.pop();
      if (!brace?.box) continue;
      const content = text.slice(brace.inside, i);
      if (PLACEHOLDER.test(content)) continue;
      while (found.length && found.at(-1)!.from > brace.from) found.pop(); // boxes within this one
      found.push({ from: brace.from, to: i + 1, content });
    }
  }
  const begun = Math.max(-1, ...stack.slice(-1000).flatMap(({ from, box }) => (box ? [from] : [])));
  const cut = /\\(?:b|bo|box|boxe|boxed|f|fb|fbo|fbox)\s{0,9}$/.test(text);
  const last = found.at(-1);
  const bareEnd = last?.to === text.length && text.at(-1) !== "}"; // \boxed 1, perhaps of 12
  const open = cut || bareEnd || begun > (last?.from ?? -1);
  if (!last) return { text: null, parts: [], end: 0, open };
  let first = found.length - 1;
  const gap = first > 0 ? text.slice(found[first - 1].to, last.from) : "";
  const after = text.slice(last.to, last.to + 40);
  if (UNKNOWN.test(last.content) || isPart(gap) || GOES_AFTER.test(after))
    return { text: null, parts: [last.content], end: last.to, open };
  while (first > 0 && joins(text.slice(found[first - 1].to, found[first].from))) first--;
  if (GOES_BEFORE.test(text.slice(Math.max(0, found[first].from - 60), found[first].from)))
    return { text: null, parts: [last.content], end: last.to, open };
  if (first === found.length - 1) return { text: last.content, parts: [last.content], end: last.to, open };
  const parts = found.slice(first).map((box) => box.content);
  const stretch = text.slice(found[first].from, last.to);
  return { text: stretch.length > LONGEST_ANSWER ? null : stretch, parts, end: last.to, open };
}

/**
 * Ends the text before a box that holds but a part: a sign, an operator, a relation, a macro around it; or a denial.
 */
const GOES_BEFORE = new RegExp(
  [
    String.raw`(?:\\[dtc]?frac|\\sqrt|[\^_])\s*\{\s*`,
    String.raw`(?:[+/^≤≥≠×÷·]|\\(?:times|cdot|div|pm|mp|leq?|geq?|neq?|lt|gt|sqrt)|(?:[\w)}$]\s+|(?<![<\/])\b[A-Za-z])[<>])[\s$]*`,
    String.raw`[-−–]\$?|(?:=|(?:(?<!\\)\$|\\[([])[^$\s][^$\n]{0,40})\s*[-−–]\s+`, // a dash between blanks is none
    String.raw`\d`,
    String.raw`(?:\b(?:not|never|cannot)|n't)(?: [a-z]+){0,2}[\s$*(]*`,
    String.raw`\b(?:negative|minus|plus|times|between|(?:less|more|greater|fewer) than)[\s$*]*`,
  ]
    .map((ending) => `(?:${ending})$`)
    .join("|"),
  "i",
);
/** The same at the head of the text after one: an operator, a factor, "million". */
const GOES_AFTER =
  /^(?: ?(?:[+/^×÷·]|\\(?:times|cdot|div|sqrt|pi|frac|pm)(?![a-z]))| ?[-−–] ?[\d\\]|[xyzn](?![A-Za-z])|[\s$]*(?:\\text\s*\{)?\s*(?:dozen|hundred|thousand|(?:m|b|tr)illion)s?\b)/i;

const BETWEEN = /\\(?:text|mbox|mathrm)\s*\{([^{}]*)\}|\\(?:quad|qquad|[,;: ()[\]])|[$*~]/g;
const between = (gap: string): string => gap.replace(BETWEEN, " $1 ").trim();

/** Whether two boxes with `gap` between make one value: a range, a ratio, a product, a compound measure. */
const isPart = (gap: string): boolean =>
  gap.length <= 120 &&
  !gap.includes("\n") &&
  /^(?:[-–:×x*/+]|\\(?:times|cdot)|(?:up )?to|through|until|out of|of|by|per|over|hours?|minutes?|feet|f(?:oo)?t|pounds?)$/i.test(
    between(gap),
  );

const JOINERS = /[,;、，&和与或及]|\b(?:and|or|as well as)\b/;
/** From one item of a list to the next. */
const NEXT_ITEM = /^[.,;$]{0,2}[ \t]*\n[ \t]*[-*•][ \t]*\$?$/;
/** What makes the later box another thing than a further answer: a correction, a conclusion, the same again. */
const TURNS =
  /\b(?:no|not|wait|actually|rather|instead|correct\w*|sorry|oops|hmm?|should|mistake|wrong|incorrect|false|right|again|mean|so|thus|hence|therefore|then|gives?|which|that|because|since|equivalently|namely|i\.?e|implies|from|into|to)\b/i;

/** Whether what stands between two boxes makes them members of one list: a comma, "and" or "or", and a few words. */
function joins(gap: string): boolean {
  if (NEXT_ITEM.test(gap)) return true;
  if (gap.length > 120 || /\n\s*\n/.test(gap)) return false;
  const plain = between(gap);
  if (plain === "") return !gap.includes("\n");
  if (TURNS.test(plain) || !/^[A-Za-z0-9_{}'\s,;、，&和与或及=]*$/.test(plain)) return false;
  return JOINERS.test(plain) && (plain.match(/[A-Za-z]+/g)?.length ?? 0) <= 6;
}
