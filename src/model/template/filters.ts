// jinja2's filters of lists and dicts, and the table of all filters.
import { asCount, bind, orElse } from "./arguments.ts";
import { arithmetic } from "./arithmetic.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { ownAttribute, path } from "./lookup.ts";
import { compare, equals, items, iterate, sizeOf } from "./operators.ts";
import { joined, str } from "./show.ts";
import { callTest } from "./tests.ts";
import { characters } from "./text.ts";
import { type Filter, TEXT_FILTERS } from "./text-filters.ts";
import { type Arguments, Dict, hashOf, Iter, Tuple, truthy, typeName, Undefined, type Value } from "./value.ts";

/** Throws where no such filter is known; those of jinja2 that are left out are for web pages or draw lots. */
export function callFilter(name: string, value: Value, given: Arguments, budget: Budget): Value {
  const filter = FILTERS.get(name);
  if (!filter) throw new TemplateError(`the filter "${name}" is not known`);
  budget.step();
  return filter(value, given, budget);
}

export const isFilter = (name: string): boolean => FILTERS.has(name);

const folded = (value: Value): Value => (typeof value === "string" ? value.toLowerCase() : value);

/** What a list is sorted, grouped or thinned out by. */
function keyOf(attribute: Value | undefined, exact: Value | undefined, budget: Budget): (value: Value) => Value {
  const fold = truthy(exact ?? false) ? (value: Value) => value : folded;
  if (attribute === undefined || attribute === null) return fold;
  return (value) => fold(path(value, attribute, budget));
}

/** Stable, by `key`, as Python's sorted(). */
function sorted(list: readonly Value[], key: (value: Value) => Value, backwards: boolean, budget: Budget): Value[] {
  const keyed = list.map((value): [Value, Value] => [key(value), value]);
  budget.entries(list.length);
  keyed.sort(([a], [b]) => (backwards ? compare(b, a, "<", budget) : compare(a, b, "<", budget)));
  return keyed.map(([, value]) => value);
}

function sort(value: Value, given: Arguments, budget: Budget): Value {
  const [reverse, exact, attribute] = bind("sort", given, ["reverse", "case_sensitive", "attribute"]);
  const paths = typeof attribute === "string" ? attribute.split(",") : [attribute];
  const keys = paths.map((where) => keyOf(where, exact, budget));
  // Always a list: Python's order of lists asks first whether their items are equal, so it takes two Nones.
  const key = (entry: Value) => keys.map((one) => one(entry));
  return sorted(items(value, budget), key, truthy(reverse ?? false), budget);
}

function dictsort(value: Value, given: Arguments, budget: Budget): Value {
  const [exact, by, reverse] = bind("dictsort", given, ["case_sensitive", "by", "reverse"]);
  if (!(value instanceof Dict)) throw new TemplateError(`dictsort: expected a dict, got ${typeName(value)}`);
  const at = by === undefined || by === "key" ? 0 : by === "value" ? 1 : null;
  if (at === null) throw new TemplateError('You can only sort by either "key" or "value"');
  const fold = keyOf(undefined, exact, budget);
  const key = (entry: Value) => fold((entry as Tuple).items[at]);
  return sorted([...value.items()], key, truthy(reverse ?? false), budget);
}

function groupby(value: Value, given: Arguments, budget: Budget): Value {
  const [attribute, missing, exact] = bind("groupby", given, ["attribute", "default", "case_sensitive"], 1);
  const plain = (entry: Value) => filledIn(path(entry, attribute as Value, budget), missing);
  const key = (entry: Value) => keyOf(undefined, exact, budget)(plain(entry));
  const groups: Value[][] = [];
  let last: Value | undefined;
  for (const entry of sorted(items(value, budget), key, false, budget)) {
    const own = key(entry);
    if (last !== undefined && equals(last, own, budget)) groups.at(-1)?.push(entry);
    else groups.push([entry]);
    last = own;
  }
  return groups.map((group) => new Tuple([plain(group[0]), group], ["grouper", "list"]));
}

const filledIn = (value: Value, missing: Value | undefined): Value =>
  value instanceof Undefined && missing !== undefined && missing !== null ? missing : value;

const extreme =
  (name: string, sign: 1 | -1): Filter =>
  (value, given, budget) => {
    const [exact, attribute] = bind(name, given, ["case_sensitive", "attribute"]);
    const key = keyOf(attribute, exact, budget);
    const list = items(value, budget);
    if (list.length === 0) return new Undefined("No aggregated item, sequence was empty.");
    return list.reduce((best, entry) => (sign * compare(key(entry), key(best), "<", budget) > 0 ? entry : best));
  };

function join(value: Value, given: Arguments, budget: Budget): Value {
  const [separator, attribute] = bind("join", given, ["d", "attribute"]);
  const shown = items(value, budget).map((entry) =>
    str(attribute === undefined || attribute === null ? entry : path(entry, attribute, budget), budget),
  );
  return joined(shown, separator === undefined ? "" : str(separator, budget), budget);
}

function map(value: Value, given: Arguments, budget: Budget): Value {
  const [name, ...positional] = given.positional;
  let change: (entry: Value) => Value;
  if (name === undefined) {
    const [attribute, missing] = bind("map", given, ["attribute", "default"], 1);
    change = (entry) => filledIn(path(entry, attribute as Value, budget), missing);
  } else change = (entry) => callFilter(str(name, budget), entry, { positional, named: given.named }, budget);
  return new Iter(mapped(value, change, budget));
}

function* mapped(value: Value, change: (entry: Value) => Value, budget: Budget): Generator<Value> {
  for (const entry of present(value, budget)) yield change(entry);
}

/** select, reject, selectattr and rejectattr. */
const choose =
  (keep: boolean, byAttribute: boolean): Filter =>
  (value, given, budget) => {
    const [where, ...more] = byAttribute ? given.positional : [null, ...given.positional];
    if (where === undefined) throw new TemplateError("Missing parameter for attribute name");
    const [name, ...positional] = more;
    const passes = (entry: Value): boolean => {
      const part = where === null ? entry : path(entry, where, budget);
      if (name === undefined) return truthy(part);
      return callTest(str(name, budget), part, { positional, named: given.named }, isFilter, budget);
    };
    return new Iter(chosen(value, (entry) => passes(entry) === keep, budget));
  };

function* chosen(value: Value, passes: (entry: Value) => boolean, budget: Budget): Generator<Value> {
  for (const entry of present(value, budget)) if (passes(entry)) yield entry;
}

/** map and select take what is false, None too, for an empty list. */
const present = (value: Value, budget: Budget): Iterable<Value> => (truthy(value) ? iterate(value, budget) : []);

function* unique(value: Value, given: Arguments, budget: Budget): Generator<Value> {
  const [exact, attribute] = bind("unique", given, ["case_sensitive", "attribute"]);
  const key = keyOf(attribute, exact, budget);
  const seen = new Set<string>();
  for (const entry of iterate(value, budget)) {
    const hash = hashOf(key(entry));
    budget.entries(1);
    if (!seen.has(hash)) yield entry;
    seen.add(hash);
  }
}

function* batch(value: Value, given: Arguments, budget: Budget): Generator<Value> {
  const [count, filler] = bind("batch", given, ["linecount", "fill_with"], 1);
  const size = asCount("batch", count, 0);
  let line: Value[] = [];
  for (const entry of iterate(value, budget)) {
    if (line.length === size) {
      yield line;
      line = [];
    }
    budget.entries(1);
    line.push(entry);
  }
  if (line.length > 0) yield withFiller(line, size - line.length, filler, budget);
}

function* slices(value: Value, given: Arguments, budget: Budget): Generator<Value> {
  const [count, filler] = bind("slice", given, ["slices", "fill_with"], 1);
  const list = items(value, budget);
  const parts = asCount("slice", count, 0);
  if (parts === 0) throw new TemplateError("integer division or modulo by zero");
  const [size, longer] = [Math.floor(list.length / parts), list.length % parts];
  for (let i = 0, at = 0; i < parts; i++) {
    const end = at + size + (i < longer ? 1 : 0);
    budget.entries(1);
    yield withFiller(list.slice(at, end), i >= longer ? 1 : 0, filler, budget);
    at = end;
  }
}

function withFiller(line: Value[], lack: number, filler: Value | undefined, budget: Budget): Value[] {
  if (filler === undefined || filler === null || lack <= 0) return line;
  budget.entries(lack);
  return [...line, ...new Array<Value>(lack).fill(filler)];
}

function length(value: Value, _: Arguments, budget: Budget): Value {
  const size = sizeOf(value, budget);
  if (size === null) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  return size;
}

function first(value: Value, _: Arguments, budget: Budget): Value {
  const next = iterate(value, budget)[Symbol.iterator]().next();
  return next.done ? new Undefined("No first item, sequence was empty.") : next.value;
}

function last(value: Value, _: Arguments, budget: Budget): Value {
  if (value instanceof Iter) throw new TemplateError("'generator' object is not reversible");
  return orElse(items(value, budget).at(-1), new Undefined("No last item, sequence was empty."));
}

function reverse(value: Value, _: Arguments, budget: Budget): Value {
  if (typeof value === "string") return [...characters(value, budget)].reverse().join("");
  const backwards = [...items(value, budget)].reverse();
  return value instanceof Iter ? backwards : new Iter(backwards);
}

function byDefault(value: Value, given: Arguments): Value {
  const [missing, boolean] = bind("default", given, ["default_value", "boolean"]);
  const replace = value instanceof Undefined || (truthy(boolean ?? false) && !truthy(value));
  return replace ? orElse(missing, "") : value;
}

const FILTERS = new Map(
  Object.entries<Filter>({
    ...TEXT_FILTERS,
    attr: (value, given, budget) =>
      ownAttribute(value, str(bind("attr", given, ["name"], 1)[0] as Value, budget), budget),
    batch: (value, given, budget) => new Iter(batch(value, given, budget)),
    count: length,
    d: byDefault,
    default: byDefault,
    dictsort,
    first,
    groupby,
    items: (value) => {
      if (value instanceof Undefined) return new Iter([]);
      if (value instanceof Dict) return new Iter(value.items());
      throw new TemplateError("Can only get item pairs from a mapping.");
    },
    join,
    last,
    length,
    list: (value, _, budget) => [...items(value, budget)],
    map,
    max: extreme("max", 1),
    min: extreme("min", -1),
    reject: choose(false, false),
    rejectattr: choose(false, true),
    reverse,
    select: choose(true, false),
    selectattr: choose(true, true),
    slice: (value, given, budget) => new Iter(slices(value, given, budget)),
    sort,
    sum: (value, given, budget) => {
      const [attribute, start] = bind("sum", given, ["attribute", "start"]);
      const parts = items(value, budget).map((entry) =>
        attribute === undefined || attribute === null ? entry : path(entry, attribute, budget),
      );
      return parts.reduce((sum, part) => arithmetic("+", sum, part, budget), orElse(start, 0));
    },
    unique: (value, given, budget) => new Iter(unique(value, given, budget)),
  }),
);
