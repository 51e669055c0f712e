// Methods and attributes of Python's types. Those that change a value are refused, as in jinja2's immutable sandbox.
import { asCount, asText, bind, orElse } from "./arguments.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { equals, items } from "./operators.ts";
import { formatBraces } from "./percent.ts";
import { joined } from "./show.ts";
import * as text from "./text.ts";
import { type Arguments, Callable, type Dict, Range, Tuple, typeName, type Value, View } from "./value.ts";

type Method<Self> = (self: Self, given: Arguments, budget: Budget) => Value;

/** The attribute of a value of a built-in type; undefined where Python has none. */
export function builtIn(value: Value, name: string, budget: Budget): Value | undefined {
  const type = typeName(value);
  if (!NAMES.get(type)?.has(name)) {
    const at = value instanceof Tuple ? value.names.indexOf(name) : -1;
    return at >= 0 ? (value as Tuple).items[at] : undefined;
  }
  const method = TABLES.get(type)?.get(name) as Method<Value> | undefined;
  if (method) return new Callable(`${type}.${name}`, (given) => method(value, given, budget));
  if (value instanceof Range && name !== "count" && name !== "index") return value[name as "start" | "stop" | "step"];
  return new Callable(`${type}.${name}`, () => {
    throw new TemplateError(
      MUTATING.has(name)
        ? `access to attribute '${name}' of '${type}' object is unsafe: templates cannot change values`
        : `${type}.${name} is not supported`,
    );
  });
}

/** All that Python's dir() lists without an underscore in front. */
const NAMES = new Map(
  Object.entries({
    str:
      "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii " +
      "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip " +
      "maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split " +
      "splitlines startswith strip swapcase title translate upper zfill",
    list: "append clear copy count extend index insert pop remove reverse sort",
    tuple: "count index",
    dict: "clear copy fromkeys get items keys pop popitem setdefault update values",
    int: "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes",
    bool: "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes",
    float: "as_integer_ratio conjugate fromhex hex imag is_integer real",
    range: "count index start step stop",
  }).map(([type, names]) => [type, new Set(names.split(" "))]),
);
const MUTATING = new Set("append clear extend insert pop remove reverse sort popitem setdefault update".split(" "));

/** A method without arguments. */
const plain =
  (name: string, run: (self: string, budget: Budget) => Value): Method<string> =>
  (self, given, budget) => {
    bind(name, given, []);
    budget.text(self.length);
    return run(self, budget);
  };

const strip =
  (name: string, side: "both" | "left" | "right"): Method<string> =>
  (self, given, budget) => {
    const [set] = bind(name, given, ["chars"]);
    return text.strip(self, set === undefined || set === null ? null : asText(name, set), side, budget);
  };

const split =
  (name: string, byWords: typeof text.words, bySeparator: typeof text.splitAt): Method<string> =>
  (self, given, budget) => {
    const [separator, most] = bind(name, given, ["sep", "maxsplit"]);
    const count = asCount(name, most, -1);
    if (separator === undefined || separator === null) return byWords(self, count, budget);
    const by = asText(name, separator);
    if (by === "") throw new TemplateError("empty separator");
    return bySeparator(self, by, count, budget);
  };

/** find, rfind, index, rindex and count look at self[start:end]. */
function part(self: string, name: string, given: Arguments, budget: Budget) {
  const [sought, from, to] = bind(name, given, ["sub", "start", "end"], 1);
  const length = text.lengthOf(self, budget);
  const clip = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, 0), length);
  const start = from === null ? 0 : asCount(name, from, 0);
  const end = to === null ? length : asCount(name, to, length);
  const [begin, until] = [clip(start), clip(end)];
  return {
    sought: asText(name, sought),
    within: start > length || begin > until ? null : text.between(self, begin, until, budget),
    begin,
  };
}

const find =
  (name: string, last: boolean, must: boolean): Method<string> =>
  (self, given, budget) => {
    const { sought, within, begin } = part(self, name, given, budget);
    const at = within === null ? -1 : last ? within.lastIndexOf(sought) : within.indexOf(sought);
    if (at < 0 && must) throw new TemplateError("substring not found");
    return at < 0 ? -1 : begin + text.position(within as string, at, budget);
  };

const ends =
  (name: string, test: "startsWith" | "endsWith"): Method<string> =>
  (self, given, budget) => {
    const [sought] = bind(name, given, ["prefix"], 1);
    const all = sought instanceof Tuple ? sought.items : [sought];
    budget.step(all.length);
    return all.some((one) => self[test](asText(name, one)));
  };

const cut =
  (name: string, last: boolean): Method<string> =>
  (self, given, budget) => {
    const [value] = bind(name, given, ["sep"], 1);
    const separator = asText(name, value);
    if (separator === "") throw new TemplateError("empty separator");
    budget.text(self.length);
    const at = last ? self.lastIndexOf(separator) : self.indexOf(separator);
    if (at < 0) return new Tuple(last ? ["", "", self] : [self, "", ""]);
    return new Tuple([self.slice(0, at), separator, self.slice(at + separator.length)]);
  };

const fill =
  (name: string, place: "left" | "right" | "center"): Method<string> =>
  (self, given, budget) => {
    const [width, sign] = bind(name, given, ["width", "fillchar"], 1);
    return filled(self, asCount(name, width, 0), place, sign === undefined ? " " : asText(name, sign), budget);
  };

export function filled(self: string, width: number, place: "left" | "right" | "center", sign: string, budget: Budget) {
  const lack = width - text.lengthOf(self, budget);
  if (lack <= 0) return self;
  budget.text(width);
  // Where the lack is odd, Python puts the odd one left in a field of odd width.
  const left = place === "left" ? 0 : place === "right" ? lack : (lack >> 1) + (lack & width & 1);
  return sign.repeat(left) + self + sign.repeat(lack - left);
}

/** True for a text that is not empty and has only such characters. */
const all = (name: string, only: RegExp) => plain(name, (self) => only.test(self));

/** True where it has cased characters, none of which is of the other case. */
const cases = (name: string, want: RegExp, never: RegExp) =>
  plain(name, (self) => want.test(self) && !never.test(self));

const STR = new Map(
  Object.entries<Method<string>>({
    capitalize: plain("capitalize", (self) => text.capitalize(self)),
    center: fill("center", "center"),
    count: (self, given, budget) => {
      const { sought, within } = part(self, "count", given, budget);
      return within === null ? 0 : text.occurrences(within, sought, budget);
    },
    endswith: ends("endswith", "endsWith"),
    find: find("find", false, false),
    format: (self, given, budget) => formatBraces(self, given, budget),
    index: find("index", false, true),
    isalnum: all("isalnum", /^[\p{L}\p{N}]+$/u),
    isalpha: all("isalpha", /^\p{L}+$/u),
    isascii: plain("isascii", (self) => !/[^\0-\x7f]/.test(self)),
    isdecimal: all("isdecimal", /^\p{Nd}+$/u),
    isdigit: all("isdigit", /^[\p{Nd}²³¹⁰⁴-⁹₀-₉]+$/u),
    islower: cases("islower", /\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u),
    isspace: all("isspace", new RegExp(`^[${text.SPACE}]+$`)),
    isupper: cases("isupper", /\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u),
    join: (self, given, budget) => {
      const [list] = bind("join", given, ["iterable"], 1);
      const parts = items(list as Value, budget).map((item, i) => asText(`sequence item ${i}`, item));
      return joined(parts, self, budget);
    },
    ljust: fill("ljust", "left"),
    lower: plain("lower", (self) => self.toLowerCase()),
    lstrip: strip("lstrip", "left"),
    partition: cut("partition", false),
    removeprefix: (self, given) => {
      const prefix = asText("removeprefix", bind("removeprefix", given, ["prefix"], 1)[0]);
      return self.startsWith(prefix) ? self.slice(prefix.length) : self;
    },
    removesuffix: (self, given) => {
      const suffix = asText("removesuffix", bind("removesuffix", given, ["suffix"], 1)[0]);
      return suffix !== "" && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self;
    },
    replace: (self, given, budget) => {
      const [old, fresh, most] = bind("replace", given, ["old", "new", "count"], 2);
      return text.replaced(
        self,
        asText("replace", old),
        asText("replace", fresh),
        asCount("replace", most, -1),
        budget,
      );
    },
    rfind: find("rfind", true, false),
    rindex: find("rindex", true, true),
    rjust: fill("rjust", "right"),
    rpartition: cut("rpartition", true),
    rsplit: split("rsplit", text.wordsFromRight, text.splitFromRight),
    rstrip: strip("rstrip", "right"),
    split: split("split", text.words, text.splitAt),
    splitlines: (self, given, budget) => {
      const [keep] = bind("splitlines", given, ["keepends"]);
      return text.lines(self, keep === true, budget);
    },
    startswith: ends("startswith", "startsWith"),
    strip: strip("strip", "both"),
    title: plain("title", (self, budget) => text.title(self, budget)),
    upper: plain("upper", (self) => self.toUpperCase()),
    zfill: (self, given, budget) => {
      const width = asCount("zfill", bind("zfill", given, ["width"], 1)[0], 0);
      const sign = /^[-+]/.exec(self)?.[0] ?? "";
      return sign + filled(self.slice(sign.length), width - sign.length, "right", "0", budget);
    },
  }),
);

const LIST = new Map(
  Object.entries<Method<Value>>({
    count: (self, given, budget) => {
      const [sought] = bind("count", given, ["value"], 1);
      return items(sequence(self), budget).filter((item) => equals(item, sought as Value, budget)).length;
    },
    index: (self, given, budget) => {
      const [sought] = bind("index", given, ["value"], 1);
      const at = items(sequence(self), budget).findIndex((item) => equals(item, sought as Value, budget));
      if (at < 0) throw new TemplateError("the value is not in the list");
      return at;
    },
  }),
);
const sequence = (self: Value): readonly Value[] => (self instanceof Tuple ? self.items : (self as readonly Value[]));

const view =
  (kind: "keys" | "values" | "items"): Method<Dict> =>
  (self, given) => {
    bind(kind, given, []);
    return new View(self, kind);
  };

const DICT = new Map(
  Object.entries<Method<Dict>>({
    get: (self, given) => {
      const [key, missing] = bind("get", given, ["key", "default"], 1);
      return orElse(self.get(key as Value), orElse(missing, null));
    },
    copy: (self) => self,
    items: view("items"),
    keys: view("keys"),
    values: view("values"),
  }),
);

const TABLES = new Map<string, ReadonlyMap<string, Method<never>>>([
  ["str", STR],
  ["list", new Map([...LIST, ["copy", (self: Value) => self]])],
  ["tuple", LIST],
  ["dict", DICT],
]);
