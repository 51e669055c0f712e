import { badArgument } from "./errors.ts";

/** Throws `bad-argument` unless `value` is a whole number from `least` that a double tells from its neighbours. */
export function checkWhole(name: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw badArgument(`${name}: expected a whole number from ${least}, got ${value}`);
}
