import { type Budget, TemplateError } from "./budget.ts";
import { call, evaluate, filtered, given } from "./evaluate.ts";
import { LoopContext } from "./loop.ts";
import { Macro } from "./macro.ts";
import type { Loop, MacroBody, Statement, Target } from "./nodes.ts";
import { items, iterate } from "./operators.ts";
import { Output, Scope, undefinedName } from "./run.ts";
import type { Symbols } from "./symbols.ts";
import { Iter, Namespace, truthy, typeName, type Value } from "./value.ts";

/** How a body ended. */
type End = "end" | "break" | "continue";

/** Runs the statements of one render. */
export class Run {
  readonly #symbols: Symbols;
  readonly #budget: Budget;

  constructor(symbols: Symbols, budget: Budget) {
    this.#symbols = symbols;
    this.#budget = budget;
  }

  /** What a body prints. */
  print(body: readonly Statement[], scope: Scope): string {
    const output = new Output(this.#budget);
    this.execute(body, scope, output);
    return output.toString();
  }

  execute(body: readonly Statement[], scope: Scope, output: Output): End {
    for (const name of this.#symbols.get(body) ?? []) scope.set(name, undefinedName(name));
    for (const statement of body) {
      this.#budget.step();
      const end = this.#statement(statement, scope, output);
      if (end !== "end") return end;
    }
    return "end";
  }

  #statement(statement: Statement, scope: Scope, output: Output): End {
    const budget = this.#budget;
    switch (statement.kind) {
      case "text":
        output.text(statement.text);
        return "end";
      case "print":
        output.print(evaluate(statement.value, scope, budget));
        return "end";
      case "if": {
        const branch = statement.branches.find(({ test }) => truthy(evaluate(test, scope, budget)));
        return this.execute(branch?.body ?? statement.otherwise, scope, output);
      }
      case "for":
        return this.#loop(statement, evaluate(statement.over, scope, budget), 0, scope, output);
      case "set":
        this.#assign(statement.target, evaluate(statement.value, scope, budget), scope);
        return "end";
      case "set-block": {
        const printed = new Output(budget);
        const end = this.execute(statement.body, new Scope(scope), printed);
        if (end !== "end") return end;
        const text = printed.toString();
        this.#assign(
          statement.target,
          statement.filter ? filtered(statement.filter, text, scope, budget) : text,
          scope,
        );
        return "end";
      }
      case "filter-block": {
        const printed = new Output(budget);
        const end = this.execute(statement.body, new Scope(scope), printed);
        if (end === "end") output.print(filtered(statement.filter, printed.toString(), scope, budget));
        return end;
      }
      case "with": {
        const inner = new Scope(scope);
        const values = statement.assignments.map(([, value]) => evaluate(value, scope, budget));
        for (const [i, [target]] of statement.assignments.entries()) this.#assign(target, values[i], inner);
        return this.execute(statement.body, inner, output);
      }
      case "macro":
        scope.set(String(statement.macro.name), this.#macro(statement.macro, scope));
        return "end";
      case "call": {
        const callee = evaluate(statement.call.of, scope, budget);
        const args = given(statement.call.given, scope, budget);
        const named = new Map(args.named).set("caller", this.#macro(statement.macro, scope));
        output.print(call(callee, { positional: args.positional, named }, budget));
        return "end";
      }
      case "generation":
        output.print(this.#macro(statement.macro, scope).call({ positional: [], named: new Map() }));
        return "end";
      default:
        return statement.kind;
    }
  }

  #macro(body: MacroBody, scope: Scope): Macro {
    return new Macro(body, scope, (statements, inner) => this.print(statements, inner), this.#budget);
  }

  #loop(loop: Loop, over: Value, depth: number, scope: Scope, output: Output): End {
    const recurse = (inner: Value, level: number): Value => {
      const printed = new Output(this.#budget);
      this.#loop(loop, inner, level, scope, printed);
      return printed.toString();
    };
    const context = new LoopContext(
      loop.filter ? new Iter(this.#passing(loop, over, scope)) : over,
      depth,
      loop.recursive ? recurse : null,
      this.#budget,
    );
    let ended = false;
    for (let item = context.advance(); item !== undefined; item = context.advance()) {
      this.#budget.step();
      const inner = new Scope(scope);
      inner.set("loop", context);
      this.#assign(loop.target, item, inner);
      const end = this.execute(loop.body, inner, output);
      if (end === "break") break;
      // As in jinja2: "else" is left out only where a round came to its end.
      ended ||= end === "end";
    }
    return ended ? "end" : this.execute(loop.otherwise, new Scope(scope), output);
  }

  /** The items that a loop's own "if" lets through, each tested when it is reached. */
  *#passing(loop: Loop, over: Value, scope: Scope): Generator<Value> {
    for (const item of iterate(over, this.#budget)) {
      const inner = new Scope(scope);
      this.#assign(loop.target, item, inner);
      if (truthy(evaluate(loop.filter as NonNullable<Loop["filter"]>, inner, this.#budget))) yield item;
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === "name") scope.set(target.name, value);
    else if (target.kind === "member") {
      const namespace = scope.get(target.of);
      if (!(namespace instanceof Namespace)) throw new TemplateError("cannot assign attribute on non-namespace object");
      namespace.values.set(target.name, value);
    } else {
      const parts = items(value, this.#budget);
      if (parts.length !== target.items.length)
        throw new TemplateError(
          `expected ${target.items.length} values to unpack, got ${parts.length} (${typeName(value)})`,
        );
      for (const [i, part] of target.items.entries()) this.#assign(part, parts[i], scope);
    }
  }
}
