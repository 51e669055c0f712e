// One LaTeX spelling of an answer, from which forms are read: what `tidy` does for keys, and the plain-text notations
// (sqrt(2), x^(1/2), <=, 2*pi) that a symbolic library does not read as LaTeX.

import { peel } from "../key.ts";
import { tidy } from "../spelling.ts";
import { enclosed } from "./brackets.ts";

/** Commands whose backslash comes doubled where a reply was escaped once too often. */
const ESCAPED =
  /(?<!\\)\\\\(?=(?:[dtc]?frac|left|right|boxed|fbox|text|mathrm|mathbf|sqrt|pi|theta|alpha|beta|le|ge|leq|geq|neq|ne|lt|gt|cdot|times|infty|cup|cap|in|pm|mp|sin|cos|tan|log|ln|begin|end|circ|mathbb)(?![a-zA-Z])|[()[\]]\s)/g;

/** `text` with the backslashes of commands single again. */
export const unescaped = (text: string): string => text.replace(ESCAPED, "\\");

const SYMBOLS: Record<string, string> = {
  "∈": "\\in ",
  "∩": "\\cap ",
  "∖": "\\setminus ",
  "⋅": "\\cdot ",
  "∙": "\\cdot ",
  "÷": "/",
  "∗": "*",
  "∠": "\\angle ",
  ℝ: "\\mathbb{R}",
  ℤ: "\\mathbb{Z}",
  ℕ: "\\mathbb{N}",
  ℚ: "\\mathbb{Q}",
  "∓": "\\mp ",
  θ: "\\theta ",
  α: "\\alpha ",
  β: "\\beta ",
  γ: "\\gamma ",
  φ: "\\phi ",
  λ: "\\lambda ",
  μ: "\\mu ",
  ω: "\\omega ",
};
const SYMBOL = new RegExp(`[${Object.keys(SYMBOLS).join("")}]`, "g");

const COMMANDS: [RegExp, string][] = [
  [/\\(?:bigg?|Bigg?)[lrm]?(?![a-zA-Z])/g, ""],
  [/\\(?:nonumber|notag|allowbreak|relax|hfill)(?![a-zA-Z])|\\(?:hspace|vspace|phantom|label|tag) ?\{[^{}]*\}/g, " "],
  [/\\(?:space|enspace|thinspace)(?![a-zA-Z])/g, " "],
  [/\\(?:[lr]?vert|mid)(?![a-zA-Z])/g, "|"],
  [/\\(?:backslash|smallsetminus)(?![a-zA-Z])/g, "\\setminus "],
  [/\\(?:ldots|cdots|dotsc|dotsb)(?![a-zA-Z])|…/g, "\\dots "],
  [/\\(?:doteq|simeq|thickapprox)(?![a-zA-Z])/g, "\\approx "],
  [/\\ast(?![a-zA-Z])/g, "*"],
  [/\\div(?![a-zA-Z])/g, "/"],
  [/\\colon(?![a-zA-Z])/g, ":"],
  [/\\ratio(?![a-zA-Z])/g, ":"],
  [/\\not ?(?:=|\\eq(?![a-zA-Z]))|!=|=\/=|<>/g, "\\neq "],
  [/<=|=<|\\leqq(?![a-zA-Z])/g, "\\leq "],
  [/>=|\\geqq(?![a-zA-Z])/g, "\\geq "],
  [/\\operatorname\*? ?\{ ?([A-Za-z]+) ?\}/g, "\\$1 "],
  [/\\(?:begin|end) ?\{(?:align(?:ed)?|equation|gather(?:ed)?|split)\*?\}/g, " "],
  [/\\\\ ?\[[^\]]{0,12}\]/g, "\\\\"],
  [/\*\*/g, "^"],
  [/ ?\* ?/g, " \\cdot "],
  [/(?<![A-Za-z\\])(?:all )?(?:the )?real numbers?(?![A-Za-z])|(?<![A-Za-z\\])all reals(?![A-Za-z])/gi, "\\mathbb{R}"],
  [/(?<![A-Za-z\\])all integers(?![A-Za-z])/gi, "\\mathbb{Z}"],
  [
    /^(?:there (?:is|are) )?no (?:real |valid |such )*solutions?(?: exists?)?$|^(?:the )?empty set$|^\\\{ ?\\\}$/gi,
    "\\emptyset",
  ],
  [/\+ ?-/g, "-"],
  [/\^ ?(-\d+|\d{2,})/g, "^{$1}"],
  [/(?<=[)\]}]) ?U ?(?=[([]|\\\{)/g, "\\cup "],
];

/** Functions and constants that a plain text spells without a backslash. */
const NAMES =
  /(?<![A-Za-z\\])(sqrt|cbrt|arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|ln|log|exp|pi|theta|alpha|beta|gamma|lambda|infinity|infty|inf|oo)(?![A-Za-z])/g;
const RENAMED: Record<string, string> = { infinity: "infty", inf: "infty", oo: "infty" };

/** Intervals with their brackets outwards: ]0, 1[ is open. */
const OUTWARD = /(^|\\cup ?|\\in ?|= ?)([[\]]) ?([^[\](),]{1,80}),([^[\](),]{1,80})([[\]])(?= ?(?:$|\\cup))/g;

/** The answer in one LaTeX spelling: no delimiters, boxes, fonts or sizes; operators as commands. */
export function plain(answer: string): string {
  const joined = unescaped(answer)
    .replace(/(\d)\s*(?:\{\s*,\s*\}|,\s*\\!)\s*(?=\d{3}(?!\d))/g, "$1")
    .replace(SYMBOL, (symbol) => SYMBOLS[symbol]);
  let text = peel(unboxed(tidy(joined)));
  for (const [pattern, spelling] of COMMANDS) text = text.replace(pattern, spelling);
  text = text
    .replace(NAMES, (_, name: string) => `\\${RENAMED[name] ?? name} `)
    .replace(OUTWARD, (whole, before, open, from, to, close) =>
      open === "[" && close === "]"
        ? whole
        : `${before}${open === "]" ? "(" : "["}${from},${to}${close === "[" ? ")" : "]"}`,
    );
  for (let i = 0; i < 4; i++) text = argued(text, /(?:\\(?:sqrt|cbrt)|\^) ?(?=\()/g);
  text = text.replace(/\\cbrt ?/g, "\\sqrt[3]");
  return peel(text.replace(/\s+/g, " "));
}

/** Each bracketed argument that follows a match, in braces: \sqrt(2) as \sqrt{2}, x^(1/2) as x^{1/2}. */
function argued(text: string, before: RegExp): string {
  let out = "";
  let from = 0;
  for (const { 0: match, index } of text.matchAll(before)) {
    const start = index + match.length;
    const length = closing(text, start);
    if (start < from || length === 0) continue;
    out += `${text.slice(from, start)}{${text.slice(start + 1, start + length - 1)}}`;
    from = start + length;
  }
  return out + text.slice(from);
}

/** Length of the bracketed stretch that begins at `start`; 0 where it is not closed. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    depth += text[i] === "(" ? 1 : text[i] === ")" ? -1 : 0;
    if (depth === 0) return i + 1 - start;
  }
  return 0;
}

/** Without boxes, wherever they stand. */
function unboxed(text: string): string {
  for (let i = 0; i < 32; i++) {
    const box = /\\f?box(?:ed)? ?(?=\{)/.exec(text);
    if (!box) break;
    const from = box.index + box[0].length;
    let to = from;
    for (let depth = 0; to < text.length; to++) {
      depth += text[to] === "{" ? 1 : text[to] === "}" ? -1 : 0;
      if (depth === 0) break;
    }
    text = `${text.slice(0, box.index)} ${text.slice(from + 1, to)} ${text.slice(to + 1)}`.trim();
  }
  return text;
}

/** The text within a pair of brackets that encloses all of it, again and again. */
export function bare(text: string, brackets = "{("): string {
  for (;;) {
    const pair = enclosed(text);
    if (!pair || pair.open.length > 1 || !brackets.includes(pair.open)) return text;
    text = pair.inside;
  }
}
