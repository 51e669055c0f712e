// The values of a template: Python's, as far as a template can tell. A number is an int; a float is a Float, because
// 1 and 1.0 print differently. Values are never changed: jinja2's immutable sandbox refuses what would.
import { type Budget, TemplateError, TemplateLimit } from "./budget.ts";

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | readonly Value[]
  | Tuple
  | Dict
  | Range
  | Iter
  | View
  | Markup
  | Undefined
  | Attributes;

/** A Python float. Pass one as a variable where a whole number should print with ".0". */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  /** Names of the items, as a namedtuple's. */
  readonly names: readonly string[];
  constructor(items: readonly Value[], names: readonly string[] = []) {
    this.items = items;
    this.names = names;
  }
}

/** Text that counts as escaped HTML. Only printing and joining it is as for plain text. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export class Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;
  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.length; i++) yield this.start + i * this.step;
  }
}

/** A Python iterator: always true, has no length, and can be read once. */
export class Iter {
  readonly #source: Iterator<Value>;
  constructor(source: Iterable<Value>) {
    this.#source = source[Symbol.iterator]();
  }
  next(): IteratorResult<Value> {
    return this.#source.next();
  }
  [Symbol.iterator](): Iterator<Value> {
    return { next: () => this.#source.next() };
  }
}

/** What a missing variable, key or attribute gives: prints as nothing, refuses all else. */
export class Undefined {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Objects with attributes of their own: namespaces, loops, functions. */
export abstract class Attributes {
  abstract readonly type: string;
  attribute(_name: string): Value | undefined {
    return undefined;
  }
}

export class Namespace extends Attributes {
  readonly type = "Namespace";
  readonly values = new Map<string, Value>();
  override attribute(name: string): Value | undefined {
    return this.values.get(name);
  }
}

export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Callable extends Attributes {
  readonly type: string = "function";
  readonly name: string;
  readonly call: (given: Arguments) => Value;
  constructor(name: string, call: (given: Arguments) => Value) {
    super();
    this.name = name;
    this.call = call;
  }
}

/** A dict in the order of insertion. Keys that are equal in Python (1, 1.0, True) are one key. */
export class Dict {
  readonly #entries = new Map<string, [Value, Value]>();
  get size(): number {
    return this.#entries.size;
  }
  set(key: Value, value: Value): this {
    const hash = hashOf(key);
    const old = this.#entries.get(hash);
    if (old) old[1] = value;
    else this.#entries.set(hash, [key, value]);
    return this;
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }
  has(key: Value): boolean {
    return this.#entries.has(hashOf(key));
  }
  *keys(): Generator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }
  *values(): Generator<Value> {
    for (const [, value] of this.#entries.values()) yield value;
  }
  *items(): Generator<Tuple> {
    for (const entry of this.#entries.values()) yield new Tuple([...entry]);
  }
}

/** dict.keys(), dict.values() and dict.items(). */
export class View {
  readonly of: Dict;
  readonly kind: "keys" | "values" | "items";
  constructor(of: Dict, kind: "keys" | "values" | "items") {
    this.of = of;
    this.kind = kind;
  }
  [Symbol.iterator](): Generator<Value> {
    return this.of[this.kind]();
  }
}

/** Characters of a dict's key, for that of a tuple of all its items. */
const MOST_KEY = 1 << 20;

/** Equal for keys that are equal, different for those that are not. */
export function hashOf(key: Value): string {
  if (typeof key === "string") return bounded(`s${key}`);
  if (key === null) return "n";
  if (typeof key === "boolean") return `i${Number(key)}`;
  if (typeof key === "number" || typeof key === "bigint") return `i${key}`;
  if (key instanceof Float) return `i${Object.is(key.value, -0) ? 0 : key.value}`;
  if (key instanceof Markup) return `s${key.text}`;
  if (key instanceof Undefined) return "u";
  if (key instanceof Tuple) {
    let hash = "t";
    for (const item of key.items) {
      const part = hashOf(item);
      hash = bounded(`${hash}${part.length}:${part}`);
    }
    return hash;
  }
  throw new TemplateError(`unhashable type: '${typeName(key)}'`);
}

function bounded(hash: string): string {
  if (hash.length > MOST_KEY) throw new TemplateLimit(`it has a key of more than ${MOST_KEY} characters`);
  return hash;
}

export const isInt = (value: Value): value is number | bigint | boolean =>
  typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (typeof value === "string") return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof View) return `dict_${value.kind}`;
  if (value instanceof Attributes) return value.type;
  return BUILT_IN.find(([type]) => value instanceof type)?.[1] ?? "object";
}

// biome-ignore lint/suspicious/noExplicitAny: classes of different constructors
const BUILT_IN: [new (...parts: any[]) => object, string][] = [
  [Float, "float"],
  [Tuple, "tuple"],
  [Dict, "dict"],
  [Range, "range"],
  [Iter, "generator"],
  [Markup, "Markup"],
  [Undefined, "Undefined"],
];

export function truthy(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") return Number(value) !== 0;
  if (typeof value === "string") return value !== "";
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof View) return value.of.size > 0;
  if (value instanceof Markup) return value.text !== "";
  return true;
}

/** A caller's JavaScript value as a template's: a copy, with nothing of JavaScript's prototypes in reach. */
export function fromJs(value: unknown, budget: Budget): Value {
  budget.step();
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return narrowed(value);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return value + 0;
    // JSON.parse has rounded a long integer already; 1e300 was a float wherever it came from.
    return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value) : new Float(value);
  }
  if (value instanceof Float) return value;
  if (Array.isArray(value)) return Array.from(value, (item) => fromJs(item, budget));
  if (typeof value === "object" && !isOpaque(value)) {
    const dict = new Dict();
    for (const [key, entry] of Object.entries(value)) if (entry !== undefined) dict.set(key, fromJs(entry, budget));
    return dict;
  }
  const what = typeof value === "object" ? value.constructor.name : typeof value;
  throw new TemplateError(`a variable holds a ${what}; expected JSON values`);
}

/** Dates, Maps and the like keep what they hold where it would be lost without a word. */
function isOpaque(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && prototype !== Object.prototype && Object.keys(value).length === 0;
}

/** A number where it is exact, else a bigint. */
export const narrowed = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
