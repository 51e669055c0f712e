// The metrics as a user imports them, on chains that someone recorded.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aggregatedAtK,
  averageScore,
  type ChainRow,
  costOf,
  frontierGap,
  gatherAll,
  longest,
  majorityAtK,
  passAtK,
  pointOf,
  scoreInterval,
  tally,
} from "../../src/index.ts";
import { said } from "../support/rows.ts";

test("recorded chains: accuracy, cost, frontiers and other aggregators by the public API", () => {
  const rows: ChainRow[] = [...said(["1", "1", "2", null]).chains, ...said(["2", "1", "2", "2"], "b").chains];
  const problems = gatherAll(rows, { problems: ["a", "b"], width: 4 });
  assert.equal(averageScore(problems).mean, 3 / 8);
  assert.deepEqual(majorityAtK(problems, 4).perProblem, [1, 0]);
  assert.equal(passAtK(problems, 4)!.mean, 1);
  assert.equal(costOf(problems[0], 2, "reads"), 2000);
  assert.equal(scoreInterval(majorityAtK(problems, 4).perProblem).mean, 0.5);
  assert.equal(tally(problems).abstained, 1);
  const points = [1, 2, 4].map((width) => pointOf(problems, { policy: "full", length: 100, width, cr: 1 }, "reads"));
  assert.equal(frontierGap(points, points)!.mean, 0);
  const ballots = problems.map(({ chains }) => ({
    ballots: chains.map(({ chain, key, end, tokens }) => ({
      ...{ chain, key, answer: key, tokens: tokens + chain, finished: end === "finished" },
      ...{ score: null, confidence: null },
    })),
    grades: new Map(chains.flatMap(({ key, score }) => (key === null ? [] : [[key, score] as const]))),
  }));
  assert.deepEqual(aggregatedAtK(ballots, 4, longest).perProblem, [0, 0]); // of chains with an answer the last
});
