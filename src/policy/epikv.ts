import { badArgument } from "../base/errors.ts";
import { budgetOf, KEEP_ALL, keyOf, refuse, sizeKey, WATCH_NOTHING, whole } from "./options.ts";
import type { PolicyOptions, Recipe } from "./policy.ts";

/** Layers after which the authors look, of a model of 32. */
const [EARLY, LATE, OF] = [11, 22, 32];
const MOST_RECENT = 128;

/** At most a quarter of the budget, as the authors have it; what one cr is of must be known for that. */
function recentOf(options: PolicyOptions, budget: ReturnType<typeof budgetOf>): number {
  if (options.recent !== undefined) return whole("epikv", options, "recent", MOST_RECENT, 1);
  if (options.budget === undefined && options.tokens === undefined)
    throw refuse(
      "epikv",
      "--budget KEYS or recent, as the number of tokens that --cr is a share of is not known here",
      `cr ${options.cr}`,
    );
  const { tokens = 0 } = options;
  const keys = budget({ layer: 0, head: 0, layers: 1, kvHeads: 1, prompt: tokens, tokens });
  return Math.max(1, Math.min(MOST_RECENT, Math.floor(keys / 4)));
}

/**
 * EpiKV (arXiv 2606.26472), its form Flat: keeps the prompt, the `recent` newest keys and the others of the highest
 * epiphany score, z_early(t) - z_late(t), one for all layers and heads: the hidden state after a layer moves by c(t) =
 * ||h(t) - h(t - 1)||, and z(t) = (c(t) - mean) / (deviation + 1e-6) over the last `window` decoded tokens.
 */
export const epikv: Recipe = {
  name: "epikv",
  summary: "keeps the keys that came as the model's hidden state changed, by no attention scores (EpiKV-Flat)",
  paper: "https://arxiv.org/abs/2606.26472",
  watches: "changes of the hidden state after two layers",
  acts: "every token while decoding; never in the prompt",
  budgets: ["budget", "cr"],
  settings: {
    early: "11 of 32 layers, of other models in proportion; after so many a change counts for a key",
    late: "22 of 32; after so many it counts against it",
    window: "64; decoded tokens that a change is compared with, its own among them",
    recent: `${MOST_RECENT}, or a quarter of the budget where that is less`,
  },
  note:
    "From the authors' code (github.com/stevenkolawole/epiphany-kv-cache, DetrendendHSVarianceEviction); of the paper's text " +
    "only the abstract was found, whose 72% on MATH-500 are this form's. The whole prompt stays and counts against the " +
    "budget, which must be larger. The authors chose the two layers (there 10 and 21, counted from 0) for one model of 32, " +
    "DeepSeek-R1-Distill-Llama-8B; what holds for others was not found, so proportion is an assumption. Where recent keys " +
    "and the prompt exceed the budget, all of them stay (there some recent ones go). The forms over segments of a text " +
    "(EpiKV-Seg) and over keys and values (Lag-KV) are not built.",
  make(model, options) {
    const early = whole("epikv", options, "early", Math.floor((model.layers * EARLY) / OF));
    const late = whole("epikv", options, "late", Math.floor((model.layers * LATE) / OF));
    if (early >= late || late >= model.layers)
      throw badArgument(
        `policy epikv: expected early < late < ${model.layers}, the model's layers, got early=${early} and late=${late}`,
      );
    const window = whole("epikv", options, "window", 64, 2);
    const budget = budgetOf("epikv", options, "tokens");
    const recent = recentOf(options, budget);
    if (options.budget !== undefined && recent >= options.budget)
      throw refuse("epikv", `recent below the budget of ${options.budget}`, recent);
    return {
      ...KEEP_ALL,
      name: "epikv",
      key: keyOf("epikv", { ...sizeKey(options), early, late, window, recent }),
      cut: {
        watch: { ...WATCH_NOTHING, changes: { early, late, window } },
        atPrompt: null,
        decode: { every: 1, score: [{ kind: "change" }] },
        rule: { slack: 1, recent, share: "lane", floor: 0, replace: true },
        budget,
        protect: "prompt",
      },
    };
  },
};
