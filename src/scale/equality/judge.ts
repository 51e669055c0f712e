// What the comparison of forms asks about single expressions and conditions: by keys alone in the main thread, by a
// symbolic library in the worker.

import type { Relation } from "./form.ts";
import type { Outcome } from "./outcome.ts";

export interface EqualOptions {
  /**
   * Numbers of which one is spelled as a decimal are equal where they are equal rounded to so many decimals. Default:
   * none are rounded.
   */
  decimals?: number;
  /**
   * As a grader reads: a percent sign, a unit or a base that one side leaves out, radians for degrees, a ratio for a
   * fraction, a vector's other spelling count for nothing. Default false, as in a vote.
   */
  lenient?: boolean;
  /** Whether a set may equal a relation: (1, 2) and 1 < x < 2. Default true. */
  setsAsRelations?: boolean;
}

/** What holds of one real unknown. */
export interface Condition {
  /** Its name; null where a set names none. */
  unknown: string | null;
  /** Where it may turn, as far as that can be read off. */
  points: number[];
  /** Null where it has no value. */
  holds(x: number): boolean | null;
}

export interface Judge {
  /** Two expressions without units. */
  same(a: string, b: string): Outcome;
  /** Two equations or inequalities. */
  related(a: Relation, b: Relation): Outcome;
  /** The value of a real constant; null where it is none, or cannot be told. */
  constant(text: string): number | null;
  /** Null where there is not one unknown, or it cannot be told. */
  condition(relation: Relation): Condition | null;
}

/** One comparison at work. */
export interface Asked extends EqualOptions {
  judge: Judge;
  /** Where it was lenient, and what else a reader of the verdict must know. */
  notes: Set<string>;
}
