import { type Budget, TemplateError } from "./budget.ts";
import { between, characterAt, characters, lengthOf } from "./text.ts";
import { Dict, Float, Iter, isInt, Markup, Range, Tuple, typeName, Undefined, type Value, View } from "./value.ts";

/** What Python iterates over, read one by one: a loop's body may change what is still to come. */
export function iterate(value: Value, budget: Budget): Iterable<Value> {
  if (typeof value === "string") return characters(value, budget);
  if (value instanceof Undefined) return [];
  if (Array.isArray(value) || value instanceof Range || value instanceof Iter || value instanceof View) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

/** All of them. */
export function items(value: Value, budget: Budget): readonly Value[] {
  if (Array.isArray(value)) return value;
  const all: Value[] = [];
  for (const item of iterate(value, budget)) {
    budget.entries(1);
    all.push(item);
  }
  return all;
}

/** len(), or null where there is none. */
export function sizeOf(value: Value, budget: Budget): number | null {
  if (typeof value === "string") return lengthOf(value, budget);
  if (value instanceof Undefined) return 0;
  if (Array.isArray(value) || value instanceof Range) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof View) return value.of.size;
  if (value instanceof Markup) return lengthOf(value.text, budget);
  return null;
}

/** Python's order of texts: by code points. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    // A surrogate stands for a code point above all others.
    if (left !== right)
      return left >= 0xd800 && right >= 0xd800
        ? (a.codePointAt(i) as number) - (b.codePointAt(i) as number)
        : left - right;
  }
  return a.length - b.length;
}

/** The number that an int, a bool or a float is; null for all else. */
export function numeric(value: Value): number | bigint | null {
  if (value instanceof Float) return value.value;
  if (typeof value === "boolean") return Number(value);
  return typeof value === "number" || typeof value === "bigint" ? value : null;
}

export function equals(a: Value, b: Value, budget: Budget): boolean {
  budget.step();
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (typeof a === "string" || typeof b === "string") {
    const [left, right] = [textOf(a), textOf(b)];
    if (left?.length === right?.length) budget.read(left?.length ?? 0);
    return left !== null && left === right;
  }
  const [x, y] = [numeric(a), numeric(b)];
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number may be equal
  if (x !== null && y !== null) return x == y;
  if (Array.isArray(a) && Array.isArray(b)) return sameItems(a, b, budget);
  if (a instanceof Tuple && b instanceof Tuple) return sameItems(a.items, b.items, budget);
  if (a instanceof Dict && b instanceof Dict) {
    if (a.size !== b.size) return false;
    for (const {
      items: [key, value],
    } of a.items()) {
      const other = b.get(key);
      if (other === undefined || !equals(value, other, budget)) return false;
    }
    return true;
  }
  if (a instanceof Range && b instanceof Range) return sameItems([...a], [...b], budget);
  if (a instanceof Markup && b instanceof Markup) return a.text === b.text;
  return a instanceof Undefined && b instanceof Undefined;
}

const textOf = (value: Value): string | null =>
  typeof value === "string" ? value : value instanceof Markup ? value.text : null;

function sameItems(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((item, i) => equals(item, b[i], budget));
}

/** Below 0, 0 or above 0 as a stands to b; NaN beside a float's. Throws where Python has no order. */
export function compare(a: Value, b: Value, sign: string, budget: Budget): number {
  budget.step();
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== null && y !== null) return x < y ? -1 : x > y ? 1 : x === y || Number(x) === Number(y) ? 0 : Number.NaN;
  if (typeof a === "string" && typeof b === "string") {
    budget.read(Math.min(a.length, b.length));
    return compareText(a, b);
  }
  const [left, right] = [listOf(a), listOf(b)];
  if (left && right && typeName(a) === typeName(b)) {
    const at = left.findIndex((item, i) => i >= right.length || !equals(item, right[i], budget));
    if (at < 0) return left.length - right.length;
    return at >= right.length ? 1 : compare(left[at], right[at], sign, budget);
  }
  defined(a);
  defined(b);
  throw new TemplateError(`'${sign}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

const listOf = (value: Value): readonly Value[] | null =>
  Array.isArray(value) ? value : value instanceof Tuple ? value.items : null;

/** `item in container`. */
export function contains(container: Value, item: Value, budget: Budget): boolean {
  if (typeof container === "string") {
    budget.read(container.length);
    if (typeof item === "string") return container.includes(item);
    defined(item);
    throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Dict) return container.has(item);
  if (container instanceof View && container.kind === "keys") return container.of.has(item);
  for (const other of iterate(container, budget)) if (equals(other, item, budget)) return true;
  return false;
}

/** Throws what an undefined value says when it is used. */
export function defined(value: Value): Value {
  if (value instanceof Undefined) throw new TemplateError(value.reason);
  return value;
}

export interface Bounds {
  start: Value;
  stop: Value;
  step: Value;
}

/** value[start:stop:step]. */
export function slice(value: Value, bounds: Bounds, budget: Budget): Value {
  defined(value);
  const length =
    typeof value === "string" ? lengthOf(value, budget) : (value instanceof Range ? value : listOf(value))?.length;
  if (length === undefined) throw new TemplateError(`'${typeName(value)}' object cannot be sliced`);
  const step = bound(bounds.step) ?? 1;
  if (step === 0) throw new TemplateError("slice step cannot be zero");
  const clip = (at: number | null, low: number, high: number, missing: number) =>
    at === null ? missing : Math.min(Math.max(at < 0 ? at + length : at, low), high);
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const start = clip(bound(bounds.start), low, high, step > 0 ? low : high);
  const stop = clip(bound(bounds.stop), low, high, step > 0 ? high : low);
  if (typeof value === "string" && step === 1) return between(value, start, Math.max(start, stop), budget);
  const list = typeof value === "string" ? characters(value, budget) : (listOf(value) as readonly Value[]);
  const taken: Value[] = [];
  if (value instanceof Range)
    return new Range(value.start + start * value.step, value.start + stop * value.step, value.step * step);
  budget.entries(Math.max(0, Math.ceil((stop - start) / step)));
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) taken.push(list[i]);
  if (typeof value === "string") return taken.join("");
  return value instanceof Tuple ? new Tuple(taken) : taken;
}

function bound(value: Value): number | null {
  if (value === null) return null;
  if (isInt(value)) return Number(value);
  throw new TemplateError("slice indices must be integers or None or have an __index__ method");
}

/** value[key] as Python has it; undefined where it raises a LookupError or a TypeError. */
export function subscript(value: Value, key: Value, budget: Budget): Value | undefined {
  if (value instanceof Dict) return isKey(key) ? value.get(key) : undefined;
  if (!isInt(key)) return undefined;
  const at = Number(key);
  if (typeof value === "string") return characterAt(value, at, budget);
  if (value instanceof Range) {
    const from = at < 0 ? at + value.length : at;
    return from >= 0 && from < value.length ? value.start + from * value.step : undefined;
  }
  return listOf(value)?.at(at);
}

function isKey(key: Value): boolean {
  if (key instanceof Tuple) return key.items.every(isKey);
  return typeof key !== "object" || key === null || key instanceof Float || key instanceof Markup;
}
