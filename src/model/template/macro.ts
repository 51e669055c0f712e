import { type Budget, TemplateError } from "./budget.ts";
import { evaluate } from "./evaluate.ts";
import type { MacroBody, Statement } from "./nodes.ts";
import { Scope } from "./run.ts";
import { type Arguments, Callable, Dict, Tuple, Undefined, type Value } from "./value.ts";

/** Runs a body and gives what it prints. */
type Print = (body: readonly Statement[], scope: Scope) => string;

/** A macro, or the body of a call block. It sees the variables of where it was written. */
export class Macro extends Callable {
  override readonly type = "Macro";
  readonly #body: MacroBody;

  constructor(body: MacroBody, outer: Scope, print: Print, budget: Budget) {
    super(body.name ?? "caller", (given) => {
      const scope = new Scope(outer);
      fill(body, given, scope, budget);
      return print(body.body, scope);
    });
    this.#body = body;
  }

  override attribute(name: string): Value | undefined {
    const { takes, parameters } = this.#body;
    if (name === "name") return this.#body.name;
    if (name === "arguments") return new Tuple(parameters.map((parameter) => parameter.name));
    if (name === "catch_varargs") return takes.varargs;
    if (name === "catch_kwargs") return takes.kwargs;
    return name === "caller" ? takes.caller : undefined;
  }
}

/** Sets the parameters from the arguments of a call. */
function fill({ name, parameters, takes }: MacroBody, given: Arguments, scope: Scope, budget: Budget): void {
  const named = new Map(given.named);
  const values = parameters.map((parameter, i) => {
    if (i < given.positional.length) return given.positional[i];
    const value = named.get(parameter.name);
    named.delete(parameter.name);
    return value;
  });
  if (takes.caller && !parameters.some((parameter) => parameter.name === "caller")) {
    scope.set("caller", named.get("caller") ?? new Undefined("No caller defined"));
    named.delete("caller");
  }
  const [left] = named.keys();
  if (takes.kwargs) {
    const dict = new Dict();
    for (const [key, value] of named) dict.set(key, value);
    scope.set("kwargs", dict);
  } else if (left !== undefined) throw new TemplateError(`macro '${name}' takes no keyword argument '${left}'`);
  const more = given.positional.slice(parameters.length);
  if (takes.varargs) scope.set("varargs", new Tuple(more));
  else if (more.length > 0)
    throw new TemplateError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
  // One by one: a default may name the parameters before it.
  for (const [i, parameter] of parameters.entries()) {
    const missing = () =>
      parameter.missing
        ? evaluate(parameter.missing, scope, budget)
        : new Undefined(`parameter '${parameter.name}' was not provided`);
    const value = values[i];
    scope.set(parameter.name, value === undefined ? missing() : value);
  }
}
