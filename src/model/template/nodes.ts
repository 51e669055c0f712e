// What a template is parsed to.
import type { Operator } from "./arithmetic.ts";
import type { Value } from "./value.ts";

export interface Given {
  positional: Expression[];
  named: [string, Expression][];
  /** *list and **dict. */
  list: Expression | null;
  dict: Expression | null;
}

export type Expression =
  | { kind: "const"; value: Value }
  | { kind: "name"; name: string }
  | { kind: "list" | "tuple"; items: Expression[] }
  | { kind: "dict"; pairs: [Expression, Expression][] }
  | { kind: "attribute"; of: Expression; name: string }
  | { kind: "item"; of: Expression; key: Expression }
  | { kind: "slice"; of: Expression; start: Expression | null; stop: Expression | null; step: Expression | null }
  | { kind: "call"; of: Expression; given: Given }
  /** Without `of` it filters what its block prints. */
  | { kind: "filter"; of: Expression | null; name: string; given: Given }
  | { kind: "test"; of: Expression; name: string; given: Given }
  | { kind: "not"; of: Expression }
  | { kind: "and" | "or"; left: Expression; right: Expression }
  | { kind: "compare"; first: Expression; rest: [string, Expression][] }
  | { kind: "concat"; items: Expression[] }
  | { kind: "arithmetic"; operator: Operator; left: Expression; right: Expression }
  | { kind: "signed"; sign: "-" | "+"; of: Expression }
  | { kind: "condition"; test: Expression; yes: Expression; no: Expression | null };

export type Target =
  | { kind: "name"; name: string }
  | { kind: "tuple"; items: Target[] }
  | { kind: "member"; of: string; name: string };

export interface Parameter {
  name: string;
  missing: Expression | null;
}

export interface MacroBody {
  /** Null for the body of a call block. */
  name: string | null;
  parameters: Parameter[];
  body: Statement[];
  /** Whether the body names the variables that take what no parameter does. */
  takes: { varargs: boolean; kwargs: boolean; caller: boolean };
}

export interface Loop {
  kind: "for";
  target: Target;
  over: Expression;
  filter: Expression | null;
  recursive: boolean;
  body: Statement[];
  otherwise: Statement[];
}

export type Statement =
  | { kind: "text"; text: string }
  | { kind: "print"; value: Expression }
  | Loop
  | { kind: "if"; branches: { test: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | { kind: "set"; target: Target; value: Expression }
  | { kind: "set-block"; target: Target; filter: Expression | null; body: Statement[] }
  | { kind: "with"; assignments: [Target, Expression][]; body: Statement[] }
  | { kind: "macro"; macro: MacroBody }
  | { kind: "call"; call: Expression & { kind: "call" }; macro: MacroBody }
  | { kind: "filter-block"; filter: Expression; body: Statement[] }
  /** What the model wrote: a macro that is called where it stands, as in transformers. */
  | { kind: "generation"; macro: MacroBody }
  | { kind: "break" | "continue" };
