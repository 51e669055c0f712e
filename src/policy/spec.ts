import { badArgument } from "../base/errors.ts";
import type { PolicyOptions } from "./policy.ts";

/** A policy in one word: `name` or `name:setting=value,...`, as in `snapkv:cr=4,window=32`. */
export interface Spec {
  name: string;
  options: PolicyOptions;
}

/** Settings that are words, and the words they take besides numbers. */
const WORDS: Partial<Record<keyof PolicyOptions, readonly string[]>> = {
  prefill: ["sparse", "dense"],
  positions: ["original", "cache"],
  protect: ["prompt", "system"],
};
const NUMBERS: readonly (keyof PolicyOptions)[] = [
  "cr",
  "budget",
  "threshold",
  "window",
  "sinks",
  "recent",
  "kernel",
  "every",
  "buffer",
  "lambda",
  "future",
  "epsilon",
  "seed",
  "early",
  "late",
  "large",
  "protect",
  "ada",
  "pyramid",
];

/** Throws `bad-argument` for what is no setting or no value of it; whether a policy takes it is the policy's to say. */
export function parseSpec(text: string): Spec {
  const at = text.indexOf(":");
  const name = (at < 0 ? text : text.slice(0, at)).trim();
  const options: Record<string, string | number> = {};
  for (const part of at < 0 ? [] : text.slice(at + 1).split(",")) {
    const [key, value, more] = part.split("=").map((word) => word.trim());
    const words = Object.hasOwn(WORDS, key) ? WORDS[key as keyof PolicyOptions] : undefined;
    const numeric = NUMBERS.includes(key as keyof PolicyOptions);
    if (key && value && !(words || numeric))
      throw badArgument(
        `policy "${text}": no policy has a setting "${key}": expected one of ${[...new Set([...NUMBERS, ...Object.keys(WORDS)])].join(", ")}`,
      );
    if (!value || more !== undefined || !(words || numeric))
      throw badArgument(
        `policy "${text}": expected name:setting=value,... with settings such as cr=4 or window=32, got "${part}"`,
      );
    if (Object.hasOwn(options, key)) throw badArgument(`policy "${text}": expected ${key} once, got it twice`);
    if (words?.includes(value)) options[key] = value;
    else if (numeric && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) options[key] = Number(value);
    else
      throw badArgument(
        `policy "${text}": expected ${key} to be ${[...(words ?? []), ...(numeric ? ["a number"] : [])].join(" or ")}, got "${value}"`,
      );
  }
  return { name, options };
}

/** A spec with one more setting. */
export const withSetting = (spec: string, name: string, value: string | number): string =>
  `${spec}${spec.includes(":") ? "," : ":"}${name}=${value}`;

/** A policy without what sets its budget: one line of a plot. Any text will do. */
export function familyOf(text: string): string {
  const [name, ...settings] = text.split(/[:,]/);
  const others = settings.filter((setting) => setting && !/^\s*(cr|budget|threshold)\s*=/.test(setting));
  return others.length ? `${name}:${others.join(",")}` : name;
}
