// The unit, percent sign or base at the end of a value, and what units are worth in each other.

import { answerKey, isNumberKey } from "../key.ts";
import { readUnit } from "../units.ts";

export interface Measure {
  value: string;
  /** A unit of `units.ts` ("cm", "km/h"), "%", "°", or the counted thing in its own words; "" where there is none. */
  unit: string;
  /** Whether the unit is one of measure, and not a counted thing. */
  known: boolean;
}

const PERCENT = / ?(?:%|(?<![A-Za-z])(?:per ?cent(?:age)?|pct))$/i;
/** Not of an angle within a function's argument: cos 60°. */
const DEGREES = /(?<!\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])[^()]*) ?(?:°|(?<![A-Za-z\\])degrees?)$/;
const COUNTED = /(?<=[\d})]) ?((?:(?:square|cubic) )?[A-Za-z]{2,}(?: [a-z]{2,}){0,4}(?: ?\^ ?\{?[23]\}?)?)$/;

export function readMeasure(text: string): Measure {
  const percent = PERCENT.exec(text);
  if (percent) return { value: text.slice(0, percent.index), unit: "%", known: true };
  const degrees = DEGREES.exec(text);
  if (degrees) return { value: text.slice(0, degrees.index), unit: "°", known: true };
  for (const { index } of text.matchAll(/(?<=[\d})°\s])(?<!\\(?:sin|cos|tan|cot|sec|csc|ln|log|sqrt) )[A-Za-z°]/g)) {
    const unit = readUnit(text, index);
    const single = /^[A-Za-z]$/.test(text.slice(index)) && !/[\d}] $/.test(text.slice(0, index));
    if (unit?.end === text.length && !single)
      return { value: text.slice(0, index).trim(), unit: unit.unit, known: true };
  }
  const counted = COUNTED.exec(text);
  const value = counted && text.slice(0, counted.index).trim();
  if (value && isNumberKey(answerKey(value))) return { value, unit: counted[1].toLowerCase(), known: false };
  return { value: text, unit: "", known: false };
}

/** The dimension of each unit, and how many of the first one of its dimension it is. */
const WORTH: Record<string, [dimension: string, times: string]> = {
  mm: ["length", "1/1000"],
  cm: ["length", "1/100"],
  m: ["length", "1"],
  km: ["length", "1000"],
  in: ["length", "127/5000"],
  ft: ["length", "381/1250"],
  yd: ["length", "1143/1250"],
  mi: ["length", "201168/125"],
  mg: ["mass", "1/1000"],
  g: ["mass", "1"],
  kg: ["mass", "1000"],
  ml: ["volume", "1/1000"],
  L: ["volume", "1"],
  s: ["time", "1"],
  min: ["time", "60"],
  h: ["time", "3600"],
  day: ["time", "86400"],
  week: ["time", "604800"],
};

interface Worth {
  dimension: string;
  n: bigint;
  d: bigint;
}

function worth(unit: string): Worth | null {
  const [above, below] = unit.split("/");
  const [name, power = "1"] = above.split("^");
  const found = Object.hasOwn(WORTH, name) ? WORTH[name] : null;
  if (!found) return null;
  const [n, d = 1n] = found[1].split("/").map(BigInt);
  const exponent = BigInt(power);
  const top = { dimension: `${found[0]}^${power}`, n: n ** exponent, d: d ** exponent };
  if (below === undefined) return top;
  const under = worth(below);
  return under && { dimension: `${top.dimension}/${under.dimension}`, n: top.n * under.d, d: top.d * under.n };
}

/** By what a value in unit `a` is multiplied to be one in unit `b`: "100" or "1/60"; null where it cannot. */
export function conversion(a: string, b: string): string | null {
  if (a === b) return "1";
  const [from, to] = [worth(a), worth(b)];
  if (!from || !to || from.dimension !== to.dimension) return null;
  return answerKey(`${from.n * to.d}/${from.d * to.n}`);
}
