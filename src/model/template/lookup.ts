import { orElse } from "./arguments.ts";
import { type Budget, TemplateError } from "./budget.ts";
import { builtIn } from "./methods.ts";
import { defined, subscript } from "./operators.ts";
import { repr } from "./show.ts";
import { Attributes, typeName, Undefined, type Value } from "./value.ts";

/** `value.name`: the attribute, else the item. Names that begin with "_" lead nowhere but to items. */
export function attribute(value: Value, name: string, budget: Budget): Value {
  budget.step();
  defined(value);
  const own = ownAttribute(value, name, budget);
  return own instanceof Undefined ? orElse(subscript(value, name, budget), own) : own;
}

/** `value[key]`: the item, else the attribute. */
export function item(value: Value, key: Value, budget: Budget): Value {
  budget.step();
  defined(value);
  const found = subscript(value, key, budget);
  if (found !== undefined) return found;
  if (typeof key === "string") return ownAttribute(value, key, budget);
  return new Undefined(
    `${described(value)} has no element ${key instanceof Undefined ? "Undefined" : repr(key, budget)}`,
  );
}

/** An attribute, not an item. */
export function ownAttribute(value: Value, name: string, budget: Budget): Value {
  defined(value);
  const found = value instanceof Attributes ? value.attribute(name) : builtIn(value, name, budget);
  return orElse(found, absent(value, name));
}

function absent(value: Value, name: string): Undefined {
  return new Undefined(`'${described(value)}' has no attribute '${name}'`);
}

const described = (value: Value): string => (value === null ? "None" : `${typeName(value)} object`);

/** An attribute by a path such as "function.name" or "items.0", as the filters take it. */
export function path(value: Value, where: Value, budget: Budget): Value {
  if (typeof where === "number") return item(value, where, budget);
  if (typeof where !== "string") throw new TemplateError(`an attribute's name is a ${typeName(where)}; expected str`);
  return where
    .split(".")
    .reduce<Value>((at, part) => item(at, /^\d+$/.test(part) ? Number(part) : part, budget), value);
}
