// jinja2's filters of texts and numbers.
import { asCount, asText, bind, orElse } from "./arguments.ts";
import { signed } from "./arithmetic.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { toJson } from "./json.ts";
import { filled } from "./methods.ts";
import { defined, items, numeric, sizeOf } from "./operators.ts";
import { formatPercent } from "./percent.ts";
import { fixed, joined, MOST_DIGITS, MOST_FIXED, str } from "./show.ts";
import * as text from "./text.ts";
import { type Arguments, Dict, Float, isInt, Markup, narrowed, Tuple, truthy, typeName, type Value } from "./value.ts";

export type Filter = (value: Value, given: Arguments, budget: Budget) => Value;

const plain =
  (name: string, run: (shown: string) => string): Filter =>
  (value, given, budget) => {
    bind(name, given, []);
    const shown = str(value, budget);
    budget.text(shown.length);
    return like(value, run(shown));
  };

/** What is made of escaped text stays escaped. */
const like = (value: Value, made: string): Value => (value instanceof Markup ? new Markup(made) : made);

function escaped(value: Value, budget: Budget): Value {
  if (value instanceof Markup) return value;
  let shown = str(value, budget);
  for (const [sign, name] of ENTITIES) shown = text.replaced(shown, sign, name, -1, budget);
  return new Markup(shown);
}
const ENTITIES = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ["'", "&#39;"],
  ['"', "&#34;"],
] as const;

function indent(value: Value, given: Arguments, budget: Budget): Value {
  const [width, first, blank] = bind("indent", given, ["width", "first", "blank"]);
  const spaces = typeof width === "string" ? width : filled("", asCount("indent", width, 4), "left", " ", budget);
  const [head, ...rest] = text.lines(`${asText("indent", value)}\n`, false, budget);
  const parts = [head];
  for (const line of rest) parts.push("\n", line !== "" || truthy(blank ?? false) ? spaces : "", line);
  if (truthy(first ?? false)) parts.unshift(spaces);
  return like(value, joined(parts, "", budget));
}

function truncate(value: Value, given: Arguments, budget: Budget): Value {
  const [length, kill, end, leeway] = bind("truncate", given, ["length", "killwords", "end", "leeway"]);
  const size = sizeOf(value, budget);
  if (size === null) throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
  const tail = end === undefined ? "..." : asText("truncate", end);
  const keep = asCount("truncate", length, 255) - text.lengthOf(tail, budget);
  const slack = leeway === null ? 5 : asCount("truncate", leeway, 5);
  if (keep < 0 || slack < 0) throw new TemplateError("truncate: the length is too small for its end");
  if (size <= asCount("truncate", length, 255) + slack) return value;
  const head = text.between(asText("truncate", value), 0, keep, budget);
  return like(value, (truthy(kill ?? false) ? head : text.splitFromRight(head, " ", 1, budget)[0]) + tail);
}

const INTEGER: Record<number, RegExp> = {
  2: /^(?:0b_?)?[01]+(?:_[01]+)*$/i,
  8: /^(?:0o_?)?[0-7]+(?:_[0-7]+)*$/i,
  10: /^\d+(?:_\d+)*$/,
  16: /^(?:0x_?)?[\da-f]+(?:_[\da-f]+)*$/i,
};
const PREFIX: Record<number, string> = { 2: "0b", 8: "0o", 10: "", 16: "0x" };

function wholeNumber(shown: string, base: number): number | bigint | null {
  if (!INTEGER[base]) throw new TemplateError(`int: the base ${base} is not supported`);
  const sign = /^[-+]/.exec(shown)?.[0] ?? "";
  const digits = shown.slice(sign.length);
  if (!INTEGER[base].test(digits) || digits.length > MOST_DIGITS) return null;
  const value = BigInt(PREFIX[base] + digits.replace(/_/g, "").replace(/^0[box]/i, ""));
  return narrowed(sign === "-" ? -value : value);
}

const FLOAT = /^[-+]?(?:(?:\d+(?:_\d+)*)?\.\d+(?:_\d+)*|\d+(?:_\d+)*\.?)(?:e[-+]?\d+(?:_\d+)*)?$/i;

function floatOf(value: Value, budget: Budget): number | null {
  defined(value);
  const number = numeric(value);
  if (number !== null) return Number(number);
  if (typeof value !== "string") return null;
  const shown = text.strip(value, null, "both", budget);
  if (FLOAT.test(shown)) return Number(shown.replace(/_/g, ""));
  const word = /^([-+]?)(?:(inf|infinity)|nan)$/i.exec(shown);
  if (!word) return null;
  return word[2] ? (word[1] === "-" ? -1 : 1) * Number.POSITIVE_INFINITY : Number.NaN;
}

function int(value: Value, given: Arguments, budget: Budget): Value {
  const [missing, base] = bind("int", given, ["default", "base"]);
  if (isInt(value)) return narrowed(BigInt(value));
  if (typeof value === "string") {
    const whole = wholeNumber(text.strip(value, null, "both", budget), asCount("int", base, 10));
    if (whole !== null) return whole;
  }
  const number = floatOf(value, budget);
  if (number === null || Number.isNaN(number)) return orElse(missing, 0);
  if (Number.isFinite(number)) return narrowed(BigInt(Math.trunc(number)));
  if (value instanceof Float) throw new TemplateError("cannot convert float infinity to integer");
  return orElse(missing, 0);
}

function round(value: Value, given: Arguments): Value {
  const [precision, method] = bind("round", given, ["precision", "method"]);
  const how = method === undefined ? "common" : method;
  const digits = asCount("round", precision, 0);
  const number = numeric(defined(value));
  if (number === null) throw new TemplateError(`round: expected a number, got ${typeName(value)}`);
  if (digits < 0 || digits > 50) throw new TemplateError("round: a precision outside 0 to 50 is not supported");
  if (how === "common") {
    if (isInt(value)) return narrowed(BigInt(value));
    const float = Number(number);
    return new Float(Math.abs(float) < MOST_FIXED ? Number(fixed(float, digits)) : float);
  }
  if (how !== "ceil" && how !== "floor") throw new TemplateError("method must be common, ceil or floor");
  return new Float(Math[how](Number(number) * 10 ** digits) / 10 ** digits);
}

const JSON_NAMES = ["ensure_ascii", "indent", "separators", "sort_keys"];

/** As transformers defines it: not for HTML, in the order of the keys, with Python's blanks. */
function tojson(value: Value, given: Arguments, budget: Budget): Value {
  const [ascii, width, separators, sort] = bind("tojson", given, JSON_NAMES);
  let step: string | null = null;
  if (typeof width === "string") step = width;
  else if (width !== undefined && width !== null) step = filled("", asCount("tojson", width, 0), "left", " ", budget);
  const [item, key] =
    separators === undefined || separators === null ? [step === null ? ", " : ",", ": "] : items(separators, budget);
  return toJson(
    value,
    {
      ascii: truthy(ascii ?? false),
      indent: step,
      separators: [asText("tojson", item), asText("tojson", key)],
      sortKeys: truthy(sort ?? false),
    },
    budget,
  );
}

export const TEXT_FILTERS: Record<string, Filter> = {
  abs: (value) => (Number(numeric(defined(value)) ?? 0) < 0 ? signed("-", value) : signed("+", value)),
  capitalize: plain("capitalize", (shown) => text.capitalize(shown)),
  center: (value, given, budget) =>
    filled(str(value, budget), asCount("center", bind("center", given, ["width"])[0], 80), "center", " ", budget),
  e: (value, _, budget) => escaped(value, budget),
  escape: (value, _, budget) => escaped(value, budget),
  float: (value, given, budget) => {
    const number = floatOf(value, budget);
    return number === null ? orElse(bind("float", given, ["default"])[0], new Float(0)) : new Float(number);
  },
  format: (value, given, budget) => {
    const named = new Dict();
    for (const [name, entry] of given.named) named.set(name, entry);
    if (named.size > 0 && given.positional.length > 0)
      throw new TemplateError("can't handle positional and keyword arguments at the same time");
    return formatPercent(str(value, budget), named.size > 0 ? named : new Tuple(given.positional), budget);
  },
  indent,
  int,
  lower: plain("lower", (shown) => shown.toLowerCase()),
  replace: (value, given, budget) => {
    const [old, fresh, most] = bind("replace", given, ["old", "new", "count"], 2);
    if (value instanceof Markup || old instanceof Markup || fresh instanceof Markup)
      throw new TemplateError("replace on text marked as safe or escaped is not supported");
    const count = most === null ? -1 : asCount("replace", most, -1);
    return text.replaced(str(value, budget), str(old as Value, budget), str(fresh as Value, budget), count, budget);
  },
  round,
  safe: (value, _, budget) => new Markup(str(value, budget)),
  string: (value, _, budget) => (value instanceof Markup ? value : str(value, budget)),
  title: plain("title", (shown) =>
    shown
      .split(TITLE)
      .map((word) => word && word[0].toUpperCase() + word.slice(1).toLowerCase())
      .join(""),
  ),
  tojson,
  trim: (value, given, budget) => {
    const [set] = bind("trim", given, ["chars"]);
    const shown = str(value, budget);
    return like(
      value,
      text.strip(shown, set === undefined || set === null ? null : asText("trim", set), "both", budget),
    );
  },
  truncate,
  upper: plain("upper", (shown) => shown.toUpperCase()),
  wordcount: (value, given, budget) => {
    bind("wordcount", given, []);
    const shown = str(value, budget);
    budget.entries(shown.length / 2);
    return shown.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
  },
};

const TITLE = new RegExp(`([-${text.SPACE}({\\[<]+)`);
