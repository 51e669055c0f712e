// Aggregators on subsets of recorded chains: by hand, and against the majority's exact count.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { aggregatedAtK } from "../../src/eval/metrics/aggregated.ts";
import { gradedMajAtK } from "../../src/eval/metrics/majority.ts";
import type { Ballot } from "../../src/scale/aggregate/ballot.ts";
import { best } from "../../src/scale/aggregate/best.ts";
import { byConfidence } from "../../src/scale/aggregate/confidence.ts";
import { majority } from "../../src/scale/aggregate/majority.ts";

const ballot = (chain: number, key: string | null, value: number): Ballot => ({
  chain,
  key,
  answer: key,
  tokens: 1,
  finished: true,
  score: value,
  confidence: value,
});

test("the majority's is maj@k", () => {
  const rng = seeded(8);
  const problems = Array.from({ length: 12 }, () => ({
    ballots: Array.from({ length: 7 }, (_, chain) => ballot(chain, rng.below(4) === 0 ? null : "abc"[rng.below(3)], 1)),
    grades: new Map([
      ["a", 1],
      ["b", 0.5],
    ]),
  }));
  const graded = problems.map(({ ballots, grades }) => ({ keys: ballots.map(({ key }) => key), grades }));
  for (let k = 1; k <= 7; k++) {
    const [got, expected] = [aggregatedAtK(problems, k, majority), gradedMajAtK(graded, k)];
    for (const [i, value] of expected.perProblem.entries()) assert.ok(Math.abs(got.perProblem[i] - value) < 1e-12);
  }
});

test("best of 2, and votes by confidence of 3, by hand", () => {
  // The right chain is the second best of four: it wins 2 of the 6 pairs, and no subset of 4.
  const ballots = [ballot(0, "x", 4), ballot(1, "right", 3), ballot(2, "x", 2), ballot(3, "y", 1)];
  const problem = { ballots: ballots.toReversed(), grades: new Map([["right", 1]]) };
  assert.ok(Math.abs(aggregatedAtK([problem], 2, best).mean - 2 / 6) < 1e-12);
  assert.equal(aggregatedAtK([problem], 4, best).mean, 0);
  // Of three: {0,1,2} x 6 to 3, {0,1,3} x 4, {0,2,3} x, {1,2,3} right 3.
  assert.ok(Math.abs(aggregatedAtK([problem], 3, byConfidence()).mean - 1 / 4) < 1e-12);
  assert.throws(
    () => aggregatedAtK([problem], 5, best),
    (error) => error instanceof HyperthinkError && error.code === "bad-argument",
  );
});

test("many chains: seeded subsets, the same again", () => {
  const rng = seeded(2);
  const ballots = Array.from({ length: 64 }, (_, chain) =>
    ballot(chain, rng.below(3) === 0 ? "right" : "x", rng.below(99)),
  );
  const problem = { ballots, grades: new Map([["right", 1]]) };
  const once = aggregatedAtK([problem], 8, byConfidence({ top: 0.5 }), { seed: 1, subsets: 300 });
  assert.deepEqual(aggregatedAtK([problem], 8, byConfidence({ top: 0.5 }), { seed: 1, subsets: 300 }), once);
  assert.ok(once.mean > 0 && once.mean < 1);
});
