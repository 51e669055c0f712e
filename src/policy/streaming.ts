import { budgetOf, KEEP_ALL, keyOf, refuse, whole } from "./options.ts";
import type { PolicyOptions, Recipe } from "./policy.ts";

const DEFAULT_RECENT = 512;

function recentOf(options: PolicyOptions, sinks: number): number {
  if (options.recent !== undefined && (options.budget ?? options.cr) !== undefined)
    throw refuse(
      "streaming",
      "recent or a budget, not both",
      `recent=${options.recent} and ${options.budget === undefined ? "a cr" : "a budget"}`,
    );
  if (options.budget === undefined && options.cr === undefined)
    return whole("streaming", options, "recent", DEFAULT_RECENT, 1);
  if (options.budget === undefined && options.tokens === undefined)
    throw refuse(
      "streaming",
      "--budget KEYS, as the number of tokens that --cr is a share of is not known here",
      `cr ${options.cr}`,
    );
  const { tokens = 0 } = options;
  const budget = budgetOf(
    "streaming",
    options,
    "tokens",
  )({ layer: 0, head: 0, layers: 1, kvHeads: 1, prompt: tokens, tokens });
  const recent = Math.floor(budget) - sinks;
  if (recent < 1) throw refuse("streaming", `a budget above its ${sinks} sinks`, budget);
  return recent;
}

/**
 * StreamingLLM (arXiv 2309.17453): live(t) = the first `sinks` keys and the last `recent`, the newest
 * included. Every later key is labelled, so lanes are append-only. Positions `cache`: a recent key keeps its
 * rotation (offsets are equal), a sink is attended with a second copy of the query, rotated to the number of
 * live keys - 1; keys are never rotated again.
 */
export const streaming: Recipe = {
  name: "streaming",
  summary: "keeps the first keys (sinks) and the most recent ones",
  paper: "https://arxiv.org/abs/2309.17453",
  watches: "nothing",
  acts: "every token",
  budgets: ["budget", "cr"],
  settings: {
    sinks: "4",
    recent: `${DEFAULT_RECENT}, or budget - sinks`,
    positions: "original, or cache (the authors': positions in the cache)",
    prefill: "dense, or sparse (original positions only)",
  },
  make(_model, options) {
    const sinks = whole("streaming", options, "sinks", 4);
    const recent = recentOf(options, sinks);
    const prefill = options.prefill ?? "dense";
    const positions = options.positions ?? "original";
    if (positions === "cache" && prefill === "sparse")
      throw refuse("streaming", "prefill dense with positions in the cache", "sparse");
    return {
      ...KEEP_ALL,
      name: "streaming",
      key: keyOf("streaming", { sinks, recent, positions, prefill }),
      prefill,
      labels: { source: "all", threshold: 0, window: recent - 1, protect: sinks },
      reads: positions === "cache" ? { archivePosition: sinks + recent - 1, pages: null } : null,
    };
  },
};
