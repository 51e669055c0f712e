import { badArgument } from "../base/errors.ts";
import { KEEP_ALL, keyOf, real, refuse, whole } from "./options.ts";
import type { Recipe, Trained } from "./policy.ts";

/** The gates of a model, or an error that says how to get some. */
export function gatesOf(policy: string, model: Trained): NonNullable<Trained["dms"]> {
  if (model.dms) return model.dms;
  throw badArgument(
    `policy ${policy} needs gates: expected a checkpoint with dms_* keys or --adapter DIR, got a model without; use another policy`,
  );
}

/**
 * Dynamic Memory Sparsification (arXiv 2506.05345): a learned gate per KV head dooms a key, and the eviction takes
 * effect one window later. Key i is visible to query q iff q >= i and not (z[i + 1] > threshold and q - i > window).
 */
export const dms: Recipe = {
  name: "dms",
  summary: "learned gates evict a key one window after it came (needs a DMS checkpoint or adapter)",
  paper: "https://arxiv.org/abs/2506.05345",
  watches: "the model's gate",
  acts: "every token, one window later",
  budgets: ["threshold"],
  settings: {
    cr: "what the checkpoint was trained for; 1 turns the gates off",
    threshold: "0; higher evicts less",
    window: "the checkpoint's; 0 evicts at once",
    prefill: "sparse",
    protect: "none",
  },
  make(model, options) {
    const trained = gatesOf("dms", model);
    if (options.cr !== undefined && options.cr !== 1 && options.cr !== trained.cr) {
      const own =
        trained.cr === 1
          ? "--threshold 0 in place of a ratio (these gates achieved less than 1.5)"
          : `--cr ${trained.cr} (what this checkpoint was trained for)`;
      throw refuse("dms", `${own} or 1 (gates off); dms:threshold=-1 and the like move it`, options.cr);
    }
    if (options.cr === 1) return { ...KEEP_ALL, name: "dms", key: "dms off" };
    const threshold = real("dms", options, "threshold", 0);
    const window = whole("dms", options, "window", trained.window);
    const prefill = options.prefill ?? "sparse";
    return {
      ...KEEP_ALL,
      name: "dms",
      key: keyOf("dms", { window, threshold, prefill }),
      prefill,
      labels: { source: "dms", threshold, window, protect: 0 },
    };
  },
};
