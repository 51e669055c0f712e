// Two single values: words, choices, numbers in a base, measures, and expressions, which the judge decides.

import { answerKey, isNumberKey } from "../key.ts";
import { rationalKey, readQuantity } from "../quantity.ts";
import type { Asked } from "./judge.ts";
import { conversion, type Measure, readMeasure } from "./measure.ts";
import { differBy, equalBy, type Outcome } from "./outcome.ts";

export function compareSingle(a: string, b: string, asked: Asked): Outcome {
  if (a === b) return equalBy("form");
  const words = compareWords(a, b, asked) ?? compareBases(a, b, asked);
  if (words) return words;
  const [x, y] = [readMeasure(a), readMeasure(b)];
  if (x.unit === y.unit) return compareValues(x.value, y.value, asked);
  const exact = byKey(a, b);
  if (exact?.equal) return exact;
  const times = x.known && y.known ? conversion(x.unit, y.unit) : null;
  if (times !== null) return compareValues(product(x.value, times), y.value, asked);
  if (x.unit === "°" || y.unit === "°") {
    const [degrees, other] = x.unit === "°" ? [x, y] : [y, x];
    if (other.unit !== "") return differBy("form");
    if (/\\pi(?![a-z])/.test(other.value)) return asked.lenient ? radians(degrees, other, asked) : differBy("form");
    return compareValues(degrees.value, other.value, asked); // 90° is written 90, too
  }
  if (x.unit && y.unit) return exact ?? differBy("form");
  const what = x.unit || y.unit;
  if (what === "%" && !asked.lenient) {
    const hundredths = ({ value, unit }: Measure) => (unit ? `\\frac{${value}}{100}` : value);
    return exact ?? compareValues(hundredths(x), hundredths(y), asked);
  }
  if (!asked.lenient) return exact ?? differBy("form");
  const outcome = compareValues(x.value, y.value, asked);
  return noted(outcome, what === "%" ? "the percent sign is left out" : `the unit ${what} is left out`, asked);
}

/** `outcome`, and where it is equal a note why a grader takes it so. */
export function noted(outcome: Outcome, note: string, { notes }: Asked): Outcome {
  if (outcome?.equal) notes.add(`lenient: ${note}`);
  return outcome;
}

function byKey(a: string, b: string): Outcome {
  const [x, y] = [answerKey(a), answerKey(b)];
  if (x !== "" && x === y) return equalBy("key");
  return isNumberKey(x) && isNumberKey(y) ? differBy("key") : null;
}

function compareValues(a: string, b: string, asked: Asked): Outcome {
  if (a === b) return equalBy("form");
  const outcome = asked.judge.same(a, b);
  if (outcome?.equal || asked.decimals === undefined || !(isDecimal(a) || isDecimal(b))) return outcome;
  const [x, y] = [asked.judge.constant(a), asked.judge.constant(b)];
  if (x === null || y === null) return outcome;
  if (rounded(x, asked.decimals) !== rounded(y, asked.decimals)) return outcome;
  asked.notes.add(`rounded to ${asked.decimals} decimals`);
  return equalBy("numeric");
}

const isDecimal = (text: string): boolean => /\d\.\d|^-? ?\.\d/.test(text);
const rounded = (x: number, decimals: number): number => Math.round(x * 10 ** decimals);

/** A value times a rational number, which is exact where the value is a number. */
function product(value: string, times: string): string {
  const number = readQuantity(value);
  const [n, d = "1"] = times.split("/");
  if (number?.end !== value.length) return `(${value}) \\cdot \\frac{${n}}{${d}}`;
  return rationalKey({ n: number.n * BigInt(n), d: number.d * BigInt(d) });
}

const radians = (degrees: Measure, other: Measure, asked: Asked): Outcome =>
  noted(asked.judge.same(`(${degrees.value})^{\\circ}`, other.value), "degrees as radians", asked);

const LETTERS = /^[A-Za-z][A-Za-z '’.-]*$/;

/** Words, whatever their case and blanks; null where neither side is words. */
function compareWords(a: string, b: string, asked: Asked): Outcome {
  if (!LETTERS.test(a) && !LETTERS.test(b)) return null;
  const [x, y] = [a, b].map((text) => text.toLowerCase().replace(/[ '’.-]|^(?:the|an?) /g, ""));
  if (x === y) {
    if (x.length > 2 || (/[a-z]$/.test(a) && /[a-z]$/.test(b))) return equalBy("form");
    return asked.lenient && x.length === 1 ? noted(equalBy("form"), "the case of a letter", asked) : differBy("form");
  }
  // Choices and unknowns; and points, which are no factors.
  if ([a, b].every((text) => /^[A-Za-z]$/.test(text)) || [a, b].every((text) => /^[A-Z]{2,}$/.test(text)))
    return differBy("form");
  const prose = [a, b].map((text) => LETTERS.test(text) && /[A-Za-z]{4}|[A-Za-z]{2,} [A-Za-z]{2,}/.test(text));
  return prose.includes(true) ? differBy("form") : null;
}

const BASED = /^(?=[A-F]*\d)([0-9A-F]+) ?_ ?\{? ?(\d+|[a-z]{3,}) ?\}?$/;

/** 52_8: digits in a base. */
function compareBases(a: string, b: string, asked: Asked): Outcome {
  const [x, y] = [BASED.exec(a), BASED.exec(b)];
  if (x && y) return x[1] === y[1] && x[2] === y[2] ? equalBy("form") : differBy("form");
  if (!x && !y) return null;
  const same = x ? x[1] === b : y![1] === a;
  return same && asked.lenient ? noted(equalBy("form"), "the base is left out", asked) : differBy("form");
}
