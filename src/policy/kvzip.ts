import { HyperthinkError } from "../base/errors.ts";
import { once } from "./once.ts";
import { whole } from "./options.ts";
import type { Recipe } from "./policy.ts";

const CHUNK = 2048;
/** Tokens of the chunk before that a later request quotes. */
const TAIL = 8;
/** How the model is asked, as the paper's authors do. */
export const REPLAY = {
  first: "\n\nRepeat the previous context exactly.",
  next: "\n\nRepeat the part of the previous context exactly, starting with",
};

/**
 * KVzip (arXiv 2505.23416): the model repeats its prompt, and a key's score is the greatest probability that a query of the replay gives it
 * (softmax over sinks, the chunk's keys and the replay). The best of all layers and heads stay, so lanes are ragged.
 */
export const kvzip: Recipe = {
  name: "kvzip",
  summary: "keeps the keys that the model needs to repeat its prompt, over all layers and heads",
  paper: "https://arxiv.org/abs/2505.23416",
  watches: "a replay of the prompt",
  acts: "at the prompt's end only: no rule while decoding",
  budgets: ["budget", "cr"],
  settings: {
    sinks: "4",
    protect:
      "of a chat, the template's and the system text before its question, besides the budget, as the authors do; else none",
  },
  note: "The replay reads the prompt once more, and needs memory for its keys while it scores.",
  keepsPrefix: true,
  make(model, options) {
    const sinks = whole("kvzip", options, "sinks", 4);
    if (!model.replay)
      throw new HyperthinkError(
        "bad-argument",
        "policy kvzip asks the model to repeat its prompt: expected a tokenizer, got a model without",
      );
    const replay = { chunk: CHUNK, tail: TAIL, sinks, ...model.replay };
    return once("kvzip", options, [], { watch: { replay }, sinks, pool: "set", settings: { sinks } });
  },
};
