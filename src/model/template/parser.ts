// Statements of a template.
import { isConstant, parseExpression, parseFilter, parseTuple, tupleEnds } from "./expression.ts";
import { tokenize } from "./lexer.ts";
import type { Expression, MacroBody, Parameter, Statement, Target } from "./nodes.ts";
import { described, Stream } from "./stream.ts";
import { names } from "./uses.ts";

/** Throws a TemplateError where it is not one, or uses what is not supported. */
export function parse(source: string): Statement[] {
  const parser = new Parser(new Stream(tokenize(source)));
  return parser.body([]);
}

class Parser {
  readonly #stream: Stream;
  /** Loops around the present statement, in the present macro. */
  #loops = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Statements up to a tag of `ends`, which is left to read; to the end of the template where there are none. */
  body(ends: string[]): Statement[] {
    const stream = this.#stream;
    const statements: Statement[] = [];
    while (!stream.is("end")) {
      const token = stream.next();
      if (token.kind === "data") statements.push({ kind: "text", text: token.text });
      else if (token.kind === "variable_begin") {
        statements.push({ kind: "print", value: parseTuple(stream) });
        stream.expect("variable_end");
      } else {
        if (stream.is("name", ...ends) && ends.length > 0) return statements;
        statements.push(...stream.nested(() => this.#statement()));
        stream.expect("block_end");
      }
    }
    if (ends.length > 0) throw stream.fail(`the template ends where ${ends.join(" or ")} was expected`);
    return statements;
  }

  /** The body of a tag, and the tag that ends it. */
  #block(...ends: string[]): [Statement[], string] {
    this.#stream.skip("operator", ":");
    this.#stream.expect("block_end");
    const body = this.body(ends);
    return [body, this.#stream.next().text];
  }

  /** As `#block`, in which "break" means `loops` loops. */
  #within(loops: number, ...ends: string[]): [Statement[], string] {
    const outer = this.#loops;
    this.#loops = loops;
    const block = this.#block(...ends);
    this.#loops = outer;
    return block;
  }

  #statement(): Statement[] {
    const stream = this.#stream;
    if (!stream.is("name")) throw stream.fail(`expected a tag's name, got ${described(stream.current)}`);
    const tag = stream.current.text;
    if (UNSUPPORTED.has(tag)) throw stream.fail(`the tag "${tag}" is not supported`);
    const make = this.#tags.get(tag);
    if (!make) throw stream.fail(`the tag "${tag}" is not known here`);
    stream.next();
    const made = make();
    return Array.isArray(made) ? made : [made];
  }

  readonly #tags = new Map<string, () => Statement | Statement[]>([
    ["for", () => this.#for()],
    ["if", () => this.#if()],
    ["set", () => this.#set()],
    ["with", () => this.#with()],
    ["macro", () => this.#macroTag()],
    ["call", () => this.#call()],
    ["filter", () => this.#filterTag()],
    ["generation", () => ({ kind: "generation", macro: this.#macro(null, [], "endgeneration") })],
    ["print", () => this.#print()],
    ["break", () => this.#leave("break")],
    ["continue", () => this.#leave("continue")],
  ]);

  #macroTag(): Statement {
    const name = this.#stream.expect("name").text;
    return { kind: "macro", macro: this.#macro(name, this.#signature(), "endmacro") };
  }

  #filterTag(): Statement {
    const filter = parseFilter(this.#stream, null, true) as Expression;
    return { kind: "filter-block", filter, body: this.#block("endfilter")[0] };
  }

  #print(): Statement[] {
    const printed: Statement[] = [];
    while (!this.#stream.is("block_end")) {
      if (printed.length > 0) this.#stream.expect("operator", ",");
      printed.push({ kind: "print", value: parseExpression(this.#stream) });
    }
    return printed;
  }

  #leave(kind: "break" | "continue"): Statement {
    if (this.#loops === 0) throw this.#stream.fail(`"${kind}" outside of a loop`);
    return { kind };
  }

  #for(): Statement {
    const stream = this.#stream;
    const target = this.#target("in");
    stream.expect("name", "in");
    const over = parseTuple(stream, false, "recursive");
    const filter = stream.skip("name", "if") ? parseExpression(stream) : null;
    const recursive = stream.skip("name", "recursive");
    const [body, end] = this.#within(this.#loops + 1, "endfor", "else");
    const otherwise = end === "else" ? this.#block("endfor")[0] : [];
    return { kind: "for", target, over, filter, recursive, body, otherwise };
  }

  #if(): Statement {
    const branches: { test: Expression; body: Statement[] }[] = [];
    while (true) {
      const test = parseTuple(this.#stream, false);
      const [body, end] = this.#block("elif", "else", "endif");
      branches.push({ test, body });
      if (end === "else") return { kind: "if", branches, otherwise: this.#block("endif")[0] };
      if (end === "endif") return { kind: "if", branches, otherwise: [] };
    }
  }

  #set(): Statement {
    const target = this.#target(null);
    if (this.#stream.skip("operator", "=")) return { kind: "set", target, value: parseTuple(this.#stream) };
    const filter = parseFilter(this.#stream, null);
    return { kind: "set-block", target, filter, body: this.#block("endset")[0] };
  }

  #with(): Statement {
    const stream = this.#stream;
    const assignments: [Target, Expression][] = [];
    while (!stream.is("block_end")) {
      if (assignments.length > 0) stream.expect("operator", ",");
      const target = this.#target(null);
      stream.expect("operator", "=");
      assignments.push([target, parseExpression(stream)]);
    }
    return { kind: "with", assignments, body: this.#block("endwith")[0] };
  }

  #call(): Statement {
    const parameters = this.#stream.is("operator", "(") ? this.#signature() : [];
    const call = parseExpression(this.#stream);
    if (call.kind !== "call") throw this.#stream.fail("expected a call");
    return { kind: "call", call, macro: this.#macro(null, parameters, "endcall") };
  }

  #macro(name: string | null, parameters: Parameter[], end: string): MacroBody {
    const [body] = this.#within(0, end);
    const used = names(body);
    const takes = { varargs: used.has("varargs"), kwargs: used.has("kwargs"), caller: used.has("caller") };
    return { name, parameters, body, takes };
  }

  #signature(): Parameter[] {
    const stream = this.#stream;
    const parameters: Parameter[] = [];
    stream.expect("operator", "(");
    while (!stream.skip("operator", ")")) {
      if (parameters.length > 0) stream.expect("operator", ",");
      const name = stream.expect("name").text;
      const missing = stream.skip("operator", "=") ? parseExpression(stream) : null;
      if (!missing && parameters.at(-1)?.missing) throw stream.fail("non-default argument follows default argument");
      parameters.push({ name, missing });
    }
    return parameters;
  }

  /** What is assigned to: a name, a namespace's member or several of them. */
  #target(end: string | null): Target {
    const stream = this.#stream;
    const items: Target[] = [];
    let tuple = false;
    while (true) {
      if (items.length > 0) stream.expect("operator", ",");
      if (items.length > 0 && tupleEnds(stream, end)) break;
      items.push(this.#single());
      if (!stream.is("operator", ",")) break;
      tuple = true;
    }
    return tuple ? { kind: "tuple", items } : items[0];
  }

  #single(): Target {
    const stream = this.#stream;
    if (stream.skip("operator", "(")) {
      const inner = this.#target(null);
      stream.expect("operator", ")");
      return inner;
    }
    const name = stream.expect("name").text;
    if (isConstant(name)) throw stream.fail(`can't assign to "${name}"`);
    if (!stream.skip("operator", ".")) return { kind: "name", name };
    return { kind: "member", of: name, name: stream.expect("name").text };
  }
}

/** Tags of jinja2 that need other files or are for web pages. */
const UNSUPPORTED = new Set(["extends", "include", "import", "from", "block", "autoescape"]);
