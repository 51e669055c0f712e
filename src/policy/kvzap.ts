import { badArgument } from "../base/errors.ts";
import { KEEP_ALL, keyOf, real, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * KVzap (arXiv 2601.07891): a probe of the attention input, linear or with one hidden layer, predicts
 * a key's score s per KV head; key i is visible to query q iff s_i >= threshold or q - i <= window.
 * The label is known when the key comes.
 */
export const kvzap: Recipe = {
  name: "kvzap",
  summary: "a probe of the hidden state scores each key; low ones leave after a window (needs --probe DIR)",
  paper: "https://arxiv.org/abs/2601.07891",
  watches: "the attention's input, by a probe",
  acts: "every token, one window later",
  budgets: ["threshold"],
  settings: {
    threshold: "-4; higher evicts more (Qwen3-8B: -3 to -6, Llama-3.1-8B: -6 to -9)",
    window: "128",
    prefill: "sparse",
    protect: "none",
  },
  make(model, options) {
    if (!model.probe)
      throw badArgument(
        "policy kvzap needs a probe: expected --probe DIR (a folder such as nvidia/KVzap-mlp-Qwen3-8B), got none",
      );
    const threshold = real("kvzap", options, "threshold", -4);
    const window = whole("kvzap", options, "window", 128);
    const prefill = options.prefill ?? "sparse";
    return {
      ...KEEP_ALL,
      name: "kvzap",
      key: keyOf("kvzap", { threshold, window, prefill }),
      prefill,
      // The probe's sign is turned where it is loaded, so that high means evict, as with a gate.
      labels: { source: "probe", threshold: -threshold, window, protect: 0 },
    };
  },
};
