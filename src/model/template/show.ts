import { type Budget, TemplateError } from "./budget.ts";
import {
  Attributes,
  Callable,
  Dict,
  Float,
  Iter,
  Markup,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "./value.ts";

/** Python's str(): what a template prints. */
export function str(value: Value, budget: Budget): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  if (value instanceof Markup) return value.text;
  return repr(value, budget);
}

/** Python's repr(): what stands inside a printed list. */
export function repr(value: Value, budget: Budget): string {
  budget.step();
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "bigint") return bigText(value);
  if (typeof value === "string") return quoted(value, budget);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Tuple) {
    const items = listed(value.items, budget);
    return value.items.length === 1 ? `(${items},)` : `(${items})`;
  }
  if (value instanceof Dict) return `{${pairs(value.items(), budget)}}`;
  if (value instanceof View) return `dict_${value.kind}([${listed([...value], budget)}])`;
  if (value instanceof Range) return `range(${value.start}, ${value.stop}${value.step === 1 ? "" : `, ${value.step}`})`;
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${quoted(value.text, budget)})`;
  if (value instanceof Namespace)
    return `<Namespace {${pairs(
      [...value.values].map((entry) => new Tuple(entry)),
      budget,
    )}}>`;
  if (value instanceof Callable && value.type === "Macro") {
    const name = value.attribute("name");
    return typeof name === "string" ? `<Macro ${quoted(name, budget)}>` : "<Macro anonymous>";
  }
  if (value instanceof Iter || value instanceof Attributes) return unprintable(`a ${typeName(value)}`);
  return `[${listed(value, budget)}]`;
}

/** What Python prints as an address or in a way that is not followed here. */
function unprintable(what: string): never {
  throw new TemplateError(`printing ${what} is not supported; print its items`);
}

function listed(items: readonly Value[], budget: Budget): string {
  return joined(
    items.map((item) => repr(item, budget)),
    ", ",
    budget,
  );
}

function pairs(items: Iterable<Tuple>, budget: Budget): string {
  const shown: string[] = [];
  for (const { items: pair } of items) shown.push(`${repr(pair[0], budget)}: ${repr(pair[1], budget)}`);
  return joined(shown, ", ", budget);
}

/** Joins texts after counting what they come to. */
export function joined(texts: readonly string[], separator: string, budget: Budget): string {
  let length = separator.length * Math.max(0, texts.length - 1);
  for (const text of texts) length += text.length;
  budget.text(length);
  return texts.join(separator);
}

/** Digits of an int; Python refuses the conversion of more. */
export const MOST_DIGITS = 4300;

function bigText(value: bigint): string {
  const text = String(value);
  if (text.length > MOST_DIGITS) throw new TemplateError(`an int has more than ${MOST_DIGITS} digits`);
  return text;
}

/** The shortest digits that read back as the same float, in Python's layout. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16)
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  // In this range JavaScript writes 1e-5 and 0.0001 alike up to exponent -7, so no exponent appears here.
  const plain = String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** A text between quotes as Python's repr writes it: what cannot be seen is escaped. */
function quoted(text: string, budget: Budget): string {
  budget.text(text.length);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\'"]|(?! )[\p{C}\p{Z}]/gu, (sign) => {
    if (sign === "'" || sign === '"') return sign === quote ? `\\${sign}` : sign;
    return ESCAPES[sign] ?? escapeCode(sign.codePointAt(0) as number);
  });
  budget.text(inner.length);
  return quote + inner + quote;
}

/** \xe9, \u20ac or \U0001f600. */
export function escapeCode(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** From here on toFixed writes an exponent. */
export const MOST_FIXED = 1e21;

/** With `digits` decimals, halves to even: toFixed rounds them up. */
export function fixed(value: number, digits: number): string {
  const up = value.toFixed(digits);
  const exact = value.toFixed(Math.min(100, digits + 40));
  const dropped = exact.slice(exact.indexOf(".") + 1 + digits);
  if (!/^50*$/.test(dropped)) return up;
  const down = exact.slice(0, exact.length - dropped.length).replace(/\.$/, "");
  return /[02468]$/.test(down) ? down : up;
}
