import { bind } from "./arguments.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { equals, iterate, sizeOf } from "./operators.ts";
import { Callable, Iter, Tuple, Undefined, type Value } from "./value.ts";

/** The variable `loop`. It reads one item ahead only when asked for what comes: a loop may change what it goes over. */
export class LoopContext extends Callable {
  override readonly type = "LoopContext";
  readonly #over: Value;
  readonly #budget: Budget;
  readonly #depth: number;
  #items: Iterator<Value>;
  #next: IteratorResult<Value> | null = null;
  #length: number | null = null;
  #index = -1;
  #before: Value = null;
  #current: Value = null;
  #changed: Tuple | null = null;

  /** `recurse` runs the loop again over other items, one level deeper. */
  constructor(over: Value, depth: number, recurse: ((over: Value, depth: number) => Value) | null, budget: Budget) {
    super("loop", (given) => {
      if (!recurse) throw new TemplateError("The loop must have the 'recursive' marker to be called recursively.");
      return recurse(bind("loop", given, ["iterable"], 1)[0] as Value, depth + 1);
    });
    this.#over = over;
    this.#budget = budget;
    this.#depth = depth;
    this.#items = iterate(over, budget)[Symbol.iterator]();
  }

  /** The next item, or undefined at the end. */
  advance(): Value | undefined {
    const { done, value } = this.#peek();
    this.#next = null;
    if (done) return undefined;
    this.#index++;
    this.#before = this.#current;
    this.#current = value;
    return value;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case "index":
        return this.#index + 1;
      case "index0":
        return this.#index;
      case "first":
        return this.#index === 0;
      case "last":
        return this.#peek().done === true;
      case "length":
        return this.#size();
      case "revindex":
        return this.#size() - this.#index;
      case "revindex0":
        return this.#size() - this.#index - 1;
      case "depth":
        return this.#depth + 1;
      case "depth0":
        return this.#depth;
      case "previtem":
        return this.#index === 0 ? new Undefined("there is no previous item") : this.#before;
      case "nextitem": {
        const { done, value } = this.#peek();
        return done ? new Undefined("there is no next item") : value;
      }
      case "cycle":
        return new Callable("loop.cycle", ({ positional }) => {
          if (positional.length === 0) throw new TemplateError("no items for cycling given");
          return positional[this.#index % positional.length];
        });
      case "changed":
        return new Callable("loop.changed", ({ positional }) => {
          const now = new Tuple(positional);
          const same = this.#changed !== null && equals(this.#changed, now, this.#budget);
          this.#changed = now;
          return !same;
        });
      default:
        return undefined;
    }
  }

  #peek(): IteratorResult<Value> {
    this.#next ??= this.#items.next();
    return this.#next;
  }

  #size(): number {
    if (this.#length !== null) return this.#length;
    const size = sizeOf(this.#over, this.#budget);
    if (size !== null) {
      this.#length = size;
      return size;
    }
    const rest: Value[] = [];
    for (const item of new Iter({ [Symbol.iterator]: () => this.#items })) {
      this.#budget.entries(1);
      rest.push(item);
    }
    this.#items = rest[Symbol.iterator]();
    this.#length = this.#index + 1 + rest.length + (this.#next && !this.#next.done ? 1 : 0);
    return this.#length;
  }
}
