import { budgetOf, KEEP_ALL, keyOf, sizeKey, WATCH_NOTHING, whole } from "./options.ts";
import type { Policy, PolicyOptions, Scorer, Watch } from "./policy.ts";

/**
 * The common form of methods that cut at the end of the prompt: rank, keep the best of a budget. `every` n applies them
 * again after every n decoded tokens, with a budget of prompt + max tokens (SnapKV's decode form and others).
 */
export function once(
  name: string,
  options: PolicyOptions,
  scorers: readonly Scorer[],
  parts: {
    watch?: Partial<Watch>;
    recent?: number;
    sinks?: number;
    share?: "lane" | "set";
    settings?: Record<string, unknown>;
  } = {},
): Policy {
  const every = whole(name, options, "every", 0);
  return {
    ...KEEP_ALL,
    name,
    key: keyOf(name, { ...sizeKey(options), ...parts.settings, every }),
    cut: {
      watch: { ...WATCH_NOTHING, ...parts.watch },
      atPrompt: scorers,
      decode: every > 0 ? { every, score: scorers } : null,
      rule: { slack: 1, recent: parts.recent ?? 0, share: parts.share ?? "lane", floor: 0, replace: false },
      budget: budgetOf(name, options, every > 0 ? "tokens" : "prompt"),
      protect: parts.sinks ?? 0,
    },
  };
}

/** What `once` takes besides a method's own settings. */
export const ONCE_SETTINGS = {
  every: "0: only at the prompt's end; n: again after every n decoded tokens",
  protect: "none",
  ada: "off; a share 0 to 1: a layer's heads share their budgets, each keeps this share of its own",
  pyramid: "off; beta, such as 20: budgets fall with depth",
} as const;

const { every: _, ...rest } = ONCE_SETTINGS;
/** The same for methods that have no rule while decoding. */
export const PROMPT_SETTINGS = rest;
