import { Float } from "./value.ts";

/**
 * JSON for a template's variables: 1.0 is a float and prints so, and long integers keep their digits. Throws
 * a SyntaxError where it is not JSON.
 */
export function exactJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined) return value;
    if (/[.eE]/.test(source)) return new Float(value);
    return Number.isSafeInteger(value) ? value : BigInt(source);
  });
}
