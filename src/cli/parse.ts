import { InvalidArgumentError } from "commander";
import { type KvFormat, PAGE_FORMATS, WEIGHT_FORMATS, type WeightFormat } from "../device/device.ts";
import type { Thinking } from "../request/thinking.ts";
import { isScalingBudget, type ScalingBudget, scalingBudget } from "../scale/budget.ts";

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

export const weightFormat = choice(...(Object.keys(WEIGHT_FORMATS) as WeightFormat[]));
export const kvFormat = choice(...(Object.keys(PAGE_FORMATS) as KvFormat[]));

export const protectable = (text: string): number | "prompt" | "system" =>
  text === "prompt" || text === "system" ? text : whole(text);

/** Keys a lane, or LENGTH-WIDTH-CR. */
export function budget(text: string): number | ScalingBudget {
  if (!isScalingBudget(text)) return whole(text);
  if (text.includes(","))
    throw refuse("one LENGTH-WIDTH-CR, as this runs one (`hyperthink eval` takes lists of them)", text);
  return scalingBudget(text);
}

export const wholes = (text: string, before: number[] = []): number[] => [...before, whole(text)];

/** "256,512": each a whole number. */
export const wholeList = (text: string): number[] => text.split(",").map(whole);

/** "a,b": some of these names, each once. */
export const listOf =
  <T extends string>(...names: T[]) =>
  (text: string): T[] => [...new Set(text.split(",").map((part) => choice(...names)(part.trim())))];

export const texts = (text: string, before: string[] = []): string[] => [...before, text];

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t", "\\": "\\" };

/**
 * Stop texts, with the escapes \n, \r, \t, \\, \uXXXX and \u{X...}; a backslash before
 * anything else is itself, as in \boxed.
 */
export const stopTexts = (text: string, before: string[] = []): string[] => [...before, escaped(text)];

/** A text with these escapes. */
export function escaped(text: string): string {
  const pattern = /\\(?:([nrt\\])|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\})/g;
  return text.replaceAll(pattern, (written, letter, unit, point) => {
    if (letter !== undefined) return ESCAPES[letter];
    const code = Number.parseInt(unit ?? point, 16);
    if (code > 0x10ffff) throw refuse("a character up to \\u{10FFFF}", written);
    // Two units may be the halves of one character.
    return unit === undefined ? String.fromCodePoint(code) : String.fromCharCode(code);
  });
}

/** What the program itself hands to a template: setting it would be ignored, or break the prompt. */
const OWN_VARIABLES = ["messages", "add_generation_prompt", "addGenerationPrompt"];
const PYTHON: Record<string, string> = { True: "true", False: "false", None: "null" };

/** name=value of a chat template: the value is JSON, or else text. */
export function variables(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw refuse("name=value such as enable_thinking=false", text);
  if (OWN_VARIABLES.includes(name)) throw refuse("a variable that the program does not set itself", text);
  // As text they would all be true to a template.
  if (Object.hasOwn(PYTHON, value)) throw refuse(`${name}=${PYTHON[value]} (JSON)`, text);
  let read: unknown = value;
  try {
    read = JSON.parse(value);
  } catch {} // text
  return { ...before, [name]: read };
}

/** Tags around a reply's thinking, or "none" (commander would make an empty text of null). */
export function thinkingTags(text: string): Thinking | "none" {
  if (text === "none") return text;
  const [open, close, more] = text.split(",");
  if (!open || !close || more !== undefined) throw refuse('two tags such as "<think>,</think>", or none', text);
  return { open, close };
}
