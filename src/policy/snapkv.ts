import { ONCE_SETTINGS, once } from "./once.ts";
import { MOST_QUERIES, odd, refuse, whole } from "./options.ts";
import type { Policy, PolicyOptions, Recipe } from "./policy.ts";

/**
 * SnapKV (arXiv 2404.14469): keeps the last w keys, and the best others by the attention of the last w queries:
 * softmax over the whole row, mean over queries, average pooling of width `kernel` along tokens (zeros beyond the
 * ends, counted), mean over the group.
 */
export const snapkv: Recipe = {
  name: "snapkv",
  summary: "keeps the keys that the last queries attend to, pooled along tokens",
  paper: "https://arxiv.org/abs/2404.14469",
  watches: "the last queries",
  acts: "at the prompt's end; with `every`, while decoding too (SnapKV-D)",
  budgets: ["budget", "cr"],
  settings: { window: "32", kernel: "5", ...ONCE_SETTINGS },
  make: (_model, options) => makeSnapkv("snapkv", options),
};

/** SnapKV under the name of a policy that builds on it. */
export function makeSnapkv(name: string, options: PolicyOptions): Policy {
  const window = whole(name, options, "window", 32, 1, MOST_QUERIES);
  const kernel = odd(name, options, 5);
  if (options.budget !== undefined && options.budget < window)
    throw refuse(name, `a budget of at least its window of ${window} keys (or a smaller window)`, options.budget);
  return once(
    name,
    options,
    [{ kind: "attention", queries: window, over: "all", group: "mean", smooth: "mean", kernel }],
    { watch: { queries: window }, recent: window, settings: { window, kernel } },
  );
}
