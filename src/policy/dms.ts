import { HyperthinkError } from "../base/errors.ts";
import type { Policy, Recipe } from "./policy.ts";

/**
 * Dynamic Memory Sparsification (arXiv 2506.05345): a learned gate per KV head dooms a key, and the eviction takes effect one
 * window later. Key i is visible to query q iff q >= i and not (z[i + 1] > threshold and q - i > window).
 */
export const dms: Recipe = {
  name: "dms",
  summary: "learned gates evict a key one window after it came (needs a DMS checkpoint or adapter)",
  paper: "https://arxiv.org/abs/2506.05345",
  make(model, options): Policy {
    const trained = model.dms;
    if (!trained)
      throw new HyperthinkError(
        "bad-argument",
        "policy dms needs gates: expected a checkpoint with dms_* keys or --adapter DIR, got a model without; use --policy full or tova",
      );
    if (options.cr !== undefined && options.cr !== 1 && options.cr !== trained.cr)
      throw new HyperthinkError(
        "bad-argument",
        `policy dms: this checkpoint was trained for CR ${trained.cr}; expected --cr ${trained.cr} or 1 (gates off), got ${options.cr}`,
      );
    const window = options.window ?? trained.window;
    if (!Number.isInteger(window) || window < 0 || window > 1 << 24)
      throw new HyperthinkError("bad-argument", `policy dms: --window must be a whole number >= 0, got ${window}`);
    const off = options.cr === 1;
    return {
      name: "dms",
      key: off ? "dms off" : `dms window ${window}`,
      watches: off ? "nothing" : "gate",
      prefill: off ? "dense" : "sparse",
      labels: off ? null : { threshold: 0, window },
      cut: null,
    };
  },
};
