import { asCount, asText, bind, orElse } from "./arguments.ts";
import { type Budget, MOST_RANGE, TemplateError, TemplateLimit } from "./budget.ts";
import { iterate } from "./operators.ts";
import { Scope } from "./run.ts";
import { str } from "./show.ts";
import { strftime } from "./strftime.ts";
import { type Arguments, Callable, Dict, Namespace, Range, Tuple, type Value } from "./value.ts";

/** What every template can call, as transformers sets it up. `now` is what strftime_now formats. */
export function globals(now: Date, budget: Budget): Scope {
  const scope = new Scope(null);
  const define = (name: string, call: (given: Arguments) => Value) => scope.set(name, new Callable(name, call));
  define("range", range);
  define("dict", (given) => entries(given, budget));
  define("namespace", (given) => {
    const namespace = new Namespace();
    for (const {
      items: [name, value],
    } of entries(given, budget).items())
      namespace.values.set(str(name, budget), value);
    return namespace;
  });
  define("joiner", (given) => {
    const [separator] = bind("joiner", given, ["sep"]);
    let used = false;
    return new Callable("joiner", () => {
      const text = used ? orElse(separator, ", ") : "";
      used = true;
      return text;
    });
  });
  define("raise_exception", (given) => {
    throw new TemplateError(str(bind("raise_exception", given, ["message"], 1)[0] as Value, budget));
  });
  define("strftime_now", (given) =>
    strftime(now, asText("strftime_now", bind("strftime_now", given, ["format"], 1)[0])),
  );
  for (const name of ["cycler", "lipsum"])
    define(name, () => {
      throw new TemplateError(`${name}() is not supported`);
    });
  return scope;
}

function range({ positional, named }: Arguments): Value {
  if (named.size > 0 || positional.length < 1 || positional.length > 3)
    throw new TemplateError("range expected 1 to 3 arguments without names");
  const [first, second, third] = positional.map((value) => asCount("range", value, 0));
  const step = third ?? 1;
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const made = second === undefined ? new Range(0, first, 1) : new Range(first, second, step);
  if (made.length > MOST_RANGE)
    throw new TemplateLimit(`it asked for a range of ${made.length}; expected at most ${MOST_RANGE}`);
  return made;
}

/** dict(...) of a dict or of pairs, and of named arguments. */
function entries({ positional, named }: Arguments, budget: Budget): Dict {
  const dict = new Dict();
  const [source] = positional;
  if (positional.length > 1) throw new TemplateError(`dict expected at most 1 argument, got ${positional.length}`);
  const pairs = source instanceof Dict ? source.items() : source === undefined ? [] : iterate(source, budget);
  for (const pair of pairs) {
    const parts: readonly Value[] = pair instanceof Tuple ? pair.items : Array.isArray(pair) ? pair : [];
    if (parts.length !== 2) throw new TemplateError("dict: expected pairs of a key and a value");
    budget.entries(1);
    dict.set(parts[0], parts[1]);
  }
  for (const [name, value] of named) dict.set(name, value);
  return dict;
}
