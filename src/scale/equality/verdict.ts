// From two answers to a verdict, with whichever judge there is.

import { LONGEST_ANSWER } from "../key.ts";
import { pairs } from "./brackets.ts";
import { compareAnswers } from "./compare.ts";
import type { EqualOptions, Judge } from "./judge.ts";
import type { By, Outcome } from "./outcome.ts";
import { plain } from "./plain.ts";

export interface Verdict {
  equal: boolean;
  /** What decided; "undecided" counts as not equal. */
  by: By | "undecided";
  /** In words, with where it was lenient. */
  why: string;
}

const WORDS: Record<By, [equal: string, differ: string]> = {
  key: ["one key", "the keys are two numbers"],
  form: ["the same parts", "other parts"],
  symbolic: ["the difference simplifies to 0", "the difference does not simplify to 0"],
  numeric: ["the same values wherever both were computed", "other values"],
};

export const undecided = (why: string): Verdict => ({ equal: false, by: "undecided", why });

/** Why an answer is not compared at all; null where it is. */
export function refusal(answer: string): string | null {
  if (answer.length > LONGEST_ANSWER) return `an answer is longer than ${LONGEST_ANSWER} characters`;
  const text = plain(answer);
  if (text === "") return "an answer is empty";
  return pairs(text) ? null : "the brackets of an answer do not pair, or nest too deep";
}

/** Null where `judge` cannot tell. */
export function compareBy(judge: Judge, a: string, b: string, options: EqualOptions): Verdict | null {
  const notes = new Set<string>();
  const outcome: Outcome = compareAnswers(plain(a), plain(b), { ...options, judge, notes });
  if (!outcome) return null;
  const words = WORDS[outcome.by][outcome.equal ? 0 : 1];
  return { ...outcome, why: outcome.equal ? [words, ...notes].join("; ") : words };
}
