// Tokens of a template, as jinja2's lexer finds them with trim_blocks and lstrip_blocks.
import { TemplateError } from "./budget.ts";
import { escapeCode } from "./show.ts";
import { SPACE } from "./text.ts";

export type TokenKind =
  | "data"
  | "variable_begin"
  | "variable_end"
  | "block_begin"
  | "block_end"
  | "name"
  | "string"
  | "integer"
  | "float"
  | "operator"
  | "end";

export interface Token {
  kind: TokenKind;
  /** The text of data and strings, the letters of all else. */
  text: string;
  line: number;
}

const MOST_TOKENS = 400_000;
const OPEN = /\{[{%#]/g;
const RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, "y");
const END_RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, "g");
const END_COMMENT = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, "g");
const END_BLOCK = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, "y");
const END_VARIABLE = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, "y");
const BLANKS = new RegExp(`[${SPACE}]+`, "y");
const LAST_BLANKS = new RegExp(`^[${SPACE}]+$`);

const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{N}_\p{M}]+/uy;
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const OPERATOR = /\/\/|\*\*|[=!<>]=|[-+*/%~[\](){}<>=.:|,;]/y;
const CLOSING: Record<string, string> = { "{": "}", "(": ")", "[": "]" };

export function tokenize(source: string): Token[] {
  // jinja2 knows three line ends, and drops the last one of a template.
  const text = source.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let lineStarts = true;

  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const advance = (to: number): void => {
    for (let i = at; i < to; i++) if (text[i] === "\n") line++;
    lineStarts = to > at ? text[to - 1] === "\n" : lineStarts;
    at = to;
  };
  const push = (kind: TokenKind, value: string): void => {
    if (tokens.length >= MOST_TOKENS) throw fail(line, `it has more than ${MOST_TOKENS} tokens`);
    tokens.push({ kind, text: value, line });
  };
  /** Text before a tag, without the blanks that the tag's sign or lstrip_blocks takes away. */
  const data = (end: number, sign: string, variable: boolean): void => {
    let part = text.slice(at, end);
    if (sign === "-") part = trimEnd(part);
    else if (sign !== "+" && !variable) {
      const start = part.lastIndexOf("\n") + 1;
      if ((start > 0 || lineStarts) && LAST_BLANKS.test(part.slice(start))) part = part.slice(0, start);
    }
    if (part !== "") push("data", part);
  };

  while (at < text.length) {
    const open = take(OPEN);
    if (!open) {
      push("data", text.slice(at));
      break;
    }
    const begin = open.index;
    RAW.lastIndex = begin;
    const raw = RAW.exec(text);
    if (raw) {
      data(begin, raw[1], false);
      advance(begin + raw[0].length);
      const end = take(END_RAW);
      if (!end) throw fail(line, "Missing end of raw directive");
      data(end.index, end[1], false);
      advance(end.index + end[0].length);
      continue;
    }
    const sign = /[-+]/.exec(text[begin + 2] ?? "")?.[0] ?? "";
    const variable = open[0] === "{{";
    data(begin, sign, variable);
    advance(begin + 2 + sign.length);
    if (open[0] === "{#") {
      const end = take(END_COMMENT);
      if (!end) throw fail(line, "Missing end of comment tag");
      advance(end.index + end[0].length);
      continue;
    }
    push(variable ? "variable_begin" : "block_begin", open[0]);
    inside(variable);
  }
  push("end", "");
  return tokens;

  /** Tokens up to the end of the tag. */
  function inside(variable: boolean): void {
    const closers: string[] = [];
    while (at < text.length) {
      const end = closers.length === 0 ? take(variable ? END_VARIABLE : END_BLOCK) : null;
      if (end) {
        push(variable ? "variable_end" : "block_end", end[0]);
        advance(at + end[0].length);
        return;
      }
      const blanks = take(BLANKS);
      if (blanks) {
        advance(at + blanks[0].length);
        continue;
      }
      const [kind, word] = token();
      if (kind === "operator") balance(closers, word);
      push(kind, kind === "string" ? unescaped(word.slice(1, -1), line) : word);
      advance(at + word.length);
    }
  }

  function token(): [TokenKind, string] {
    for (const [kind, pattern] of WORDS) {
      const found = take(pattern);
      if (!found) continue;
      if (kind === "name" && !/^[\p{L}\p{Nl}_]/u.test(found[0])) throw fail(line, "Invalid character in identifier");
      return [kind, found[0]];
    }
    throw fail(line, `unexpected char '${text[at]}' at ${at}`);
  }

  function balance(closers: string[], word: string): void {
    if (CLOSING[word]) closers.push(CLOSING[word]);
    else if (word === "}" || word === ")" || word === "]") {
      const expected = closers.pop();
      if (expected !== word)
        throw fail(line, expected ? `unexpected '${word}', expected '${expected}'` : `unexpected '${word}'`);
    }
  }
}

const WORDS: [TokenKind, RegExp][] = [
  ["float", FLOAT],
  ["integer", INTEGER],
  ["name", NAME],
  ["string", STRING],
  ["operator", OPERATOR],
];

function trimEnd(part: string): string {
  let end = part.length;
  while (end > 0 && LAST_BLANKS.test(part[end - 1])) end--;
  return part.slice(0, end);
}

export const fail = (line: number, message: string): TemplateError => new TemplateError(`line ${line}: ${message}`);

const ESCAPES: Record<string, string> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const HEX_DIGITS: Record<string, number> = { x: 2, u: 4, U: 8 };

/** Escapes of a string as Python's unicode-escape reads them. */
function unescaped(text: string, line: number): string {
  return text.replace(/\\(?:([0-7]{1,3})|([xuU])([\da-fA-F]*)|(.))/gsu, (whole, octal, hex, digits, sign) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    if (hex !== undefined) {
      const count = HEX_DIGITS[hex];
      const code = digits.length < count ? Number.NaN : Number.parseInt(digits.slice(0, count), 16);
      if (!(code <= 0x10ffff)) throw fail(line, `truncated or wrong \\${hex} escape in a string`);
      return String.fromCodePoint(code) + digits.slice(count);
    }
    if (sign === "N") throw fail(line, "\\N{...} in a string is not supported");
    // What is not ASCII was escaped before: Python reads the backslash before it as its own.
    return ESCAPES[sign] ?? (sign > "\x7f" ? escapeCode(sign.codePointAt(0) as number) : whole);
  });
}
