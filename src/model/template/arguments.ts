import { TemplateError } from "./budget.ts";
import { defined } from "./operators.ts";
import { type Arguments, isInt, Markup, typeName, Undefined, type Value } from "./value.ts";

/** Values by the names of a signature: those not given are undefined. Throws where a call does not fit. */
export function bind(what: string, given: Arguments, names: readonly string[], required = 0): (Value | undefined)[] {
  if (given.positional.length > names.length)
    throw new TemplateError(`${what} takes at most ${names.length} arguments (${given.positional.length} given)`);
  const values: (Value | undefined)[] = names.map((_, i) => given.positional[i]);
  for (const [name, value] of given.named) {
    const at = names.indexOf(name);
    if (at < 0) throw new TemplateError(`${what} got an unexpected keyword argument '${name}'`);
    if (values[at] !== undefined) throw new TemplateError(`${what} got multiple values for argument '${name}'`);
    values[at] = value;
  }
  for (let i = 0; i < required; i++)
    if (values[i] === undefined) throw new TemplateError(`${what} lacks the argument '${names[i]}'`);
  return values;
}

/** A value or what stands for one that was not given. None was given. */
export const orElse = (value: Value | undefined, missing: Value): Value => (value === undefined ? missing : value);

export function asText(what: string, value: Value | undefined): string {
  if (typeof value === "string") return value;
  if (value instanceof Markup) return value.text;
  throw new TemplateError(`${what}: expected str, got ${value === undefined ? "nothing" : typeName(value)}`);
}

/** A whole number of JavaScript's. */
export function asCount(what: string, value: Value | undefined, missing: number): number {
  if (value === undefined) return missing;
  if (isInt(value)) return Number(value);
  if (value instanceof Undefined) defined(value);
  throw new TemplateError(`${what}: '${typeName(value)}' object cannot be interpreted as an integer`);
}
