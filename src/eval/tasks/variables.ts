// RULER's variable tracking: VAR ABCDE = 12345, VAR FGHIJ = VAR ABCDE, .. among noise; which variables have the value?
//
// Protocol: one chain of four hops, after one worked example with names of three letters; the score is the share of the
// five names that the reply has. Different here: the answer's first words end without a blank, the assignments of
// several chains are put in anew for each problem.
// Source: arXiv 2404.06654; github.com/NVIDIA/RULER (Apache-2.0), scripts/data/synthetic/variable_tracking.py.

import { type Seeded, shuffled } from "../../base/rng.ts";
import type { TaskRecipe } from "./recipe.ts";
import { NOISE } from "./ruler/haystack.ts";
import { type ListItem, listWork, VARIABLE } from "./ruler/listed.ts";
import { fresh, madeItems } from "./ruler/made.ts";
import { LENGTH } from "./ruler-needles.ts";

const EXAMPLE_NOISE = 8; // lines

export const variables: TaskRecipe = {
  name: "variables",
  kind: "vote",
  summary: "RULER: variables that are assigned one value, over several hops",
  source: "arXiv 2404.06654; github.com/NVIDIA/RULER",
  protocol: "one worked example; the share of names that the reply has",
  data: null,
  settings: {
    length: LENGTH,
    chains: { about: "values, of which one is asked for", default: 1, least: 1, most: 20 },
    hops: { about: "assignments from one variable to the next", default: 4, least: 1, most: 20 },
  },
  make: ({ length, chains, hops }) =>
    listWork((options) =>
      madeItems(
        {
          task: "variables",
          purpose: 0x7ac30001,
          length,
          replyTokens: 30 * Math.ceil((hops + 1) / 5),
          least: hops + 1,
          most: 1 << 20,
          guess: Math.ceil(length / 25),
          make: (rng, size) => problem(rng, size, chains, hops),
        },
        options,
      ),
    ),
};

function problem(rng: Seeded, size: number, chains: number, hops: number): Omit<ListItem, "id" | "maxTokens"> {
  const example = told(rng, Math.max(EXAMPLE_NOISE, hops + 1), chains, hops, 3);
  const { question, prefix, names } = told(rng, size, chains, hops, 5);
  return {
    question: `${example.question}${example.prefix} ${example.names.join(" ")}\n\n${question}`,
    prefix,
    gold: names.join(", "),
    words: names,
    among: null,
    pattern: VARIABLE,
  };
}

/** A text of `size` lines of noise with its assignments, and the names that have the first chain's value. */
function told(rng: Seeded, size: number, chains: number, hops: number, letters: number) {
  const taken = new Set<string>();
  const name = () => String.fromCharCode(...Array.from({ length: letters }, () => 65 + rng.below(26)));
  const drawn = Array.from({ length: chains }, () => ({
    value: fresh(taken, () => String(10_000 + rng.below(90_000))),
    names: Array.from({ length: hops + 1 }, () => fresh(taken, name)),
  }));
  const lines = new Array<string>(size).fill(NOISE);
  for (const { value, names } of drawn) {
    // In order, before so many different lines; those put in push the later ones on.
    const places = shuffled(rng, lines.keys())
      .slice(0, names.length)
      .sort((a, b) => a - b);
    for (const [i, place] of places.entries())
      lines.splice(place + i, 0, `VAR ${names[i]} = ${i === 0 ? value : `VAR ${names[i - 1]}`}`);
  }
  const [{ value, names }] = drawn;
  return {
    names,
    question:
      "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n" +
      `${lines.join("\n")}\nQuestion: Find all variables that are assigned the value ${value} in the text above.`,
    prefix:
      " Answer: According to the chain(s) of variable assignment in the text above, " +
      `${names.length} variables are assigned the value ${value}, they are:`,
  };
}
