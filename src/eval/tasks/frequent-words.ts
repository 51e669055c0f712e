// RULER's frequent words: coded words whose frequencies fall as a zeta distribution; which three are the most frequent?
//
// Protocol: the word of rank k stands N k^-2 / zeta(2) times, rounded down, in a vocabulary of a fiftieth of the
// length; rank 1 is noise ("..."), ranks 2 to 4 are asked for. Words are six random letters. The score is the share of
// the three that the reply has. Different here: each problem has an order and words of its own (RULER's share theirs),
// and at least so many words that rank 4 is more frequent than rank 5.
// Source: arXiv 2404.06654; github.com/NVIDIA/RULER (Apache-2.0), scripts/data/synthetic/freq_words_extraction.py.

import { type Seeded, shuffled } from "../../base/rng.ts";
import type { TaskRecipe } from "./recipe.ts";
import { type ListItem, listWork, newTokens, WORD } from "./ruler/listed.ts";
import { madeItems } from "./ruler/made.ts";
import { LENGTH } from "./ruler-needles.ts";

const REPLY_TOKENS = 50;
const ZETA_2 = Math.PI ** 2 / 6;
const ASKED = 3;
/** From so many words on, ranks 4 and 5 differ by one at least. */
const LEAST = Math.ceil(ZETA_2 / (1 / 4 ** 2 - 1 / 5 ** 2));

export const frequentWords: TaskRecipe = {
  name: "frequent-words",
  kind: "vote",
  summary: "RULER: the three most frequent of many coded words",
  source: "arXiv 2404.06654; github.com/NVIDIA/RULER",
  protocol: "no example; the share of the three that the reply has",
  data: null,
  settings: { length: LENGTH },
  make: ({ length }) =>
    listWork((options) => {
      const vocabulary = Math.max(ASKED + 2, Math.floor((length - newTokens(options.style, REPLY_TOKENS)) / 50));
      return madeItems(
        {
          task: "frequent-words",
          purpose: 0xf4e30001,
          length,
          replyTokens: REPLY_TOKENS,
          least: LEAST,
          most: 1 << 20,
          guess: Math.ceil(length / 3),
          make: (rng, size) => problem(rng, size, vocabulary),
        },
        options,
      );
    }),
};

function problem(rng: Seeded, size: number, vocabulary: number): Omit<ListItem, "id" | "maxTokens"> {
  const coded = new Set<string>();
  while (coded.size < vocabulary)
    coded.add(String.fromCharCode(...Array.from({ length: 6 }, () => 97 + rng.below(26))));
  const words = [...coded];
  const ranked = ["...", ...words.slice(1)];
  const text = shuffled(
    rng,
    ranked.flatMap((word, i) => new Array<string>(Math.floor((size * (i + 1) ** -2) / ZETA_2)).fill(word)),
  );
  const asked = ranked.slice(1, 1 + ASKED);
  return {
    question:
      "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared " +
      `coded words. ${text.join(" ")}\nQuestion: Do not provide any explanation. Please ignore the dots '....'. ` +
      "What are the three most frequently appeared words in the above coded text?",
    prefix: " Answer: According to the coded text above, the three most frequently appeared words are:",
    gold: asked.join(", "),
    words: asked,
    among: new Set(words.slice(1)),
    pattern: WORD,
  };
}
