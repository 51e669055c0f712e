import { type Budget, TemplateError } from "./budget.ts";
import { compareText, items } from "./operators.ts";
import { floatText, joined } from "./show.ts";
import { Dict, Float, Markup, Tuple, typeName, type Value } from "./value.ts";

interface JsonLayout {
  ascii: boolean;
  /** What one level is indented by; null for one line. */
  indent: string | null;
  /** Between items, and between a key and its value. */
  separators: readonly [string, string];
  sortKeys: boolean;
}

/** Python's json.dumps. */
export function toJson(value: Value, layout: JsonLayout, budget: Budget, depth = 0): string {
  budget.step();
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Float) return floatJson(value.value);
  if (typeof value === "string") return textJson(value, layout.ascii, budget);
  if (value instanceof Markup) return textJson(value.text, layout.ascii, budget);
  const inner = (item: Value) => toJson(item, layout, budget, depth + 1);
  if (Array.isArray(value) || value instanceof Tuple)
    return block("[", "]", items(value, budget).map(inner), layout, budget, depth);
  if (value instanceof Dict) {
    const entries = [...value.items()].map(({ items: [key, entry] }): [string | Value, Value] => [key, entry]);
    if (layout.sortKeys) entries.sort(([a], [b]) => sortable(a, b));
    const shown = entries.map(
      ([key, entry]) =>
        `${textJson(keyJson(key as Value), layout.ascii, budget)}${layout.separators[1]}${inner(entry)}`,
    );
    return block("{", "}", shown, layout, budget, depth);
  }
  throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function block(open: string, close: string, shown: string[], layout: JsonLayout, budget: Budget, depth: number) {
  if (shown.length === 0) return open + close;
  if (layout.indent === null) return open + joined(shown, layout.separators[0], budget) + close;
  budget.text(layout.indent.length * (depth + 1));
  const outer = `\n${layout.indent.repeat(depth)}`;
  const inner = outer + layout.indent;
  return open + inner + joined(shown, layout.separators[0] + inner, budget) + outer + close;
}

function sortable(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  throw new TemplateError(`'<' not supported between instances of '${typeName(b)}' and '${typeName(a)}'`);
}

function keyJson(key: Value): string {
  if (typeof key === "string") return key;
  if (key === null) return "null";
  if (typeof key === "boolean" || typeof key === "number" || typeof key === "bigint") return String(key);
  if (key instanceof Float) return floatJson(key.value);
  throw new TemplateError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function floatJson(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  return floatText(value);
}

function textJson(text: string, ascii: boolean, budget: Budget): string {
  budget.text(text.length);
  const shown = JSON.stringify(text);
  if (!ascii) return shown;
  return shown.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
