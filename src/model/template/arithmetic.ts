import { type Budget, TemplateError } from "./budget.ts";
import { defined, numeric } from "./operators.ts";
import { formatPercent } from "./percent.ts";
import { Float, isInt, Markup, narrowed, Tuple, typeName, type Value } from "./value.ts";

export type Operator = "+" | "-" | "*" | "/" | "//" | "%" | "**";

/** Bits of an int: enough for any sum, too few to fill the memory. */
const MOST_BITS = 4096;

/** `a operator b` as Python has it. */
export function arithmetic(operator: Operator, a: Value, b: Value, budget: Budget): Value {
  defined(a);
  if (operator === "%" && typeof a === "string") return formatPercent(a, b, budget);
  defined(b);
  if (isInt(a) && isInt(b)) return integers(operator, a, b);
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== null && y !== null) return new Float(floats(operator, Number(x), Number(y)));
  if (operator === "+") {
    if (typeof a === "string" && typeof b === "string") {
      budget.text(a.length + b.length);
      return a + b;
    }
    if (Array.isArray(a) && Array.isArray(b)) return joinedItems(a, b, budget);
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple(joinedItems(a.items, b.items, budget));
  }
  if (operator === "*") {
    if (isInt(b)) return repeated(a, Number(b), budget) ?? mismatch(operator, a, b);
    if (isInt(a)) return repeated(b, Number(a), budget) ?? mismatch(operator, a, b);
  }
  return mismatch(operator, a, b);
}

function mismatch(operator: Operator, a: Value, b: Value): never {
  if (a instanceof Markup || b instanceof Markup)
    throw new TemplateError(`${operator} on text marked as safe or escaped is not supported; join it with ~`);
  throw new TemplateError(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

function joinedItems(a: readonly Value[], b: readonly Value[], budget: Budget): Value[] {
  budget.entries(a.length + b.length);
  return [...a, ...b];
}

function repeated(value: Value, times: number, budget: Budget): Value | null {
  const count = Math.max(0, times);
  if (typeof value === "string") {
    budget.text(value.length * count);
    return value.repeat(count);
  }
  const items = value instanceof Tuple ? value.items : value;
  if (!Array.isArray(items)) return null;
  budget.entries(items.length * count);
  const all: Value[] = [];
  for (let i = 0; i < count && items.length > 0; i++) for (const item of items) all.push(item);
  return value instanceof Tuple ? new Tuple(all) : all;
}

function integers(operator: Operator, a: number | bigint | boolean, b: number | bigint | boolean): Value {
  if (operator === "/") return new Float(floats("/", Number(a), Number(b)));
  if (operator === "**" && Number(b) < 0) return new Float(floats("**", Number(a), Number(b)));
  if ((operator === "//" || operator === "%") && Number(b) === 0)
    throw new TemplateError("integer division or modulo by zero");
  const [x, y] = [BigInt(a), BigInt(b)];
  switch (operator) {
    case "+":
      return bounded(x + y);
    case "-":
      return bounded(x - y);
    case "*":
      return bounded(x * y);
    case "**": {
      if (BigInt(x.toString(2).length) * y > MOST_BITS && x * x > 1n) return tooLong();
      return bounded(x ** y);
    }
    default: {
      const rest = x % y;
      const low = rest !== 0n && rest < 0n !== y < 0n;
      if (operator === "%") return bounded(low ? rest + y : rest);
      return bounded(x / y - (low ? 1n : 0n));
    }
  }
}

function bounded(value: bigint): number | bigint {
  const small = narrowed(value);
  return typeof small === "bigint" && small.toString(16).length * 4 > MOST_BITS ? tooLong() : small;
}

function tooLong(): never {
  throw new TemplateError(`an int of more than ${MOST_BITS} bits is not supported`);
}

function floats(operator: Operator, a: number, b: number): number {
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%"))
    throw new TemplateError("float division by zero");
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "**":
      if (a === 0 && b < 0) throw new TemplateError("0.0 cannot be raised to a negative power");
      if (a < 0 && !Number.isInteger(b)) throw new TemplateError("a complex number is not supported");
      return a ** b;
    default: {
      const rest = a % b;
      const modulo = rest === 0 ? 0 * b : rest < 0 !== b < 0 ? rest + b : rest;
      if (operator === "%") return modulo;
      return Math.round((a - modulo) / b) || 0 * (a / b);
    }
  }
}

/** -value and +value. */
export function signed(sign: "-" | "+", value: Value): Value {
  defined(value);
  const factor = sign === "-" ? -1 : 1;
  if (value instanceof Float) return new Float(factor * value.value);
  if (isInt(value)) return narrowed(BigInt(factor) * BigInt(value));
  throw new TemplateError(`bad operand type for unary ${sign}: '${typeName(value)}'`);
}
