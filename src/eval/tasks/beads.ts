// Beads: word problems without end of containers that hold beads and earlier containers, among distractors.
//
// Protocol: the question alone, as the bundled model was trained; temperature 1, the whole distribution, the answer in
// a box, graded as a number. Shapes are drawn evenly. models/README.md has the model.
// Source: src/eval/beads.ts; made by seed.

import { type BeadsProblem, beadsProblems } from "../beads.ts";
import { BEADS_TOKENS, RACE_SAMPLING } from "../race.ts";
import type { Setting, TaskRecipe } from "./recipe.ts";
import { extractReply, gradeAnswer, type ItemOptions, type VoteWork } from "./task.ts";

export const beads: TaskRecipe = {
  name: "beads",
  kind: "vote",
  summary: "word problems of 2 to 8 steps, for models/beads",
  source: "made by seed (src/eval/beads.ts)",
  protocol: "the question alone, temperature 1; numbers are compared",
  data: null,
  settings: shapeSettings(2, 8, 5),
  make: ({ low, high, distractors }) =>
    beadsWork(BEADS_TOKENS, ({ count = 100, seed = 0 }) => beadsProblems({ count, seed, low, high, distractors })),
};

export function shapeSettings(low: number, high: number, distractors: number): Record<string, Setting> {
  return {
    low: { about: "fewest containers that are needed", default: low, least: 1, most: 20 },
    high: { about: "most", default: high, least: 1, most: 20 },
    distractors: { about: "most containers that are not", default: distractors, least: 0, most: 20 },
  };
}

/** How either model of bead problems is asked. */
export function beadsWork(maxTokens: number, problems: (options: ItemOptions) => BeadsProblem[]): VoteWork {
  const { temperature, topK, topP, minP, repetitionPenalty } = RACE_SAMPLING;
  return {
    kind: "vote",
    sampling: { temperature, topK, topP, minP, repetitionPenalty },
    items: async (options) =>
      problems(options).map(({ question, answer, steps }, i) => ({
        id: String(i),
        question,
        gold: String(answer),
        group: `${steps} steps`,
      })),
    ask: ({ question }) => ({ prompt: question, maxTokens }),
    extract: extractReply,
    grade: gradeAnswer,
  };
}
