// The judge of the main thread: what keys decide, without a symbolic library.

import { answerKey, isNumberKey } from "../key.ts";
import type { Judge } from "./judge.ts";
import { differBy, equalBy } from "./outcome.ts";

/** A number key as a float64. */
export function keyNumber(key: string): number {
  const [n, d = "1"] = key.split("/");
  return Number(n) / Number(d);
}

const INFINITY = /^([-+]?) ?\\infty$/;

export const byKeys: Judge = {
  same(a, b) {
    const [x, y] = [answerKey(a), answerKey(b)];
    if (x !== "" && x === y) return equalBy("key");
    return isNumberKey(x) && isNumberKey(y) ? differBy("key") : null;
  },
  related: () => null,
  constant(text) {
    const infinite = INFINITY.exec(text.trim());
    if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
    const key = answerKey(text);
    return isNumberKey(key) ? keyNumber(key) : null;
  },
  condition: () => null,
};
