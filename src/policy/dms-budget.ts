import { gatesOf } from "./dms.ts";
import { budgetOf, KEEP_ALL, keyOf, refuse, sizeKey, WATCH_NOTHING, whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

/**
 * DMS gates under a hard capacity C a lane: when C keys live, those with the lowest decision logit z[i + shift] stay, B
 * of them, and the newest window + 1. `budget` is what a cut leaves, B + window + 1; C = budget + buffer.
 */
export const dmsBudget: Recipe = {
  name: "dms-budget",
  summary: "a hard capacity a lane: when it is full, one cut by the learned gates (needs a DMS checkpoint or adapter)",
  paper: "https://arxiv.org/abs/2506.05345",
  watches: "the model's gate",
  acts: "when a lane is full",
  budgets: ["budget", "cr"],
  settings: {
    window: "the checkpoint's",
    buffer: "half of a budget in keys, at least 16; with a cr 16",
    protect: "none",
  },
  note:
    "A cut leaves `budget` keys: the newest window + 1 and the best others by gate. A lane never holds more than budget + buffer keys " +
    "while decoding, or budget + buffer + one chunk in the prompt. In the prompt it cuts where chunks end, so what stays depends on --chunk.",
  make(model, options) {
    const trained = gatesOf("dms-budget", model);
    const window = whole("dms-budget", options, "window", trained.window);
    const keys = budgetOf("dms-budget", options, "tokens");
    if (options.budget !== undefined && options.budget < window + 2)
      throw refuse("dms-budget", `a budget of at least window + 2 = ${window + 2} keys`, options.budget);
    const buffer = options.buffer === undefined ? undefined : whole("dms-budget", options, "buffer", 1, 1);
    const slack = buffer ?? Math.max(16, Math.floor((options.budget ?? 0) / 2));
    return {
      ...KEEP_ALL,
      name: "dms-budget",
      key: keyOf("dms-budget", { ...sizeKey(options), window, buffer: slack }),
      prefill: "chunks",
      cut: {
        watch: { ...WATCH_NOTHING, gates: true },
        atPrompt: [],
        decode: { every: 1, score: [] },
        rule: { slack, recent: window + 1, share: "lane", floor: 0, replace: false },
        budget: (lane) => Math.max(window + 2, keys(lane)),
        protect: 0,
      },
    };
  },
};
