// Abacus: harder word problems of containers and beads, none of which its model was trained on.
//
// Protocol: as beads, with 2 to 12 steps and up to 10 distractors; the needed containers form a graph.
// Source: src/eval/abacus; made by seed, of the eighth of all problems that training leaves out.

import { ABACUS_TOKENS, abacusProblems } from "../abacus/problems.ts";
import { beadsWork, shapeSettings } from "./beads.ts";
import type { TaskRecipe } from "./recipe.ts";

export const abacus: TaskRecipe = {
  name: "abacus",
  kind: "vote",
  summary: "word problems of 2 to 12 steps, for models/abacus",
  source: "made by seed (src/eval/abacus)",
  protocol: "the question alone, temperature 1; numbers are compared",
  data: null,
  settings: shapeSettings(2, 12, 10),
  make: ({ low, high, distractors }) =>
    beadsWork(ABACUS_TOKENS, ({ count = 100, seed = 0 }) => abacusProblems({ count, seed, low, high, distractors })),
};
