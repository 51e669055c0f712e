import { badFile } from "../../../base/errors.ts";
import { MOST_CHARACTERS } from "./limits.ts";
import type { Row } from "./rows.ts";

/** The field with the first of these names (in lower case) that a row has. */
const fieldOf = ({ fields }: Row, names: readonly string[]): unknown =>
  names.map((name) => fields.get(name)).find((value) => value !== undefined && value !== null);

/** A text of a row. Throws `bad-file` that names the row where it has none of these names, or something else there. */
export function textField(row: Row, ...names: string[]): string {
  const value = fieldOf(row, names);
  if (typeof value === "string" && value.trim() !== "" && value.length <= MOST_CHARACTERS) return value;
  const got = typeof value !== "string" ? kindOf(value) : value.trim() === "" ? "a blank one" : "too long a one";
  throw badFile(`${row.where}: expected a text in ${names.join(" or ")}, got ${got}`);
}

/** A text, or a number that JSON's readers keep exactly, as text. Throws as `textField` does. */
export function valueField(row: Row, ...names: string[]): string {
  const value = fieldOf(row, names);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  if (typeof value === "number" && Number.isFinite(value) && !Number.isInteger(value)) return String(value);
  return textField(row, ...names);
}

/** A list of texts. Throws as `textField` does. */
export function listField(row: Row, name: string): string[] {
  const value = fieldOf(row, [name]);
  if (Array.isArray(value) && value.every((part) => typeof part === "string" && part.length <= MOST_CHARACTERS))
    return value;
  throw badFile(`${row.where}: expected a list of texts in ${name}, got ${kindOf(value)}`);
}

/** A text or number, or null where the row has none of these names. */
export function optionalField(row: Row, ...names: string[]): string | null {
  const value = fieldOf(row, names);
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? String(value) : null;
}

const kindOf = (value: unknown): string =>
  value === undefined || value === null ? "none" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
