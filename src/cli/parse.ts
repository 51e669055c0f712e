import { InvalidArgumentError } from "commander";

const refuse = (expected: string, text: string) => new InvalidArgumentError(`expected ${expected}, got "${text}"`);

/** A decimal number; "NaN", "" and "0x10" are refused. */
export function number(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim())) throw refuse("a number", text);
  return Number(text);
}

export function whole(text: string): number {
  const value = number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw refuse("a whole number >= 0", text);
  return value;
}

const UNITS: Record<string, number> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes: "2GiB", "512MiB", "1.5G", or a plain number of bytes. Units are powers of 1024. */
export function bytes(text: string): number {
  const match = /^(\d+\.?\d*|\.\d+)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) throw refuse("a size such as 2GiB or 512MiB", text);
  const value = Math.floor(Number(match[1]) * UNITS[match[2].toLowerCase()]);
  if (!(value > 0 && Number.isSafeInteger(value))) throw refuse("a size above 0", text);
  return value;
}

export const choice =
  <T extends string>(...names: T[]) =>
  (text: string): T => {
    if (!names.includes(text as T)) throw refuse(names.join(" or "), text);
    return text as T;
  };

export const protectable = (text: string): number | "prompt" | "system" =>
  text === "prompt" || text === "system" ? text : whole(text);

export const collect = (text: string, before: string[] = []): string[] => [...before, text];
