// Problems to measure the abacus model on, none of which it was trained on.

import { seeded } from "../../base/rng.ts";
import type { BeadsProblem } from "../beads.ts";
import { ABACUS_CONTEXT } from "./example.ts";
import { isHeldOut } from "./held-out.ts";
import { abacusProblem } from "./problem.ts";
import { questionTokens } from "./sentences.ts";
import { textOf } from "./vocabulary.ts";

export { grade } from "../beads.ts";

/** Most new tokens: no solution that is trained on is longer, as the shortest prompt with so long a one has more. */
export const ABACUS_TOKENS = ABACUS_CONTEXT - 64;

const EVALUATION = 0x0abac002;

/**
 * `count` held-out problems of `low` to `high` steps and 0 to `distractors` distractors, all equally likely; problem i
 * of a seed is the same whatever `count` is. Throws `bad-argument` as `abacusProblem` does.
 */
export function abacusProblems({
  count,
  seed,
  low = 2,
  high = 12,
  distractors = 10,
}: {
  count: number;
  seed: number;
  low?: number;
  high?: number;
  distractors?: number;
}): BeadsProblem[] {
  return Array.from({ length: count }, (_, index) => {
    const rng = seeded(seed, EVALUATION, index);
    const shape = { steps: low + rng.below(high - low + 1), distractors: rng.below(distractors + 1) };
    let problem = abacusProblem(rng, shape);
    while (!isHeldOut(problem)) problem = abacusProblem(rng, shape);
    return { question: textOf(questionTokens(problem)), answer: problem.answer, steps: shape.steps };
  });
}
