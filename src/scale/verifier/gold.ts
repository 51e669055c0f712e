import type { Equality } from "../equality/equality.ts";
import { gradeAnswer } from "../equality/grade.ts";
import { judgeEach } from "./each.ts";
import type { Verifier } from "./verifier.ts";

/** 1 for a chain whose answer is this one in mathematics, as leniently as a grader; else 0. `equality` stays open. */
export const goldVerifier = (gold: string, equality: Equality): Verifier => ({
  name: `gold ${gold}`,
  score: judgeEach(
    async ({ answer }) => (answer === null ? 0 : Number((await gradeAnswer(equality, gold, answer)).equal)),
    { atOnce: 1 },
  ),
});
