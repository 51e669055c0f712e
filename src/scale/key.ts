// One canonical string for answers that are equal on sight. Where in doubt two answers stay apart: a vote survives a
// split group better than a merged wrong one. Real equality of expressions is a later, slower step between keys.

/** Longest answer in characters; a longer one is prose, and bounds the work here. */
export const LONGEST_ANSWER = 1000;
/** Longest number in characters that is turned into a BigInt; gcd of two such takes well under a millisecond. */
const LONGEST_NUMBER = 300;

/**
 * The key under which equal answers meet: an exact rational ("-10/9", "5") for numbers, a normalised string for the rest;
 * "" when nothing is left or the answer is too long.
 *
 * Taken as equal: decimals, fractions, percentages (50% = 1/2, not 50), thousands separators, signs, leading zeros;
 * `x = 5` and `5`; degrees, dollars and counted things (`30 beads`) and the bare number. A measure keeps its unit:
 * `5 m` and `5 cm` differ, so neither may meet a bare 5.
 */
export function answerKey(answer: string): string {
  if (answer.length > LONGEST_ANSWER) return "";
  const plain = peel(tidy(answer));
  return counted(plain) ?? valued(plain) ?? listed(plain) ?? spelled(plain);
}

/** Whether a key stands for one number. */
export const isNumberKey = (key: string): boolean => /^-?\d+(?:\/\d+)?$/.test(key);

const SYMBOLS: Record<string, string> = {
  "−": "-",
  "–": "-",
  "≤": "\\leq ",
  "≥": "\\geq ",
  "≠": "\\neq ",
  "≈": "\\approx ",
  π: "\\pi ",
  "∞": "\\infty ",
  "∪": "\\cup ",
  "±": "\\pm ",
};
/** What a LaTeX token becomes; those that only lay out vanish. A Map: an answer may well say `\constructor`. */
const TOKENS = new Map(
  Object.entries({
    ...Object.fromEntries(["(", ")", "[", "]", ",", ";", ":", " ", "\n", "quad", "qquad"].map((name) => [name, " "])),
    ...Object.fromEntries(["left", "right", "displaystyle", "limits"].map((name) => [name, ""])),
    dfrac: "\\frac",
    tfrac: "\\frac",
    le: "\\leq",
    ge: "\\geq",
    ne: "\\neq",
    lt: "<",
    gt: ">",
    degree: "°",
    "%": "%",
    $: "¤", // currency, while a bare $ delimits
  }),
);

/** One spelling for what looks alike; no space at the ends, single ones within. */
function tidy(answer: string): string {
  return answer
    .replace(/[−–≤≥≠≈π∞∪±]/g, (symbol) => SYMBOLS[symbol])
    .replace(/\\(!\s*|[a-zA-Z]+|[\s\S])/g, (token, name: string) =>
      name[0] === "!" ? "" : (TOKENS.get(name) ?? token),
    )
    .replace(/\\(?:text|mbox|textbf|textrm|textit|mathrm)\s*\{([^{}]*)\}/g, " $1 ")
    .replace(/\^\s*(?:\\circ(?![a-zA-Z])|\{\s*\\circ\s*\})/g, "°")
    .replace(/[$~\s]+/g, " ")
    .replace(/(\d) ?\{ ?, ?\} ?(?=\d)/g, "$1,")
    .replace(/ ?(?:, ?)?(?<![A-Za-z])and(?![A-Za-z]) ?/g, ",")
    .replace(/ ?(?<![A-Za-z])(?:percent|percentage|per cent)$/i, "%")
    .trim();
}

/** Takes off trailing stops, emphasis, quotes, boxes and braces around the whole, and brackets around one number or letter. */
function peel(text: string): string {
  for (let i = 0; i < 8; i++) {
    let next = text.replace(/^[*"'`“”]+|[*"'`“”.,;:]+$/g, "").trim();
    const box = /^\\f?box(?:ed)?\s*(?=\{)/.exec(next);
    const inside = next.slice((box?.[0].length ?? 0) + 1, -1);
    if (next.at(-1) === "}" && (box || next[0] === "{") && closed(inside)) next = inside.trim();
    else if (/^\([^(),]*\)$/.test(next) && (numbered(inside, true) !== null || /^ ?[A-Za-z] ?$/.test(inside)))
      next = inside.trim();
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

const COUNTED = /(?: ?°| degrees?| dollars?| beads?| (?:square |cubic )?units?| ways?| people| students?| points?)$/i;

/** A number alone, or with a word or sign that no other answer could stand there with instead. */
function counted(text: string): string | null {
  return (
    numbered(text, true) ??
    numbered(text.replace(COUNTED, ""), true) ??
    numbered(text.replace(/^([+-]? ?)¤ ?/, "$1"), true)
  );
}

const NAME = String.raw`(?:[A-Za-z]|\\[a-zA-Z]+)(?:_(?:\{[^{}]*\}|\w))?'*`;
const NAMED = new RegExp(String.raw`^(?:${NAME} ?)?(?:=|\\approx) ?(.+)$`);
const TUPLE_NAMED = new RegExp(String.raw`^\(((?: ?${NAME} ?,)+ ?${NAME} ?)\) ?= ?(\(.+\))$`);

/** `x = 5` as 5, `(p, q) = (3, 2)` as (3, 2): one name, and a value that is no equation and holds no letter of its own. */
function valued(text: string): string | null {
  const tuple = TUPLE_NAMED.exec(text);
  const value = tuple?.[2] ?? NAMED.exec(text)?.[1];
  if (!value || /[=<>]|\\(?:leq|geq|neq|approx)(?![a-z])/.test(value)) return null;
  if (/[A-Za-z]/.test(value.replace(/\\[a-zA-Z]+/g, ""))) return null;
  if (tuple && split(tuple[1])?.length !== split(value.slice(1, -1))?.length) return null;
  const inner = peel(value);
  return counted(inner) ?? listed(inner) ?? spelled(inner);
}

/** Elements one by one, so that (1, 9/2) meets (1, 4.5). Their order counts, and a comma in here is no thousands separator. */
function listed(text: string): string | null {
  const enclosed = /^(?:[([]|\\\{)/.exec(text)?.[0] ?? "";
  const end = enclosed && /(?:[)\]]|\\\})$/.exec(text)?.[0];
  const inside = text.slice(enclosed.length, end ? text.length - end.length : undefined);
  const whole = end ? split(inside) : null;
  const parts = whole ?? split(text);
  if (!parts || parts.length < 2) return null;
  const keys = parts.map((part) => element(part.trim())).join(",");
  return whole ? enclosed + keys + end : keys;
}

const element = (text: string): string => numbered(text, false) ?? listed(text) ?? spelled(text);

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

/** Spaces go where they separate nothing, braces appear where LaTeX lets them be left out, a plain word loses its capital. */
function spelled(text: string): string {
  const dense = text
    .replace(/ ?([^A-Za-z0-9 ]) ?/g, "$1")
    .replace(/(\d) (?=[A-Za-z])|([A-Za-z]) (?=\d)/g, "$1$2")
    .replace(/\\frac(\d)(\d)/g, "\\frac{$1}{$2}")
    .replace(/\\sqrt([A-Za-z0-9])(?![A-Za-z0-9])/g, "\\sqrt{$1}")
    .replace(/([\^_])(?:(\d)(?!\d)|([A-Za-z])(?![A-Za-z0-9]))/g, "$1{$2$3}");
  return /^[A-Z][a-z]{2,}(?: [a-z]+)*$/.test(dense) ? dense.toLowerCase() : dense;
}

const ARGUMENT = String.raw`\{([^{}]*)\}|(\d)`;
const FRACTION = new RegExp(String.raw`^\\frac ?(?:${ARGUMENT}) ?(?:${ARGUMENT})$`);

/** An exact rational in lowest terms, or null when `text` is anything else. `thousands`: 1,000 may be one number. */
function numbered(text: string, thousands: boolean): string | null {
  if (text.length > LONGEST_NUMBER) return null;
  const signed = /^([+-]?) ?(.*?) ?(%?)$/.exec(text);
  if (!signed) return null;
  const [, sign, body, percent] = signed;
  const fraction = FRACTION.exec(body);
  const parts = fraction
    ? [fraction[1] ?? fraction[2], fraction[3] ?? fraction[4]].map((part) => part.trim())
    : body.split("/").map((part) => part.trim());
  if (parts.length > 2) return null;
  const [top, bottom = { n: 1n, d: 1n }] = parts.map((part) => decimal(part, thousands, fraction !== null));
  if (!top || !bottom || bottom.n === 0n) return null;
  let n = top.n * bottom.d * (sign === "-" ? -1n : 1n);
  let d = top.d * bottom.n * (percent ? 100n : 1n);
  if (d < 0n) [n, d] = [-n, -d];
  const common = gcd(n < 0n ? -n : n, d);
  return d === common ? `${n / common}` : `${n / common}/${d / common}`;
}

/** Digits with at most one point; grouped by commas or spaces when `thousands`, and then zeros may lead (an AIME 033). */
function decimal(text: string, thousands: boolean, signed: boolean): { n: bigint; d: bigint } | null {
  const negative = signed && text[0] === "-";
  let digits = negative ? text.slice(1) : text;
  if (thousands && /^[1-9]\d{0,2}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?$/.test(digits))
    digits = digits.replace(/[, ]/g, "");
  if (!/^(?:\d+\.?\d*|\.\d+)$/.test(digits) || (!thousands && /^0\d/.test(digits))) return null;
  const [whole, part = ""] = digits.split(".");
  const n = BigInt(whole + part);
  return { n: negative ? -n : n, d: 10n ** BigInt(part.length) };
}

function gcd(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b];
  return a;
}
