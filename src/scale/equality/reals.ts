// Sets of real numbers: intervals, finite sets, their unions; and what a condition on one unknown leaves.

import { LONGEST_ANSWER } from "../key.ts";
import { type Form, type Relation, readForm } from "./form.ts";
import type { Asked, Condition } from "./judge.ts";
import { type By, differBy, equalBy, type Outcome } from "./outcome.ts";
import { plain } from "./plain.ts";

interface Reals extends Condition {
  by: By;
}

/** A float64 that comes out of two expressions of one number. */
const near = (a: number, b: number): boolean =>
  a === b || (Number.isFinite(a - b) && Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(a), Math.abs(b)));

/** Whether a form can be read as a set of reals and as hardly anything else. */
export const isRealSet = (form: Form): boolean =>
  form.is === "union" || isInterval(form) || /^\\(?:mathbb ?\{R\}|emptyset)$/.test(form.text);

export const isInterval = (form: Form): boolean => form.is === "tuple" && form.items.length === 2;

/** One relation that is no equation, or several joined. */
export function isCondition(form: Form): boolean {
  if (form.is === "list") return form.items.every((item) => item.is === "relation") && form.items.some(isCondition);
  return form.is === "relation" && form.signs.some((sign) => sign !== "=" && sign !== "\\approx");
}

/** Whether an answer is an inequality, or several, and no set: not x ∈ S. */
export function isInequality(answer: string): boolean {
  const form = answer.length <= LONGEST_ANSWER ? readForm(plain(answer)) : null;
  return form !== null && isCondition(form) && !(form.is === "relation" && form.signs.includes("\\in"));
}

/** Equal where both hold the same of the points where either turns, between them, and at many others. */
export function compareReals(a: Form, b: Form, asked: Asked): Outcome {
  const [x, y] = [readReals(a, asked), readReals(b, asked)];
  if (!x || !y) return null;
  if (x.unknown !== null && y.unknown !== null && x.unknown !== y.unknown) return differBy("form");
  const turns = [...x.points, ...y.points].filter(Number.isFinite).sort((p, q) => p - q);
  const points = turns.filter((point, i) => i === 0 || !near(point, turns[i - 1]));
  const [low, high] = [points[0] ?? 0, points.at(-1) ?? 0];
  const probes = [low - 1, high + 1, ...points, ...points.slice(1).map((point, i) => (point + points[i]) / 2)];
  const by: By = x.by === "numeric" || y.by === "numeric" ? "numeric" : "form";
  if (by === "numeric") probes.push(...scattered(low, high));
  let seen = 0;
  for (const probe of probes) {
    const [inX, inY] = [x.holds(probe), y.holds(probe)];
    if (inX === null && inY === null) continue;
    seen++;
    // Where a condition has no value it does not hold.
    if ((inX ?? false) !== (inY ?? false)) return differBy(by);
  }
  return seen >= 2 ? equalBy(by) : null;
}

/** Points within and around [low, high], none of them a round number. */
function scattered(low: number, high: number): number[] {
  const span = high - low + 2;
  const golden = (i: number) => (i * 0.6180339887498949) % 1;
  return Array.from({ length: 96 }, (_, i) => {
    const wide = i % 3 === 0 ? 20 : i % 3 === 1 ? 3 : 1;
    return (low + high) / 2 + (golden(i + 1) - 0.5) * span * wide;
  });
}

function readReals(form: Form, asked: Asked): Reals | null {
  const { judge } = asked;
  switch (form.is) {
    case "tuple": {
      if (form.items.length !== 2) return null;
      const [low, high] = form.items.map((item) => (item.is === "value" ? judge.constant(item.text) : null));
      if (low === null || high === null || !(low <= high)) return null;
      const holds = (x: number) => {
        if (near(x, low)) return form.open === "[" && Number.isFinite(low) && (low < high || form.close === "]");
        if (near(x, high)) return form.close === "]" && Number.isFinite(high);
        return low < x && x < high;
      };
      return { unknown: null, points: [low, high], holds, by: "form" };
    }
    case "set":
    case "list": {
      if (form.is === "list" && isCondition(form))
        return joined(
          form.items.map((item) => readReals(item, asked)),
          form.joint !== "or",
        );
      const points = form.items.map((item) => (item.is === "value" ? judge.constant(item.text) : null));
      if (points.includes(null)) return null;
      const numbers = points as number[];
      const holds = (x: number) => numbers.some((point) => near(x, point));
      return { unknown: null, points: numbers, holds, by: "form" };
    }
    case "union":
      return united(
        form.parts.map((part) => readReals(part, asked)),
        form.marks,
      );
    case "relation":
      return readRelation(form, asked);
    case "value": {
      if (/^\\mathbb ?\{R\}$/.test(form.text)) return { unknown: null, points: [], holds: () => true, by: "form" };
      return form.text === "\\emptyset" ? { unknown: null, points: [], holds: () => false, by: "form" } : null;
    }
    default:
      return null;
  }
}

function readRelation(relation: Relation, asked: Asked): Reals | null {
  const condition = asked.judge.condition(relation);
  return condition && { ...condition, by: "numeric" };
}

function joined(parts: (Reals | null)[], all: boolean): Reals | null {
  return united(
    parts,
    parts.slice(1).map(() => (all ? "\\cap" : "\\cup")),
  );
}

/** From the left to the right, as written. */
function united(parts: (Reals | null)[], marks: readonly string[]): Reals | null {
  if (parts.includes(null)) return null;
  const [first, ...others] = parts as Reals[];
  const unknowns = new Set((parts as Reals[]).flatMap(({ unknown }) => unknown ?? []));
  if (unknowns.size > 1) return null;
  return others.reduce<Reals>(
    (before, part, i) => ({
      unknown: before.unknown ?? part.unknown,
      points: [...before.points, ...part.points],
      by: before.by === "numeric" ? before.by : part.by,
      holds: (x) => {
        const [left, right] = [before.holds(x) ?? false, part.holds(x) ?? false];
        return marks[i] === "\\cup" ? left || right : marks[i] === "\\cap" ? left && right : left && !right;
      },
    }),
    first,
  );
}
