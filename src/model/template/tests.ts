// jinja2's tests: what may stand after "is".
import { bind } from "./arguments.ts";
import { arithmetic } from "./arithmetic.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { compare, contains, equals } from "./operators.ts";
import { str } from "./show.ts";
import {
  type Arguments,
  Attributes,
  Callable,
  Dict,
  Float,
  Iter,
  isInt,
  Markup,
  Range,
  Tuple,
  Undefined,
  type Value,
  View,
} from "./value.ts";

type Test = (value: Value, given: Arguments, budget: Budget) => boolean;

export function callTest(
  name: string,
  value: Value,
  given: Arguments,
  isFilter: (name: string) => boolean,
  budget: Budget,
): boolean {
  budget.step();
  if (name === "filter") return isFilter(str(value, budget));
  if (name === "test") return TESTS.has(str(value, budget)) || value === "filter" || value === "test";
  const test = TESTS.get(name);
  if (!test) throw new TemplateError(`the test "${name}" is not known`);
  return test(value, given, budget);
}

const alone =
  (test: (value: Value, budget: Budget) => boolean): Test =>
  (value, given, budget) => {
    bind("a test", given, []);
    return test(value, budget);
  };

const beside =
  (test: (value: Value, other: Value, budget: Budget) => boolean): Test =>
  (value, given, budget) =>
    test(value, bind("a test", given, ["other"], 1)[0] as Value, budget);

const isString = (value: Value) => typeof value === "string" || value instanceof Markup;
const isList = (value: Value) => Array.isArray(value) || value instanceof Tuple || value instanceof Range;
const rest = (value: Value, divisor: Value, budget: Budget) => arithmetic("%", value, divisor, budget);

const equal = beside((value, other, budget) => equals(value, other, budget));
const unequal = beside((value, other, budget) => !equals(value, other, budget));
const above = beside((value, other, budget) => compare(value, other, ">", budget) > 0);
const below = beside((value, other, budget) => compare(value, other, "<", budget) < 0);
const atLeast = beside((value, other, budget) => compare(value, other, ">=", budget) >= 0);
const atMost = beside((value, other, budget) => compare(value, other, "<=", budget) <= 0);

const TESTS = new Map<string, Test>([
  ...Object.entries<Test>({
    boolean: alone((value) => typeof value === "boolean"),
    // What is undefined has a method that refuses calls: Python takes it for callable.
    callable: alone(
      (value) =>
        value instanceof Undefined ||
        value instanceof Callable ||
        (value instanceof Attributes && value.type === "LoopContext"),
    ),
    defined: alone((value) => !(value instanceof Undefined)),
    divisibleby: beside((value, divisor, budget) => equals(rest(value, divisor, budget), 0, budget)),
    escaped: alone((value) => value instanceof Markup),
    even: alone((value, budget) => equals(rest(value, 2, budget), 0, budget)),
    false: alone((value) => value === false),
    float: alone((value) => value instanceof Float),
    in: beside((value, container, budget) => contains(container, value, budget)),
    integer: alone((value) => isInt(value) && typeof value !== "boolean"),
    iterable: alone(
      (value) =>
        isString(value) ||
        isList(value) ||
        value instanceof Dict ||
        value instanceof View ||
        value instanceof Iter ||
        value instanceof Undefined,
    ),
    lower: alone((value, budget) => isCase(value, /\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u, budget)),
    mapping: alone((value) => value instanceof Dict),
    none: alone((value) => value === null),
    number: alone((value) => isInt(value) || value instanceof Float),
    odd: alone((value, budget) => equals(rest(value, 2, budget), 1, budget)),
    sameas: beside((value, other) => value === other),
    sequence: alone((value) => isString(value) || isList(value) || value instanceof Dict || value instanceof Undefined),
    string: alone(isString),
    true: alone((value) => value === true),
    undefined: alone((value) => value instanceof Undefined),
    upper: alone((value, budget) => isCase(value, /\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u, budget)),
  }),
  ...["==", "eq", "equalto"].map((name): [string, Test] => [name, equal]),
  ...["!=", "ne"].map((name): [string, Test] => [name, unequal]),
  ...[">", "gt", "greaterthan"].map((name): [string, Test] => [name, above]),
  ...["<", "lt", "lessthan"].map((name): [string, Test] => [name, below]),
  ...[">=", "ge"].map((name): [string, Test] => [name, atLeast]),
  ...["<=", "le"].map((name): [string, Test] => [name, atMost]),
]);

function isCase(value: Value, want: RegExp, never: RegExp, budget: Budget): boolean {
  const shown = str(value, budget);
  budget.text(shown.length);
  return want.test(shown) && !never.test(shown);
}
