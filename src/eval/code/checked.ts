import type { z } from "zod";
import { badFile } from "../../base/errors.ts";

/** A value of this shape. Throws `bad-file` with where the first fault is, else with what was `expected`. */
export function checked<T>(shape: z.ZodType<T>, value: unknown, what: string, expected: string): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw badFile(`${what}: ${path.join(".") || `expected ${expected}`}: ${message}`);
}
