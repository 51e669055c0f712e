// Expressions, with jinja2's order of precedence: condition, or, and, not, comparison, + -, ~, * / // %, **, sign.
import type { Operator } from "./arithmetic.ts";
import type { Expression, Given } from "./nodes.ts";
import { described, type Stream } from "./stream.ts";
import { Float, narrowed } from "./value.ts";

export function parseExpression(stream: Stream, conditions = true): Expression {
  return stream.nested(() => (conditions ? condition(stream) : or(stream)));
}

/** One expression, or a tuple where commas follow. `end` is a word that ends it. */
export function parseTuple(stream: Stream, conditions = true, end: string | null = null, brackets = false): Expression {
  const items: Expression[] = [];
  let tuple = false;
  while (true) {
    if (items.length > 0) stream.expect("operator", ",");
    if (tupleEnds(stream, end)) break;
    items.push(parseExpression(stream, conditions));
    if (!stream.is("operator", ",")) break;
    tuple = true;
  }
  if (!tuple) {
    if (items.length > 0) return items[0];
    if (!brackets) throw stream.fail(`expected an expression, got ${described(stream.current)}`);
  }
  return { kind: "tuple", items };
}

export function tupleEnds(stream: Stream, end: string | null): boolean {
  return (
    stream.is("variable_end") ||
    stream.is("block_end") ||
    stream.is("operator", ")") ||
    (end !== null && stream.is("name", end))
  );
}

function condition(stream: Stream): Expression {
  let yes = or(stream);
  while (stream.skip("name", "if")) {
    const test = or(stream);
    const no = stream.skip("name", "else") ? stream.nested(() => condition(stream)) : null;
    yes = { kind: "condition", test, yes, no };
  }
  return yes;
}

function or(stream: Stream): Expression {
  let left = and(stream);
  while (stream.skip("name", "or")) left = { kind: "or", left, right: and(stream) };
  return left;
}

function and(stream: Stream): Expression {
  let left = not(stream);
  while (stream.skip("name", "and")) left = { kind: "and", left, right: not(stream) };
  return left;
}

function not(stream: Stream): Expression {
  if (!stream.skip("name", "not")) return comparison(stream);
  return { kind: "not", of: stream.nested(() => not(stream)) };
}

function comparison(stream: Stream): Expression {
  const first = sum(stream);
  const rest: [string, Expression][] = [];
  while (true) {
    if (stream.is("operator", "==", "!=", "<", "<=", ">", ">=")) rest.push([stream.next().text, sum(stream)]);
    else if (stream.skip("name", "in")) rest.push(["in", sum(stream)]);
    else if (stream.is("name", "not") && stream.look().kind === "name" && stream.look().text === "in") {
      stream.next();
      stream.next();
      rest.push(["not in", sum(stream)]);
    } else break;
  }
  return rest.length > 0 ? { kind: "compare", first, rest } : first;
}

function binary(stream: Stream, operators: Operator[], operand: (stream: Stream) => Expression): Expression {
  let left = operand(stream);
  while (stream.is("operator", ...operators)) {
    const operator = stream.next().text as Operator;
    left = { kind: "arithmetic", operator, left, right: operand(stream) };
  }
  return left;
}

const sum = (stream: Stream): Expression => binary(stream, ["+", "-"], concat);
const product = (stream: Stream): Expression => binary(stream, ["*", "/", "//", "%"], power);
const power = (stream: Stream): Expression => binary(stream, ["**"], unary);

function concat(stream: Stream): Expression {
  const items = [product(stream)];
  while (stream.skip("operator", "~")) items.push(product(stream));
  return items.length === 1 ? items[0] : { kind: "concat", items };
}

function unary(stream: Stream): Expression {
  return filters(stream, signed(stream));
}

function signed(stream: Stream): Expression {
  if (!stream.is("operator", "-", "+")) return postfix(stream, primary(stream));
  const sign = stream.next().text as "-" | "+";
  return postfix(stream, { kind: "signed", sign, of: stream.nested(() => signed(stream)) });
}

function primary(stream: Stream): Expression {
  const token = stream.next();
  switch (token.kind) {
    case "name":
      return named(token.text);
    case "string": {
      const parts = [token.text];
      while (stream.is("string")) parts.push(stream.next().text);
      return { kind: "const", value: parts.join("") };
    }
    case "integer":
      return { kind: "const", value: narrowed(BigInt(token.text.replace(/_/g, ""))) };
    case "float":
      return { kind: "const", value: new Float(Number(token.text.replace(/_/g, ""))) };
    case "operator":
      if (token.text === "(") {
        const inner = parseTuple(stream, true, null, true);
        stream.expect("operator", ")");
        return inner;
      }
      if (token.text === "[") return { kind: "list", items: separated(stream, "]", () => parseExpression(stream)) };
      if (token.text === "{")
        return {
          kind: "dict",
          pairs: separated(stream, "}", () => {
            const key = parseExpression(stream);
            stream.expect("operator", ":");
            return [key, parseExpression(stream)];
          }),
        };
  }
  throw stream.fail(`unexpected ${described(token)}`);
}

const CONSTANTS: Record<string, boolean | null> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

export const isConstant = (name: string): boolean => Object.hasOwn(CONSTANTS, name);

function named(name: string): Expression {
  return isConstant(name) ? { kind: "const", value: CONSTANTS[name] } : { kind: "name", name };
}

/** Items up to a closing bracket, with commas between them. */
function separated<T>(stream: Stream, close: string, parse: () => T): T[] {
  const items: T[] = [];
  while (!stream.is("operator", close)) {
    if (items.length > 0) stream.expect("operator", ",");
    if (stream.is("operator", close)) break;
    items.push(parse());
  }
  stream.next();
  return items;
}

function postfix(stream: Stream, of: Expression): Expression {
  let value = of;
  while (true) {
    if (stream.skip("operator", ".")) {
      if (stream.is("integer"))
        value = { kind: "item", of: value, key: { kind: "const", value: Number(stream.next().text) } };
      else value = { kind: "attribute", of: value, name: stream.expect("name").text };
    } else if (stream.skip("operator", "[")) value = subscript(stream, value);
    else if (stream.is("operator", "(")) value = { kind: "call", of: value, given: parseGiven(stream) };
    else return value;
  }
}

function subscript(stream: Stream, of: Expression): Expression {
  const part = (...ends: string[]) => (stream.is("operator", ...ends) ? null : parseExpression(stream));
  const start = part(":");
  if (start && !stream.is("operator", ":")) {
    const keys = [start];
    while (stream.skip("operator", ",")) if (!stream.is("operator", "]")) keys.push(parseExpression(stream));
    stream.expect("operator", "]");
    return { kind: "item", of, key: keys.length === 1 ? start : { kind: "tuple", items: keys } };
  }
  stream.expect("operator", ":");
  const stop = part(":", "]");
  const step = stream.skip("operator", ":") ? part("]") : null;
  stream.expect("operator", "]");
  return { kind: "slice", of, start, stop, step };
}

function filters(stream: Stream, of: Expression): Expression {
  let value = of;
  while (true) {
    if (stream.is("operator", "|")) value = parseFilter(stream, value) as Expression;
    else if (stream.skip("name", "is")) value = test(stream, value);
    else if (stream.is("operator", "(")) value = { kind: "call", of: value, given: parseGiven(stream) };
    else return value;
  }
}

/** "|name(...)|name(...)". `inline` where the first bar is left out. Null where there is none. */
export function parseFilter(stream: Stream, of: Expression | null, inline = false): Expression | null {
  let value = of;
  for (let bare = inline; bare || stream.skip("operator", "|"); bare = false) {
    const name = dotted(stream);
    value = { kind: "filter", of: value, name, given: optionalGiven(stream) };
  }
  return value;
}

function dotted(stream: Stream): string {
  let name = stream.expect("name").text;
  while (stream.skip("operator", ".")) name += `.${stream.expect("name").text}`;
  return name;
}

const NOTHING: Given = { positional: [], named: [], list: null, dict: null };
const optionalGiven = (stream: Stream): Given => (stream.is("operator", "(") ? parseGiven(stream) : NOTHING);

function test(stream: Stream, of: Expression): Expression {
  const negated = stream.skip("name", "not");
  const name = dotted(stream);
  let given = NOTHING;
  if (stream.is("operator", "(")) given = parseGiven(stream);
  else if (beginsOperand(stream)) {
    if (stream.is("name", "is")) throw stream.fail("You cannot chain multiple tests with is");
    given = { ...NOTHING, positional: [postfix(stream, primary(stream))] };
  }
  const tested: Expression = { kind: "test", of, name, given };
  return negated ? { kind: "not", of: tested } : tested;
}

function beginsOperand(stream: Stream): boolean {
  if (stream.is("name")) return !stream.is("name", "else", "or", "and");
  return stream.is("string") || stream.is("integer") || stream.is("float") || stream.is("operator", "[", "{");
}

function parseGiven(stream: Stream): Given {
  const given: Given = { positional: [], named: [], list: null, dict: null };
  const wrong = () => stream.fail("invalid syntax for function call expression");
  stream.expect("operator", "(");
  separated(stream, ")", () => {
    if (given.dict) throw wrong();
    if (stream.is("operator", "*")) {
      if (given.list) throw wrong();
      stream.next();
      given.list = parseExpression(stream);
    } else if (stream.skip("operator", "**")) given.dict = parseExpression(stream);
    else if (stream.is("name") && stream.look().kind === "operator" && stream.look().text === "=") {
      const name = stream.next().text;
      stream.next();
      given.named.push([name, parseExpression(stream)]);
    } else {
      if (given.list || given.named.length > 0) throw wrong();
      given.positional.push(parseExpression(stream));
    }
    return null;
  });
  return given;
}
