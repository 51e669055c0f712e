// Expressions at sample points: whether they agree there, differ, or cannot be told.

import { evaluate, type MathJson, scatter, type Values } from "./evaluate.ts";

export type Sampled = "agree" | "differ" | null;

const POINTS = 24;
/** Fewest points where both have a value, for a word about them. */
const FEWEST = 8;

/** Points that depend on the names alone, so that a comparison can be repeated; the second half may be negative. */
export function samplePoints(names: ReadonlySet<string>, whole = false): Values[] {
  const sorted = [...names].sort();
  return Array.from({ length: POINTS }, (_, i) => {
    const draw = (name: string) => scatter(`${name} ${i}`);
    if (whole) return new Map(sorted.map((name, j) => [name, 1 + ((i + 5 * j) % 12)]));
    return new Map(sorted.map((name) => [name, i < POINTS / 2 ? 0.2 + 2.8 * draw(name) : 6 * (draw(name) - 0.5)]));
  });
}

/** Two expressions of `names`: at real points, or where they have no values there, at whole numbers. */
export function sample(a: MathJson, b: MathJson, names: ReadonlySet<string>): Sampled {
  if (names.size === 0) return sampleConstants(evaluate(a, new Map()), evaluate(b, new Map()));
  for (const whole of [false, true]) {
    const pairs = samplePoints(names, whole).map((at) => [evaluate(a, at), evaluate(b, at)]);
    const both = pairs.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    if (both.length < FEWEST) continue;
    const apart = both.filter(([x, y]) => !close(x, y));
    if (apart.length > both.length / 10) return "differ";
    // Where only one has a value, their domains differ: ln(x^2) and 2 ln(x).
    const lone = pairs.filter(([x, y]) => Number.isFinite(x) !== Number.isFinite(y));
    if (lone.length > 0) return whole ? null : "differ";
    return apart.length === 0 ? "agree" : null; // one may have lost its digits
  }
  return null;
}

/** Constants are told apart here and never taken as equal: more digits are to be had for them. */
const sampleConstants = (a: number, b: number): Sampled =>
  Number.isFinite(a) && Number.isFinite(b) && Math.abs(a - b) > 1e-6 * Math.max(1, Math.abs(a), Math.abs(b))
    ? "differ"
    : null;

export const close = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-8 * Math.max(Math.abs(x), Math.abs(y));

/** Whether a / b is one number other than zero wherever both have a value; the number. */
export function ratioOf(a: MathJson, b: MathJson, names: ReadonlySet<string>): number | null {
  let ratio: number | null = null;
  let seen = 0;
  for (const at of samplePoints(names)) {
    const [x, y] = [evaluate(a, at), evaluate(b, at)];
    if (!Number.isFinite(x) && !Number.isFinite(y)) continue;
    if (!Number.isFinite(x) || !Number.isFinite(y) || x === 0 || y === 0) return null;
    if (ratio !== null && !close(x / y, ratio)) return null;
    ratio ??= x / y;
    seen++;
  }
  return seen >= (names.size === 0 ? 1 : FEWEST) ? ratio : null;
}

/** At each point, the value of an unknown that makes an expression zero, where it is linear in it; else null. */
export function solvedFor(name: string, expression: MathJson, names: ReadonlySet<string>): number[] | null {
  const roots: number[] = [];
  for (const at of samplePoints(names)) {
    const [zero, one, three] = [0, 1, 3].map((x) => evaluate(expression, new Map([...at, [name, x]])));
    const slope = one - zero;
    if (!Number.isFinite(slope) || slope === 0 || !close(three - zero, 3 * slope)) return null;
    roots.push(-zero / slope);
  }
  return roots;
}
