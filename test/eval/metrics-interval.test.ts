import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { bootstrap, bootstrapAll, pairedBootstrap, pairedDifference, wilson } from "../../src/eval/metrics/interval.ts";
import { type Answers, avgAt1, majAtK } from "../../src/eval/metrics/majority.ts";
import { accuracy, type ProblemRun } from "../../src/eval/race.ts";
import { Vote } from "../../src/scale/vote.ts";

const near = (a: number, b: number, tolerance: number) => assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);

test("Wilson's interval: textbook values, certain ends, coverage", () => {
  const half = wilson(5, 10);
  near(half.low, 0.2366, 1e-4);
  near(half.high, 0.7634, 1e-4);
  const none = wilson(0, 10);
  assert.equal(none.low, 0);
  near(none.high, 0.2775, 1e-4);
  assert.equal(wilson(10, 10).high, 1);
  assert.throws(() => wilson(0, 0), { code: "bad-argument" });
  assert.throws(() => wilson(3, 2), { code: "bad-argument" });
  const rng = seeded(1);
  let covered = 0;
  for (let i = 0; i < 2000; i++) {
    let hits = 0;
    for (let j = 0; j < 40; j++) hits += Number(rng.next() < 0.3);
    const { low, high } = wilson(hits, 40);
    covered += Number(low <= 0.3 && 0.3 <= high);
  }
  near(covered / 2000, 0.95, 0.02);
});

test("paired intervals cancel what problems share, cover the truth, and agree with each other", () => {
  const rng = seeded(2);
  let covered = 0;
  for (let i = 0; i < 1000; i++) {
    const a = Array.from({ length: 60 }, () => 5 * rng.gaussian());
    const b = a.map((value) => value + 0.3 + rng.gaussian());
    const { low, high } = pairedDifference(a, b);
    assert.ok(high - low < 0.8); // unpaired it would be 2.5 wide
    covered += Number(low <= 0.3 && 0.3 <= high);
    if (i > 20) continue;
    const boot = pairedBootstrap(a, b, { seed: i });
    near(boot.low, low, 0.08);
    near(boot.high, high, 0.08);
    assert.deepEqual(pairedBootstrap(a, b, { seed: i }), boot);
  }
  near(covered / 1000, 0.95, 0.025);
  assert.throws(() => pairedDifference([1, 2], [1]), { code: "bad-argument" });
  assert.throws(() => pairedDifference([1], [1]), { code: "bad-argument" });
});

/** All k-subsets, each decided by the product's own Vote. */
function byListing({ keys, correct }: Answers, k: number): number {
  let all = 0;
  let won = 0;
  for (let mask = 0; mask < 2 ** keys.length; mask++) {
    const chains = keys.flatMap((_, i) => ((mask >> i) & 1 ? [i] : []));
    if (chains.length !== k) continue;
    const vote = new Vote();
    for (const chain of chains) {
      const key = keys[chain];
      vote.cast(
        chain,
        key === null ? { kind: "abstain", reason: "no-answer" } : { kind: "answer", text: key, source: "boxed", key },
      );
    }
    all++;
    won += Number(vote.winner()?.key === correct);
  }
  return won / all;
}

const randomAnswers = (rng: ReturnType<typeof seeded>, width: number, distinct: number): Answers => ({
  keys: Array.from({ length: width }, () => ["1", null, "2", "3", "4"][rng.below(distinct)]),
  correct: "1",
});

test("maj@k counts exactly what listing all subsets gives, ties and abstentions included", () => {
  const rng = seeded(3);
  for (let round = 0; round < 150; round++) {
    const answers = randomAnswers(rng, 1 + rng.below(9), 1 + rng.below(5));
    for (let k = 1; k <= answers.keys.length; k++) near(majAtK([answers], k).mean, byListing(answers, k), 1e-12);
  }
});

test("maj@k by random subsets agrees within its error and repeats with its seed", () => {
  const rng = seeded(4);
  const problems = Array.from({ length: 12 }, () => randomAnswers(rng, 10, 4));
  const exact = majAtK(problems, 4);
  const sampled = majAtK(problems, 4, { work: 0, subsets: 4000, seed: 9 });
  assert.notDeepEqual(sampled, exact);
  for (const [i, p] of exact.perProblem.entries()) near(sampled.perProblem[i], p, 0.04); // 5 standard errors
  assert.deepEqual(majAtK(problems, 4, { work: 0, subsets: 4000, seed: 9 }), sampled);
});

test("maj@1 is avg@1, maj@W the vote itself, silence is wrong", () => {
  const problems: Answers[] = [
    { keys: ["1", "2", null, "1"], correct: "1" },
    { keys: ["2", "1", "1", "2"], correct: "1" },
    { keys: [null, null, null, null], correct: "1" },
    { keys: [null, null, "1", null], correct: "1" },
  ];
  assert.deepEqual(avgAt1(problems).perProblem, [0.5, 0.5, 0, 0.25]);
  assert.deepEqual(majAtK(problems, 1), avgAt1(problems));
  assert.deepEqual(majAtK(problems, 4).perProblem, [1, 0, 0, 1]); // the second ties, and "2" came first
  assert.throws(() => majAtK(problems, 5), { code: "bad-argument" });
  assert.throws(() => majAtK(problems, 0), { code: "bad-argument" });
  assert.throws(() => avgAt1([]), { code: "bad-argument" });
});

test("maj@k of a run is unbiased for a run of k", () => {
  // Chains say 1 with chance 0.4, 2 with 0.35, nothing with 0.25. Truth by listing all 3^3 runs of 3.
  const chance = { "1": 0.4, "2": 0.35, none: 0.25 };
  const draw = (u: number) => (u < 0.4 ? "1" : u < 0.75 ? "2" : null);
  let truth = 0;
  for (const a of ["1", "2", null])
    for (const b of ["1", "2", null])
      for (const c of ["1", "2", null])
        truth +=
          byListing({ keys: [a, b, c], correct: "1" }, 3) *
          [a, b, c].reduce((product, key) => product * chance[(key ?? "none") as keyof typeof chance], 1);
  const rng = seeded(6);
  const runs = Array.from({ length: 6000 }, () => ({
    keys: Array.from({ length: 8 }, () => draw(rng.next())),
    correct: "1",
  }));
  near(majAtK(runs, 3).mean, truth, 0.012);
});

test("wide runs are counted exactly too", () => {
  const keys = Array.from({ length: 128 }, (_, i) => ["1", "2", "3", null][i % 4]);
  const exact = majAtK([{ keys, correct: "1" }], 32).mean;
  near(majAtK([{ keys, correct: "1" }], 32, { work: 0, subsets: 20_000 }).mean, exact, 0.02);
  // Equal thirds: over all three as the right one, each subset with a vote has one winner.
  const total = ["1", "2", "3"].reduce((sum, correct) => sum + majAtK([{ keys, correct }], 32).mean, 0);
  near(total, 1, 1e-10);
});

test("problems that all came out alike, one among them, are as unsure as their number", () => {
  const runs = (shares: string[][]): ProblemRun[] =>
    shares.map((keys, problem) => ({
      problem,
      answers: { keys, correct: "1" },
      reads: [1],
      fullReads: 1,
      tokens: [1],
      peakKeys: [1],
    }));
  const one = accuracy(runs([["2", "1"]]), 1).interval;
  assert.ok(one.mean === 0.5 && one.low < 0.3 && one.high === 1, JSON.stringify(one));
  const none = accuracy(
    runs([
      ["2", "2"],
      ["2", "2"],
      ["2", "2"],
    ]),
    1,
  ).interval;
  assert.ok(none.mean === 0 && none.high > 0.3, JSON.stringify(none));
});

test("several statistics of the same draws are what each is alone; draws that are too many to keep are the same", () => {
  const values = [3, 1, 4, 1, 5, 9, 2, 6];
  const least = (drawn: Int32Array) => Math.min(...Array.from(drawn, (i) => values[i]));
  const first = (drawn: Int32Array) => (drawn[0] === 0 ? null : values[drawn[0]]);
  const both = bootstrapAll(8, 2, (drawn) => [least(drawn), first(drawn)], { seed: 3, resamples: 500 });
  assert.deepEqual(both, [
    bootstrap(8, least, { seed: 3, resamples: 500 }),
    bootstrap(8, first, { seed: 3, resamples: 500 }),
  ]);
  assert.ok(both[0].undefinedDraws === 0 && both[1].undefinedDraws > 0);
  const drawnOf = (resamples: number) => {
    const seen: number[] = [];
    bootstrap(100_000, (drawn) => seen.push(drawn[0] + drawn[99_999]), { resamples });
    return seen;
  };
  assert.deepEqual(drawnOf(180).slice(0, 160), drawnOf(160)); // 18 million indices are drawn anew, 16 million kept
});
