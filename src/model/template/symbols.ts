// Which variables begin as undefined in a scope, as jinja2's compiler decides it: a name that a scope sets, without a
// condition and before it reads it, is the scope's own from its beginning. What stands inside (a loop, a macro, a
// block) and reads the name before it is set finds nothing, even where the caller passed a variable of that name.
import type { Expression, MacroBody, Statement, Target } from "./nodes.ts";
import { names } from "./uses.ts";

/** Names by the body of the scope in which they begin as undefined. */
export type Symbols = ReadonlyMap<readonly Statement[], readonly string[]>;

export function symbolsOf(root: readonly Statement[]): Symbols {
  const symbols = new Map<readonly Statement[], readonly string[]>();
  analyse(root, new Frame(null), symbols);
  return symbols;
}

/** What is known of a scope's names. */
class Frame {
  readonly outer: Frame | null;
  readonly known = new Set<string>();
  readonly unset: string[] = [];

  constructor(outer: Frame | null) {
    this.outer = outer;
  }

  finds(name: string): boolean {
    for (let frame: Frame | null = this; frame; frame = frame.outer) if (frame.known.has(name)) return true;
    return false;
  }

  load(part: unknown): void {
    for (const name of names(part)) if (!this.finds(name)) this.known.add(name);
  }

  parameter(target: Target): void {
    if (target.kind === "name") this.known.add(target.name);
    else if (target.kind === "tuple") for (const item of target.items) this.parameter(item);
  }

  store(target: Target, conditional: boolean): void {
    if (target.kind === "tuple") for (const item of target.items) this.store(item, conditional);
    else if (target.kind === "member") this.load({ kind: "name", name: target.of });
    else {
      if (!conditional && !this.finds(target.name)) this.unset.push(target.name);
      this.known.add(target.name);
    }
  }
}

function analyse(
  body: readonly Statement[],
  frame: Frame,
  symbols: Map<readonly Statement[], readonly string[]>,
): void {
  // What is inside is looked at last: it knows all names of this scope.
  const inner: (() => void)[] = [];
  const scope = (part: readonly Statement[], begin: (made: Frame) => void = () => {}) =>
    inner.push(() => {
      const made = new Frame(frame);
      begin(made);
      analyse(part, made, symbols);
    });
  const macro = ({ parameters, takes, body: part }: MacroBody) =>
    scope(part, (made) => {
      for (const { name } of parameters) made.known.add(name);
      for (const [name, taken] of Object.entries(takes)) if (taken) made.known.add(name);
      for (const { missing } of parameters) made.load(missing);
    });

  const visit = (statements: readonly Statement[], conditional: boolean): void => {
    for (const statement of statements)
      switch (statement.kind) {
        case "print":
          frame.load(statement.value);
          break;
        case "if":
          for (const { test, body: branch } of statement.branches) {
            frame.load(test);
            visit(branch, true);
          }
          visit(statement.otherwise, true);
          break;
        case "set":
          frame.load(statement.value);
          frame.store(statement.target, conditional);
          break;
        case "set-block":
          frame.store(statement.target, conditional);
          scope(statement.body);
          break;
        case "for":
          frame.load(statement.over);
          scope(statement.body, (made) => {
            made.parameter(statement.target);
            made.known.add("loop");
          });
          scope(statement.otherwise);
          break;
        case "with":
          frame.load(statement.assignments.map(([, value]): Expression => value));
          scope(statement.body, (made) => {
            for (const [target] of statement.assignments) made.parameter(target);
          });
          break;
        case "macro":
          frame.store({ kind: "name", name: String(statement.macro.name) }, conditional);
          macro(statement.macro);
          break;
        case "call":
          frame.load(statement.call);
          macro(statement.macro);
          break;
        case "filter-block":
          frame.load(statement.filter);
          scope(statement.body, (made) => made.load(statement.filter));
          break;
        case "generation":
          macro(statement.macro);
          break;
      }
  };
  visit(body, false);
  if (frame.unset.length > 0) symbols.set(body, frame.unset);
  for (const look of inner) look();
}
