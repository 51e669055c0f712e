// Perplexity of a text: how well a model foretells it, token by token, from a compressed cache.
//
// Protocol: windows of equal length, evenly spread over the text and apart; of each the first tokens are read as a
// prompt, the others come one by one, as decoding would meet them, so that what a policy evicts is missed. exp of the
// mean negative log-likelihood over all of these in all windows. lm-eval's wikitext predicts every token of a document
// from the window before it and counts words; numbers compare between models of one tokenizer only.
// Source: a text file of the user's; WikiText-2 (arXiv 1609.07843) is the field's.

import { basename } from "node:path";
import { badArgument, badFile } from "../../base/errors.ts";
import { readText } from "../compare/texts.ts";
import type { TaskRecipe } from "./recipe.ts";

export const perplexity: TaskRecipe = {
  name: "perplexity",
  kind: "perplexity",
  summary: "how well the tokens of a text are foretold",
  source: "a text file; WikiText-2 (arXiv 1609.07843) is the field's",
  protocol: "windows: a prompt, then token by token; exp of the mean loss",
  data: "a .txt file",
  settings: {
    windows: { about: "windows of the text", default: 16, least: 1, most: 1 << 16 },
    length: { about: "tokens of each", default: 2048, least: 2, most: 1 << 22 },
    prefix: { about: "of these, read as a prompt", default: 1024, least: 1, most: 1 << 22 },
  },
  make: ({ windows, length, prefix }) => {
    if (prefix >= length)
      throw badArgument(`task perplexity: expected prefix below length, got prefix=${prefix} of length=${length}`);
    return {
      kind: "perplexity",
      windows: { count: windows, length, prefix },
      items: async ({ data }) => {
        if (data === undefined) throw badFile("perplexity: expected a text file, got none: say where by --data FILE");
        return [{ id: basename(data), text: await readText(data) }];
      },
    };
  },
};
