// One spelling for what looks alike: characters first, then LaTeX.

/** Dashes, blanks, and CJK commas, quotes and lenticular brackets, one character each. */
const LIKE: Record<string, string> = {
  "−": "-",
  "–": "-",
  "‐": "-",
  "‑": "-",
  "、": ",",
  "「": "“",
  "」": "”",
  "『": "“",
  "』": "”",
  "【": "“",
  "】": "”",
  "《": "“",
  "》": "”",
  "⁄": "/",
  "∕": "/",
  "\u00a0": " ",
  "\u2002": " ",
  "\u2003": " ",
  "\u2004": " ",
  "\u2005": " ",
  "\u2007": " ",
  "\u2009": " ",
  "\u200a": " ",
  "\u202f": " ",
  "\u3000": " ",
};
const LIKE_ANY = new RegExp(`[${Object.keys(LIKE).join("")}]`, "g");
const JOINER = "\u2060"; // no width; it keeps a folded text as long as it was

/**
 * ASCII for full-width forms, other scripts' decimal digits, dashes and blanks; ¤ for currencies. `$` and superscripts
 * stay, and so does every index.
 */
export function fold(text: string): string {
  if (/^[\x20-\x7e\n]*$/.test(text)) return text;
  return text
    .replace(/[\uff01-\uff5e]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0))
    .replace(LIKE_ANY, (c) => LIKE[c])
    .replace(/(?![$¢])\p{Sc}/gu, "¤")
    .replace(/(?![0-9])\p{Nd}/gu, (c) => digit(c) + JOINER.repeat(c.length - 1));
}

/** Decimal digits stand in Unicode in runs of ten that begin with zero, some runs right after another. */
function digit(c: string): string {
  const code = c.codePointAt(0)!;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

/**
 * A pair of marks with no blank within its ends; an operator (2**3**2, a*b*c) and a LaTeX
 * subscript are none. Two numbers stay apart.
 */
const EMPHASIS =
  /(?<![A-Za-z0-9\\)\]}^]|[A-Za-z0-9}]_|\d[*_`]{0,3} (?=[*_`]{1,6}\d))(\*{1,3}|_{1,3}|`{1,3})(?![\s*_`{})\],.;:])((?:[^*`\n]|\n(?![ \t]{0,9}\n)){1,200}?)(?<![\s\\^])\1(?!\d|(?<=_)[A-Za-z{\\])/g;
const TAGGED = /<(b|i|em|strong|code)>([^<\n]{1,200})<\/\1>/gi;

/** Without the emphasis and code marks of Markdown and HTML. */
export function unmarked(text: string): string {
  let plain = text;
  for (let i = 0; i < 3; i++) plain = plain.replace(TAGGED, "$2").replace(EMPHASIS, "$2");
  return plain;
}

const SYMBOLS: Record<string, string> = {
  "≤": "\\leq ",
  "≥": "\\geq ",
  "≠": "\\neq ",
  "≈": "\\approx ",
  "∅": "\\emptyset ",
  π: "\\pi ",
  "∞": "\\infty ",
  "∪": "\\cup ",
  "±": "\\pm ",
  "×": "\\times ",
  "·": "\\cdot ",
  "√": "\\sqrt ",
  "℃": "°C",
  "℉": "°F",
  "²": "^2",
  "³": "^3",
};
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** What a LaTeX token becomes; those that only lay out vanish. A Map: an answer may well say `\constructor`. */
const TOKENS = new Map(
  Object.entries({
    ...Object.fromEntries(["(", ")", "[", "]", ",", ";", ":", " ", "\n", "quad", "qquad"].map((name) => [name, " "])),
    ...Object.fromEntries(["left", "right", "displaystyle", "limits", "bf", "bfseries"].map((name) => [name, ""])),
    dfrac: "\\frac",
    tfrac: "\\frac",
    cfrac: "\\frac",
    dbinom: "\\binom",
    tbinom: "\\binom",
    geqslant: "\\geq",
    leqslant: "\\leq",
    varnothing: "\\emptyset",
    lbrace: "\\{",
    rbrace: "\\}",
    le: "\\leq",
    ge: "\\geq",
    ne: "\\neq",
    lt: "<",
    gt: ">",
    degree: "°",
    "%": "%",
    '"': '"',
    $: "¤", // currency, while a bare $ delimits
    pounds: "¤",
    euro: "¤",
  }),
);
const WORDS = /\\(?:text(?:bf|rm|it|sf|tt|normal)?|mbox|hbox|emph)\s*\{([^{}]*)\}/g;
const FONTS = /\\(?:math(?:rm|bf|it|sf|tt|normal)|boldsymbol|bm|underline)\s*\{([^{}]*)\}/g;
const FONT_NAMES = /\\(?:math(?:rm|bf|it|sf|tt|normal)|text(?:bf|it)|boldsymbol|bm|underline)\s*\{/;

/** One spelling for what looks alike; no space at the ends, single ones within. */
export function tidy(answer: string): string {
  let text = fold(answer)
    .replaceAll(/[\u2060\u200b\ufeff]/g, "")
    .replace(/[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{2,}|⁻[⁰¹²³⁴⁵⁶⁷⁸⁹]|[⁰¹⁴-⁹]/g, raised)
    .replace(/[≤≥≠≈∅π∞∪±×·√℃℉²³]/g, (symbol) => SYMBOLS[symbol])
    .replace(/\\(!\s*|[a-zA-Z]+|[\s\S])/g, (token, name: string) =>
      name[0] === "!" ? "" : (TOKENS.get(name) ?? token),
    );
  for (let i = 0; i < 3; i++) text = text.replace(WORDS, " $1 ").replace(FONTS, " $1 ");
  return unwrapped(text)
    .replace(/\^\s*(?:\\circ(?![a-zA-Z])|\{\s*\\circ\s*\})/g, "°")
    .replace(/\bUS ?(?:¤|\$(?=\d))/g, "¤")
    .replace(/[$~\s]+/g, " ")
    .replace(/(\d) ?\{ ?, ?\} ?(?=\d)/g, "$1,")
    .trim();
}

/** Without the fonts around what holds braces of its own: \\mathbf{\\frac{1}{2}}. */
function unwrapped(text: string): string {
  for (;;) {
    const font = FONT_NAMES.exec(text);
    if (!font) return text;
    const from = font.index + font[0].length;
    let to = from;
    for (let depth = 1; depth > 0 && to < text.length; to++) depth += text[to] === "{" ? 1 : text[to] === "}" ? -1 : 0;
    text = `${text.slice(0, font.index)}${text.slice(from, to).replace(/\}$/, "")}${text.slice(to)}`;
  }
}

/** 10⁻⁸ as 10^{-8}. */
const raised = (text: string): string =>
  `^{${[...text].map((c) => (c === "⁻" ? "-" : String(SUPERSCRIPTS.indexOf(c)))).join("")}}`;
