import { badArgument } from "../base/errors.ts";
import { once } from "./once.ts";
import { whole } from "./options.ts";
import type { Further, Policy, PolicyOptions, Recipe, Trained } from "./policy.ts";

const CHUNK = 2048;
/** Tokens of the chunk before that a later request quotes. */
const TAIL = 8;
/** How the model is asked for the first chunk and for later ones, as the paper's authors do. */
const FIRST = "\n\nRepeat the previous context exactly.";
const NEXT = "\n\nRepeat the part of the previous context exactly, starting with";

/** The prompt once more, chunk by chunk: a request, the opening of a reply, the chunk. */
function repeat({ texts, reply }: NonNullable<Trained["spoken"]>, sinks: number, chunk: number): Further {
  const [first, next] = [texts.get(FIRST)!, texts.get(NEXT)!];
  return {
    *readings(prompt) {
      for (let from = 0; from < prompt.length; from += chunk) {
        const to = Math.min(prompt.length, from + chunk);
        const asked = from === 0 ? first : [...next, ...prompt.slice(Math.max(0, from - TAIL), from)];
        yield { ids: [...asked, ...reply, ...prompt.slice(from, to)], from, to };
      }
    },
    most: (prompt) => Math.min(prompt, chunk) + Math.max(first.length, next.length + TAIL) + reply.length,
    sinks,
  };
}

/** `chunk`: tokens of the prompt that are repeated at a time. */
export function makeKvzip({ spoken }: Trained, options: PolicyOptions, chunk = CHUNK): Policy {
  const sinks = whole("kvzip", options, "sinks", 4);
  if (!spoken)
    throw badArgument("policy kvzip asks the model to repeat its prompt: expected a tokenizer, got a model without");
  const further = repeat(spoken, sinks, chunk);
  return once("kvzip", options, [], { watch: { further }, sinks, share: "set", settings: { sinks } });
}

/**
 * KVzip (arXiv 2505.23416): the model repeats its prompt, and a key's score is the greatest probability that a
 * query of the replay gives it (softmax over sinks, the chunk's keys and the replay). The best of all layers
 * and heads stay, so lanes are ragged.
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
  texts: [FIRST, NEXT],
  keepsPrefix: true,
  make: makeKvzip,
};
