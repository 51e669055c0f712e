// Shared words of the recipes: checked settings, budgets, and parts that most policies leave at nothing.
import { badArgument, type HyperthinkError } from "../base/errors.ts";
import type { LaneInfo, Policy, PolicyOptions, Watch } from "./policy.ts";

export const WATCH_NOTHING: Watch = {
  queries: 0,
  sums: false,
  row: "none",
  gates: false,
  moments: null,
  changes: null,
  further: null,
};

export const refuse = (policy: string, expected: string, got: unknown): HyperthinkError =>
  badArgument(`policy ${policy}: expected ${expected}, got ${got}`);

/** A whole setting of at least `least`, or its default. */
export function whole(
  policy: string,
  options: PolicyOptions,
  name: keyof PolicyOptions,
  fallback: number,
  least = 0,
  most = 1 << 24,
): number {
  const value = options[name] ?? fallback;
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw refuse(policy, `${name} to be a whole number from ${least} to ${most}`, value);
  return value;
}

export function real(
  policy: string,
  options: PolicyOptions,
  name: keyof PolicyOptions,
  fallback: number,
  least = -1e30,
  most = 1e30,
): number {
  const value = options[name] ?? fallback;
  if (typeof value !== "number" || !(value >= least && value <= most))
    throw refuse(policy, `${name} to be a number from ${least} to ${most}`, value);
  return value;
}

export function odd(policy: string, options: PolicyOptions, fallback: number): number {
  const kernel = whole(policy, options, "kernel", fallback, 1, 1023);
  if (kernel % 2 === 0) throw refuse(policy, "an odd kernel", kernel);
  return kernel;
}

/**
 * Keys per lane: `budget`, or a share 1 / cr of the prompt (methods that cut once) or of prompt + max
 * tokens (methods that cut while decoding), never below 1. It is rounded down where a lane gets it, so
 * that at least the ratio is reached.
 */
export function budgetOf(policy: string, options: PolicyOptions, of: "prompt" | "tokens"): (lane: LaneInfo) => number {
  const { cr, budget } = options;
  if (cr !== undefined && budget !== undefined)
    throw refuse(policy, "a budget or a cr, not both", `budget=${budget} and cr=${cr}`);
  if (budget !== undefined) {
    if (!Number.isInteger(budget) || budget < 1) throw refuse(policy, "a budget of whole keys >= 1", budget);
    return () => budget;
  }
  if (cr === undefined)
    throw badArgument(`policy ${policy} needs a budget: expected --budget KEYS or --cr RATIO, got neither`);
  return (lane) => Math.max(1, lane[of] / cr);
}

/** Most last queries that rank: they are kept for each chain and layer. */
export const MOST_QUERIES = 1024;

/** Name and the settings that were made of the options. */
export const keyOf = (name: string, settings: Record<string, unknown>): string =>
  [name, ...Object.entries(settings).map(([k, v]) => `${k}=${v}`)].join(" ");

/** The settings of a budget, for a key. */
export const sizeKey = ({ cr, budget }: PolicyOptions): Record<string, unknown> =>
  budget !== undefined ? { budget } : cr !== undefined ? { cr } : {};

/** A policy that keeps everything, to be changed in what differs. */
export const KEEP_ALL: Omit<Policy, "name" | "key"> = { prefill: "dense", labels: null, cut: null, reads: null };
