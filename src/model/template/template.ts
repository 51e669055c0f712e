// Chat templates as jinja2 3.1 renders them with transformers' settings: an immutable sandbox, trim_blocks,
// lstrip_blocks, loop controls, {% generation %}, and json.dumps for tojson. What is left out is refused by name.
import { Budget, TemplateLimit } from "./budget.ts";
import { Run } from "./execute.ts";
import { globals } from "./globals.ts";
import type { Statement } from "./nodes.ts";
import { parse } from "./parser.ts";
import { Scope } from "./run.ts";
import { type Symbols, symbolsOf } from "./symbols.ts";
import { names } from "./uses.ts";
import { fromJs } from "./value.ts";

export { TemplateError, TemplateLimit } from "./budget.ts";
export { Float } from "./value.ts";

export class Template {
  readonly #body: readonly Statement[];
  readonly #symbols: Symbols;

  /** Throws a TemplateError where the source is no template, or uses what is not supported. */
  constructor(source: string) {
    this.#body = shallow(() => parse(source));
    this.#symbols = shallow(() => symbolsOf(this.#body));
  }

  /** Whether it names such a variable anywhere. */
  uses(name: string): boolean {
    return names(this.#body).has(name);
  }

  /**
   * Throws a TemplateError with the template's own words where it refuses the variables, and a TemplateLimit where it
   * was stopped. Variables are JSON values; whole numbers are ints, a Float is a float. They are not changed.
   */
  render(variables: Record<string, unknown>, now = new Date()): string {
    const budget = new Budget();
    return shallow(() => {
      const scope = new Scope(globals(now, budget));
      for (const [name, value] of Object.entries(variables)) scope.set(name, fromJs(value, budget));
      return new Run(this.#symbols, budget).print(this.#body, new Scope(scope));
    });
  }
}

/** Turns an exhausted stack into an error that says so. */
function shallow<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof RangeError) throw new TemplateLimit("it nests too deep");
    throw error;
  }
}
