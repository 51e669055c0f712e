import { arithmetic, signed } from "./arithmetic.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { callFilter, isFilter } from "./filters.ts";
import { attribute, item } from "./lookup.ts";
import type { Expression, Given } from "./nodes.ts";
import { compare, contains, defined, equals, iterate, slice } from "./operators.ts";
import type { Scope } from "./run.ts";
import { joined, str } from "./show.ts";
import { callTest } from "./tests.ts";
import { type Arguments, Callable, Dict, Tuple, truthy, typeName, Undefined, type Value } from "./value.ts";

export function evaluate(node: Expression, scope: Scope, budget: Budget): Value {
  budget.step();
  const value = (part: Expression) => evaluate(part, scope, budget);
  switch (node.kind) {
    case "const":
      return node.value;
    case "name":
      return scope.get(node.name);
    case "list":
      budget.entries(node.items.length);
      return node.items.map(value);
    case "tuple":
      budget.entries(node.items.length);
      return new Tuple(node.items.map(value));
    case "dict": {
      const dict = new Dict();
      budget.entries(node.pairs.length);
      for (const [key, entry] of node.pairs) dict.set(value(key), value(entry));
      return dict;
    }
    case "attribute":
      return attribute(value(node.of), node.name, budget);
    case "item":
      return item(value(node.of), value(node.key), budget);
    case "slice": {
      const part = (of: Expression | null) => (of ? value(of) : null);
      return slice(value(node.of), { start: part(node.start), stop: part(node.stop), step: part(node.step) }, budget);
    }
    case "call":
      return call(value(node.of), given(node.given, scope, budget), budget);
    case "filter":
      return filtered(node, node.of ? value(node.of) : null, scope, budget);
    case "test":
      return callTest(node.name, value(node.of), given(node.given, scope, budget), isFilter, budget);
    case "not":
      return !truthy(value(node.of));
    case "and": {
      const left = value(node.left);
      return truthy(left) ? value(node.right) : left;
    }
    case "or": {
      const left = value(node.left);
      return truthy(left) ? left : value(node.right);
    }
    case "compare": {
      let left = value(node.first);
      for (const [operator, part] of node.rest) {
        const right = value(part);
        if (!holds(operator, left, right, budget)) return false;
        left = right;
      }
      return true;
    }
    case "concat":
      return joined(
        node.items.map((part) => str(value(part), budget)),
        "",
        budget,
      );
    case "arithmetic":
      return arithmetic(node.operator, value(node.left), value(node.right), budget);
    case "signed":
      return signed(node.sign, value(node.of));
    case "condition":
      if (truthy(value(node.test))) return value(node.yes);
      return node.no ? value(node.no) : new Undefined("an inline if without else was false, and its value was used");
  }
}

/** Applies a filter, or a chain of them without a beginning, to what a block printed. */
export function filtered(node: Expression, printed: Value, scope: Scope, budget: Budget): Value {
  if (node.kind !== "filter") return evaluate(node, scope, budget);
  const input = node.of === null ? printed : filtered(node.of, printed, scope, budget);
  return callFilter(node.name, input, given(node.given, scope, budget), budget);
}

function holds(operator: string, left: Value, right: Value, budget: Budget): boolean {
  switch (operator) {
    case "==":
      return equals(left, right, budget);
    case "!=":
      return !equals(left, right, budget);
    case "in":
      return contains(right, left, budget);
    case "not in":
      return !contains(right, left, budget);
    case "<":
      return compare(left, right, operator, budget) < 0;
    case "<=":
      return compare(left, right, operator, budget) <= 0;
    case ">":
      return compare(left, right, operator, budget) > 0;
    default:
      return compare(left, right, operator, budget) >= 0;
  }
}

/** The arguments of a call. */
export function given(node: Given, scope: Scope, budget: Budget): Arguments {
  const positional = node.positional.map((part) => evaluate(part, scope, budget));
  const named = new Map<string, Value>();
  for (const [name, part] of node.named) named.set(name, evaluate(part, scope, budget));
  if (node.list)
    for (const part of iterate(evaluate(node.list, scope, budget), budget)) {
      budget.entries(1);
      positional.push(part);
    }
  if (node.dict) {
    const dict = evaluate(node.dict, scope, budget);
    if (!(dict instanceof Dict)) throw new TemplateError("argument after ** must be a mapping");
    for (const {
      items: [name, part],
    } of dict.items())
      named.set(str(name, budget), part);
  }
  return { positional, named };
}

export function call(callee: Value, args: Arguments, budget: Budget): Value {
  if (!(callee instanceof Callable)) throw new TemplateError(`'${typeName(defined(callee))}' object is not callable`);
  return budget.deeper(() => callee.call(args));
}
