// The judge of the worker: a symbolic library reads, simplifies and computes; float64 values at sample points tell
// apart what differs before it is asked to prove anything.

import { ComputeEngine, type Expression, type ExpressionInput } from "@cortex-js/compute-engine";
import { evaluate, type MathJson, unknowns } from "./evaluate.ts";
import type { Relation } from "./form.ts";
import type { Condition, Judge } from "./judge.ts";
import { byKeys } from "./keys.ts";
import { differBy, equalBy, type Outcome, sameMembers } from "./outcome.ts";
import { close, ratioOf, sample, solvedFor } from "./sample.ts";

/** Digits of constants; two that agree to two thirds of them are equal. */
const PRECISION = 60;
const AGREED = 1e-40;
/** Points at which expressions of unknowns that agree are looked at to so many digits. */
const FEW = [2, 3, 5];
/** What the library computes to fewer digits, or at whole numbers alone. */
const DISCRETE = /"(?:Factorial|Gamma|Binomial|Choose|Sum|Product|Mod|Floor|Ceil|Round)/;

/** Letters that stand for numbers: not e, i, d, nor the usual names of functions. */
const LETTERS = [..."abcjklmnopqrstuvwxyzABCHJKLMQRSTUVWXYZ"];
const GREEK = "alpha beta gamma delta epsilon theta lambda mu rho sigma tau phi varphi omega".split(" ");

interface Read {
  expression: Expression;
  json: MathJson;
  names: Set<string>;
}

export class Symbolic implements Judge {
  readonly #engine = new ComputeEngine();

  constructor() {
    this.#engine.precision = PRECISION;
  }

  same(a: string, b: string): Outcome {
    const keyed = byKeys.same(a, b);
    if (keyed) return keyed;
    return this.#alone(() => {
      const [x, y] = [this.#read(a), this.#read(b)];
      return x && y ? this.#compare(x, y) : null;
    });
  }

  related(a: Relation, b: Relation): Outcome {
    return this.#alone(() => {
      const [x, y] = [this.#pairs(a), this.#pairs(b)];
      if (!x || !y) return null;
      return sameMembers(x, y, (p, q) => this.#relate(p, q));
    });
  }

  constant(text: string): number | null {
    const known = byKeys.constant(text);
    if (known !== null) return known;
    return this.#alone(() => {
      const read = this.#read(text);
      const value = read && read.names.size === 0 ? evaluate(read.json, new Map()) : Number.NaN;
      return Number.isNaN(value) ? null : value;
    });
  }

  condition(relation: Relation): Condition | null {
    return this.#alone(() => {
      const reads = relation.sides.map((side) => this.#read(side));
      if (reads.includes(null)) return null;
      const sides = reads.map((read) => withoutCalls(read!.json));
      const names = new Set(sides.flatMap((side) => [...unknowns(side)]));
      if (names.size !== 1) return null;
      const [name] = names;
      const holds = (x: number): boolean | null => {
        const values = sides.map((side) => evaluate(side, new Map([[name, x]])));
        if (values.some(Number.isNaN)) return null;
        return relation.signs.every((sign, i) => inRelation(values[i], sign, values[i + 1]));
      };
      return { unknown: name, points: sides.slice(1).flatMap((side, i) => turns(sides[i], side, name)), holds };
    });
  }

  /** What a text declares ends with it. */
  #alone<T>(work: () => T): T | null {
    const engine = this.#engine;
    engine.pushScope();
    try {
      for (const name of [...LETTERS, ...GREEK]) engine.declare(name, "real");
      return work();
    } catch {
      return null; // the library's own limits, or a fault of it
    } finally {
      engine.popScope();
    }
  }

  #read(latex: string): Read | null {
    const expression = this.#engine.parse(spelled(latex));
    if (!expression.isValid) return null;
    const json = expression.json as MathJson;
    return { expression, json, names: unknowns(json) };
  }

  #compare(a: Read, b: Read): Outcome {
    const names = new Set([...a.names, ...b.names]);
    const sampled = sample(a.json, b.json, names);
    if (sampled === "differ") return differBy("numeric");
    if (a.expression.isSame(b.expression)) return equalBy("symbolic");
    const difference = this.#engine.box(["Subtract", a.expression, b.expression]);
    if (isZero(difference.simplify()) || isZero(difference.evaluate())) return equalBy("symbolic");
    if (names.size === 0) {
      const zero = this.#vanishes(difference, a.expression);
      return zero === null ? null : zero ? equalBy("numeric") : differBy("numeric");
    }
    if (sampled !== "agree") return null;
    // Large terms may hide small ones from a float64: 10^30 + x and 10^30 + 2x.
    for (const point of DISCRETE.test(JSON.stringify(a.json) + JSON.stringify(b.json)) ? [] : FEW) {
      const at = (i: number): ExpressionInput => ["Rational", 31 * point + 17 * i, 97];
      const values = Object.fromEntries([...names].sort().map((name, i) => [name, at(i)]));
      if (this.#vanishes(difference.subs(values), a.expression.subs(values)) === false) return differBy("numeric");
    }
    return equalBy("numeric");
  }

  /** Whether a difference without unknowns is zero, next to the size of what it is of; null where it has no value. */
  #vanishes(difference: Expression, whole: Expression): boolean | null {
    const [distance, scale] = [difference.N(), whole.N()].map(({ re, im }) => Math.hypot(re, im));
    if (!Number.isFinite(distance) || !Number.isFinite(scale)) return null;
    return distance <= AGREED * Math.max(1e-6, scale);
  }

  /** A chain of relations as pairs of sides, each as "left - right" with a sign of =, ≠, < or ≤. */
  #pairs({ sides, signs }: Relation): Pair[] | null {
    const reads = sides.map((side) => this.#read(side));
    if (reads.includes(null)) return null;
    return signs.map((sign, i) => {
      const turned = sign === ">" || sign === "\\geq";
      const [left, right] = [reads[i + (turned ? 1 : 0)]!, reads[i + (turned ? 0 : 1)]!];
      return {
        sign: sign === ">" ? "<" : sign === "\\geq" ? "\\leq" : sign === "\\approx" ? "=" : sign,
        side: ["Subtract", left.json, right.json],
        names: new Set([...left.names, ...right.names]),
      };
    });
  }

  /** The same relation where the sides' differences are multiples of each other, or one unknown solves to the same. */
  #relate(a: Pair, b: Pair): Outcome {
    if (a.sign !== b.sign) return differBy("form");
    const names = new Set([...a.names, ...b.names]);
    const ratio = ratioOf(a.side, b.side, names);
    const symmetric = a.sign === "=" || a.sign === "\\neq";
    if (ratio !== null) return ratio > 0 || symmetric ? equalBy("numeric") : differBy("numeric");
    if (!symmetric || names.size < 2 || names.size > Math.min(a.names.size, b.names.size)) return differBy("numeric");
    for (const name of names) {
      const [x, y] = [a, b].map(({ side }) => solvedFor(name, side, names));
      if (x && y) return x.every((root, i) => close(root, y[i])) ? equalBy("numeric") : differBy("numeric");
    }
    return null;
  }
}

interface Pair {
  sign: string;
  side: MathJson;
  names: Set<string>;
}

/** Zero, or a matrix of zeros. */
const isZero = (expression: Expression): boolean => expression.isSame(0) || isZeros(expression.json as MathJson);
const isZeros = (json: MathJson): boolean =>
  Array.isArray(json) && json[0] === "List" && json.slice(1).every((entry) => entry === 0 || isZeros(entry));

/** The spelling that the library reads as it is meant: degrees, mixed numbers, products before brackets. */
const spelled = (latex: string): string =>
  latex
    .replace(/°/g, "^{\\circ}")
    .replace(/¤/g, "")
    .replace(/(?<![\d.}])(\d+) ?(\\frac ?(?:\{ ?\d+ ?\} ?\{ ?\d+ ?\}|\d ?\d))/g, "($1+$2)")
    .replace(/\\cdot ?\\cdot/g, "\\cdot")
    .replace(/\^ ?(-\d+)/g, "^{$1}")
    .replace(/\\lg(?![a-z])/g, "\\log_{10}");

/** A function that nobody defined, f(x), as one unknown. */
function withoutCalls(json: MathJson): MathJson {
  if (!Array.isArray(json)) return json;
  if (typeof json[0] === "string" && /^[a-z]$/.test(json[0])) return JSON.stringify(json).replace(/\W/g, "_");
  return [json[0], ...json.slice(1).map(withoutCalls)];
}

/** Whether x stands in a relation to y, to nine digits. */
function inRelation(x: number, sign: string, y: number): boolean {
  const equal = x === y || Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
  if (sign === "=" || sign === "\\approx") return equal;
  if (sign === "\\neq") return !equal;
  if (sign === "<" || sign === "\\leq") return equal ? sign === "\\leq" : x < y;
  return equal ? sign === "\\geq" : x > y;
}

/** Where left - right is zero, if it is linear; else the numbers that both sides spell. */
function turns(left: MathJson, right: MathJson, name: string): number[] {
  const root = solvedFor(name, ["Subtract", left, right], new Set([name]))?.[0];
  if (root !== undefined) return [root];
  const constants = [left, right].map((side) => evaluate(side, new Map())).filter(Number.isFinite);
  const numbers = [...JSON.stringify([left, right]).matchAll(/(?<![\w.])-?\d+(?:\.\d+)?/g)].slice(0, 32).map(Number);
  return [...constants, ...numbers].flatMap((x) => [x, -x]);
}
