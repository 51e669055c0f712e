// Numbers as answers spell them, read from a given place on. The grammar; `_` is an optional blank:
//
//   quantity = sign? _ currency? _ sign? number suffix
//   sign     = "-" | "+" | "negative " | "minus "
//   number   = power | mixed | fraction | repeating | decimal
//   power    = (decimal _ times _)? "10" "^" exponent | decimal "e" exponent      times: × · * x \times \cdot
//   mixed    = whole _ part, part proper: a/b after a blank, \frac{a}{b}, ½, or " and a half", " and three quarters"
//   fraction = decimal _ "/" _ decimal | "\frac" argument argument | ½
//   repeating = digits "." digits? "\overline{" digits "}"
//   decimal  = (digits | grouped) ("." digits)? | "." digits
//   grouped  = one to three digits, then "," or a blank and three digits, again and again, the same mark throughout
//   suffix   = (_ scale)* (_ percent | _ currency)?                               scale: thousand, million, dozen ...
//   percent  = "%" | "percent", in seven languages
//
// What could be read in two ways is no number: 12 345/678, 1.234.567, 2-1/2.

export interface Rational {
  n: bigint;
  d: bigint; // above 0; the fraction may not be in lowest terms
}

export interface Quantity extends Rational {
  end: number; // index after it
  percent: boolean;
}

/** Longest number in characters that becomes a BigInt; gcd of two such takes well under a millisecond. */
const LONGEST_NUMBER = 300;
const MOST_EXPONENT = 300;

const SCALES = new Map<string, bigint>([
  ["dozen", 12n],
  ["hundred", 100n],
  ["thousand", 1000n],
  ["million", 10n ** 6n],
  ["billion", 10n ** 9n],
  ["trillion", 10n ** 12n],
]);
const PARTS: Record<string, [bigint, bigint]> = {
  half: [1n, 2n],
  third: [1n, 3n],
  quarter: [1n, 4n],
  fourth: [1n, 4n],
};
export const VULGAR: Record<string, string> = {
  "½": "1/2",
  "⅓": "1/3",
  "⅔": "2/3",
  "¼": "1/4",
  "¾": "3/4",
  "⅕": "1/5",
  "⅖": "2/5",
  "⅗": "3/5",
  "⅘": "4/5",
  "⅙": "1/6",
  "⅚": "5/6",
  "⅐": "1/7",
  "⅛": "1/8",
  "⅜": "3/8",
  "⅝": "5/8",
  "⅞": "7/8",
  "⅑": "1/9",
  "⅒": "1/10",
};

const SIGN = /([-+]) ?|(?:negative|minus) /iy;
const CODES = "USD|EUR|GBP|JPY|CNY|RMB|INR|CHF|CAD|AUD";
const CURRENCY = new RegExp(`(?:[$¤]|(?:${CODES})(?= )) ?`, "y");
const PAID = new RegExp(` ?(?:¤|(?:${CODES}|dollars?|euros?|yen|yuan|rupees?)(?![A-Za-z]))`, "y");
const PERCENT =
  / ?(?:%|(?:per ?cent(?:age(?! point))?|pct|prozent|(?:por|pour|per) ?c[ie]e?nto?)(?![A-Za-z])|процент(?:а|ов)?(?!\p{L}))/iuy;
const SCALE = / ?(dozen|hundred|thousand|(?:m|b|tr)illion)s?(?![A-Za-z])/iy;
const GROUPED = /[1-9]\d{0,2}(?:(?:,\d{3})+(?![\d]|,\d)|( )\d{3}(?: \d{3})*(?! ?\d))(?:\.\d+)?/y;
const DECIMAL = /\d+(?:\.\d+)?|\.\d+/y;
const REPEATING = /(\d+)\.(\d*)\\(?:overline|bar) ?\{ ?(\d+) ?\}/y;
const ARGUMENT = String.raw` ?(?:\{ ?(-?)(\d{1,3}(?:,\d{3})+|\d+\.?\d*|\.\d+) ?\}|()(\d))`;
const FRACTION = new RegExp(String.raw`\\frac${ARGUMENT}${ARGUMENT}`, "y");
const OVER = / ?\/ ?/y;
const VULGAR_SIGN = new RegExp(`[${Object.keys(VULGAR).join("")}]`, "y");
const MIXED_SLASH = / (\d+)\/(\d+)(?!\/|\.?\d)/y;
const MIXED_WORDS = / and (?:(?:a|one) (half|third|quarter|fourth)|(two|three) (third|quarter|fourth)s)(?![A-Za-z])/iy;
const POWER = / ?(?:\\times|\\cdot|[×·*x]) ?10 ?\^ ?(?:\{ ?([-+]?\d+) ?\}|\(?([-+]?\d+)\)?)(?!\.?\d)/y;
const TEN_POWER = /10 ?\^ ?(?:\{ ?([-+]?\d+) ?\}|([-+]?\d+))(?!\.?\d)/y;
const E_POWER = /[eE]([-+]?\d+)(?![A-Za-z]|\.?\d)/y;

const match = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at;
  return pattern.exec(text);
};

/**
 * The quantity that begins at `at`; null when none does, or when it is too long to compute. `grouped` false: a comma or
 * a blank is no thousands separator, and a whole number has no leading zero, as in a list.
 */
export function readQuantity(text: string, at = 0, { grouped = true } = {}): Quantity | null {
  let negative = false;
  let from = at;
  let signed = false;
  for (const prefix of [SIGN, CURRENCY, SIGN]) {
    const found = match(prefix, text, from);
    if (!found) continue;
    if (prefix === SIGN && signed) return null; // --5 is none
    if (prefix === SIGN) [signed, negative] = [true, found[1] !== "+"];
    from += found[0].length;
  }
  const number = readNumber(text, from, grouped);
  if (!number || number.end - from > LONGEST_NUMBER || number.d === 0n) return null;
  const suffix = readSuffix(text, number.end);
  let n = number.n * suffix.factor * (negative ? -1n : 1n);
  let d = number.d * (suffix.percent ? 100n : 1n);
  if (d < 0n) [n, d] = [-n, -d];
  return { n, d, end: suffix.end, percent: suffix.percent };
}

/** What may follow a number and changes what it counts: " million", "%", " dollars". */
export function readSuffix(text: string, at: number): { factor: bigint; percent: boolean; end: number } {
  let factor = 1n;
  let end = at;
  for (let i = 0; i < 2; i++) {
    const scale = match(SCALE, text, end);
    if (!scale) break;
    factor *= SCALES.get(scale[1].toLowerCase()) ?? 1n;
    end += scale[0].length;
  }
  const percent = match(PERCENT, text, end);
  const paid = percent ?? match(PAID, text, end);
  return { factor, percent: percent !== null, end: end + (paid?.[0].length ?? 0) };
}

type Read = Rational & { end: number };

function readNumber(text: string, at: number, grouped: boolean): Read | null {
  const ten = match(TEN_POWER, text, at);
  if (ten) return scaled({ n: 1n, d: 1n }, ten[1] ?? ten[2], at + ten[0].length);
  const part = readPart(text, at);
  if (part) return part;
  const repeating = match(REPEATING, text, at);
  if (repeating) return repeated(repeating, at);
  const top = readDecimal(text, at, grouped);
  if (!top) return null;
  const power = match(POWER, text, top.end) ?? match(E_POWER, text, top.end);
  if (power) return scaled(top, power[1] ?? power[2], top.end + power[0].length);
  const over = match(OVER, text, top.end);
  const bottom = over && readDecimal(text, OVER.lastIndex, grouped);
  const mixed = top.d === 1n ? readMixed(text, top.end, top.n) : null;
  if (top.blanks && (bottom || mixed)) return null;
  if (mixed) return mixed;
  if (!bottom) return top;
  if (match(OVER, text, bottom.end) || bottom.blanks) return null;
  return { n: top.n * bottom.d, d: top.d * bottom.n, end: bottom.end };
}

/** `whole` and a proper fraction after it. */
function readMixed(text: string, at: number, whole: bigint): Read | null {
  const gap = text[at] === " " ? 1 : 0;
  const slash = match(MIXED_SLASH, text, at);
  const words = match(MIXED_WORDS, text, at);
  let part: Read | null = readPart(text, at + gap);
  if (slash) part = { n: BigInt(slash[1]), d: BigInt(slash[2]), end: at + slash[0].length };
  if (words) {
    const [n, d] = PARTS[(words[1] ?? words[3]).toLowerCase()];
    const times = words[2] ? (words[2].toLowerCase() === "two" ? 2n : 3n) : 1n;
    part = { n: n * times, d, end: at + words[0].length };
  }
  if (!part || part.n <= 0n || part.d <= part.n) return null;
  return { n: whole * part.d + part.n, d: part.d, end: part.end };
}

/** \frac{a}{b} or ½. */
function readPart(text: string, at: number): Read | null {
  const vulgar = match(VULGAR_SIGN, text, at);
  if (vulgar) {
    const [n, d] = VULGAR[vulgar[0]].split("/").map(BigInt);
    return { n, d, end: at + 1 };
  }
  const fraction = match(FRACTION, text, at);
  if (!fraction || fraction[0].length > LONGEST_NUMBER) return null;
  const argument = (i: number) => {
    const { n, d } = decimal((fraction[i + 1] ?? fraction[i + 3]).replaceAll(",", ""));
    return { n: fraction[i] === "-" ? -n : n, d };
  };
  const [top, bottom] = [argument(1), argument(5)];
  return { n: top.n * bottom.d, d: top.d * bottom.n, end: at + fraction[0].length };
}

/** Digits with at most one point. `blanks`: grouped by blanks. */
function readDecimal(text: string, at: number, grouped: boolean): (Read & { blanks: boolean }) | null {
  const group = grouped ? match(GROUPED, text, at) : null;
  const digits = (group ?? match(DECIMAL, text, at))?.[0];
  if (digits === undefined || digits.length > LONGEST_NUMBER) return null;
  if (!grouped && /^0\d/.test(digits)) return null;
  return { ...decimal(digits.replace(/[, ]/g, "")), end: at + digits.length, blanks: group?.[1] !== undefined };
}

function decimal(digits: string): Rational {
  const [whole, part = ""] = digits.split(".");
  return { n: BigInt(whole + part), d: 10n ** BigInt(part.length) };
}

/** 0.1\overline{6}: the digits with the period, less those before it, over nines and zeros. */
function repeated([whole, before, fixed, period]: RegExpExecArray, at: number): Read | null {
  if (whole.length > LONGEST_NUMBER) return null;
  const n = BigInt(before + fixed + period) - BigInt(before + fixed);
  return { n, d: 10n ** BigInt(fixed.length) * (10n ** BigInt(period.length) - 1n), end: at + whole.length };
}

function scaled({ n, d }: Rational, exponent: string, end: number): Read | null {
  const power = Number(exponent);
  if (Math.abs(power) > MOST_EXPONENT) return null;
  const factor = 10n ** BigInt(Math.abs(power));
  return power < 0 ? { n, d: d * factor, end } : { n: n * factor, d, end };
}

/** "-10/9", "5": lowest terms. */
export function rationalKey({ n, d }: Rational): string {
  const common = gcd(n < 0n ? -n : n, d);
  return d === common ? `${n / common}` : `${n / common}/${d / common}`;
}

function gcd(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b];
  return a;
}
