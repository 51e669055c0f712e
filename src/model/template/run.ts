import type { Budget } from "./budget.ts";
import { str } from "./show.ts";
import { Undefined, type Value } from "./value.ts";

/** Variables. Loops, macros and blocks have scopes of their own; what they set does not leave them. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #outer: Scope | null;

  constructor(outer: Scope | null) {
    this.#outer = outer;
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  get(name: string): Value {
    for (let scope: Scope | null = this; scope; scope = scope.#outer) {
      const value = scope.#values.get(name);
      if (value !== undefined) return value;
    }
    return undefinedName(name);
  }
}

export const undefinedName = (name: string): Undefined => new Undefined(`'${name}' is undefined`);

/** What a template or a part of it prints. */
export class Output {
  readonly #parts: string[] = [];
  readonly #budget: Budget;
  #length = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  text(part: string): void {
    this.#length += part.length;
    this.#budget.text(this.#length, part.length);
    this.#parts.push(part);
  }

  print(value: Value): void {
    this.text(str(value, this.#budget));
  }

  toString(): string {
    return this.#parts.join("");
  }
}
