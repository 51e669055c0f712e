// Python's two ways of filling a text with values: "%s" % value and "{}".format(value).
import { type Budget, TemplateError } from "./budget.ts";
import { defined, numeric } from "./operators.ts";
import { fixed, floatText, joined, MOST_FIXED, repr, str } from "./show.ts";
import { lengthOf } from "./text.ts";
import { type Arguments, Dict, Float, isInt, Range, Tuple, typeName, Undefined, type Value } from "./value.ts";

const FIELD = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([hlL]?)(.?)/gsu;

/** "format" % values. */
export function formatPercent(format: string, values: Value, budget: Budget): string {
  const list = values instanceof Tuple ? values.items : [values];
  let used = 0;
  let named = false;
  const next = (): Value => {
    if (used >= list.length) throw new TemplateError("not enough arguments for format string");
    return list[used++];
  };
  const parts: string[] = [];
  let end = 0;
  for (const field of format.matchAll(FIELD)) {
    const [whole, name, flags, width, precision, , kind] = field;
    parts.push(format.slice(end, field.index));
    end = (field.index as number) + whole.length;
    if (width === "*" || precision === "*") throw new TemplateError("* in a format is not supported");
    if (kind === "") throw new TemplateError("incomplete format");
    if (kind === "%") {
      parts.push("%");
      continue;
    }
    let value: Value;
    if (name === undefined) value = next();
    else {
      if (!(values instanceof Dict)) throw new TemplateError("format requires a mapping");
      named = true;
      const found = values.get(name);
      value = found === undefined ? missing(name) : found;
    }
    const digits = precision === undefined ? (/\.$/.test(whole.slice(0, -1)) ? 0 : null) : Number(precision);
    const shown = conversion(value, kind, digits, flags, budget);
    parts.push(padded(shown, flags, Number(width ?? 0), "diuxXoeEfFgG".includes(kind), budget));
  }
  parts.push(format.slice(end));
  if (used < list.length && !named && !hasKeys(values))
    throw new TemplateError("not all arguments converted during string formatting");
  return joined(parts, "", budget);
}

/** Python lets these stand beside a format that takes none of them: they could be asked for keys. */
const hasKeys = (values: Value): boolean =>
  values instanceof Dict || Array.isArray(values) || values instanceof Range || values instanceof Undefined;

function missing(name: string): never {
  throw new TemplateError(`the format's key '${name}' is missing`);
}

function conversion(value: Value, kind: string, digits: number | null, flags: string, budget: Budget): string {
  if (kind === "s" || kind === "r") {
    const shown = kind === "s" ? str(value, budget) : repr(value, budget);
    return digits === null ? shown : [...shown].slice(0, digits).join("");
  }
  if (kind === "c" && typeof value === "string" && lengthOf(value, budget) === 1) return value;
  defined(value);
  const number = numeric(value);
  if (number === null || (digits !== null && digits > 100))
    throw new TemplateError(`%${kind} format: a number is required, not ${typeName(value)}`);
  const sign = (text: string) =>
    text.startsWith("-") ? text : flags.includes("+") ? `+${text}` : flags.includes(" ") ? ` ${text}` : text;
  if ("diu".includes(kind) && digits === null) {
    const whole = typeof number === "bigint" ? number : Math.trunc(number);
    return sign(BigInt(whole).toString());
  }
  if ("xXo".includes(kind) && isInt(value) && digits === null && !flags.includes("#")) {
    const text = BigInt(value).toString(kind === "o" ? 8 : 16);
    return sign(kind === "X" ? text.toUpperCase() : text);
  }
  if (kind === "f" && !flags.includes("#") && Math.abs(Number(number)) < MOST_FIXED)
    return sign(fixed(Number(number), digits ?? 6));
  throw new TemplateError(`the format %${kind} is not supported for ${typeName(value)}`);
}

function padded(text: string, flags: string, width: number, number: boolean, budget: Budget): string {
  const lack = width - lengthOf(text, budget);
  if (lack <= 0) return text;
  budget.text(width);
  if (flags.includes("-")) return text + " ".repeat(lack);
  if (!number || !flags.includes("0")) return " ".repeat(lack) + text;
  const sign = /^[-+ ]/.exec(text)?.[0] ?? "";
  return sign + "0".repeat(lack) + text.slice(sign.length);
}

/** "format".format(...): fields by place or name; what stands after a dot, a bracket, a colon or a "!" is refused. */
export function formatBraces(format: string, given: Arguments, budget: Budget): string {
  let used = 0;
  const parts: string[] = [];
  for (const [part] of format.matchAll(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g)) {
    if (part === "{{" || part === "}}") parts.push(part[0]);
    else if (part === "{" || part === "}") throw new TemplateError(`Single '${part}' encountered in format string`);
    else if (!part.startsWith("{")) parts.push(part);
    else {
      const name = part.slice(1, -1);
      if (!/^\w*$/.test(name))
        throw new TemplateError(`the format field ${part} is not supported; expected {} or {name}`);
      const value = /^\d*$/.test(name) ? given.positional[name === "" ? used++ : Number(name)] : given.named.get(name);
      if (value === undefined) throw new TemplateError(`the format field ${part} has no value`);
      if (value instanceof Undefined) throw new TemplateError(value.reason);
      parts.push(value instanceof Float ? floatText(value.value) : str(value, budget));
    }
  }
  return joined(parts, "", budget);
}
