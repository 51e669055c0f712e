import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mean } from "../../src/base/mean.ts";
import { seeded } from "../../src/base/rng.ts";
import { type ChainRow, gather, gatherAll, type ProblemChains } from "../../src/eval/metrics/chain.ts";
import { costOf } from "../../src/eval/metrics/cost.ts";
import { averageScore, majorityAtK, passAtAll, passAtK, passChance } from "../../src/eval/metrics/estimators.ts";
import { bootstrap, bootstrapMean, scoreInterval, wilson } from "../../src/eval/metrics/interval.ts";
import { loopOf } from "../../src/eval/metrics/loops.ts";
import { meanOverSubsets } from "../../src/eval/metrics/majority.ts";
import { tally } from "../../src/eval/metrics/tally.ts";
import { row, said } from "../support/rows.ts";

const near = (a: number, b: number, tolerance = 1e-12) => assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);

test("pass@k: by hand, and undefined where there are fewer chains", () => {
  near(passChance(5, 1, 2)!, 1 - 6 / 10);
  near(passChance(4, 2, 2)!, 1 - 1 / 6);
  assert.equal(passChance(5, 0, 3), 0);
  assert.equal(passChance(5, 5, 1), 1);
  assert.equal(passChance(5, 3, 3), 1);
  assert.equal(passChance(7, 3, 8), null);
  const problems = [said(["1", "2", null, "1"]), said([null, "2", "2", "2"], "b")];
  near(passAtK(problems, 2)!.mean, (5 / 6 + 0) / 2);
  assert.equal(passAtK(problems, 5), null);
  assert.equal(passAtK([said(["1", "1"]), said(["1"], "b")], 2), null);
  assert.deepEqual(passAtAll(problems).perProblem, [1, 0]);
  for (const [n, c, k] of [
    [3, 4, 1],
    [3, 1, 0],
    [3, 1.5, 2],
  ])
    assert.throws(() => passChance(n, c, k), { code: "bad-argument" });
});

test("avg and maj@k: by hand, with partial grades, two right spellings and silence", () => {
  // Two keys are right.
  const chains = [row("a", 0, "1/2"), row("a", 1, "50%"), row("a", 2, "7"), row("a", 3, null)].map((chain) => ({
    ...chain,
    score: Number(chain.key === "1/2" || chain.key === "50%"),
  }));
  const problem: ProblemChains = { problem: "a", chains };
  near(averageScore([problem]).mean, 0.5);
  // Of the pairs, only chains 2 and 3 have no right winner: ties go to the lower chain.
  near(majorityAtK([problem], 2).mean, 5 / 6);
  // Chains 0 and 1 say what is worth 0.5, and win every three: two against one, or a tie that they come first in.
  const half = said(["x", "x", "1", null]).chains.map((chain) => ({
    ...chain,
    score: chain.key === "x" ? 0.5 : chain.score,
  }));
  const graded: ProblemChains = { problem: "a", chains: half };
  near(averageScore([graded]).mean, 0.5);
  near(majorityAtK([graded], 3).mean, 0.5);
  near(majorityAtK([graded], 1).mean, averageScore([graded]).mean);
  near(majorityAtK([graded], 3, { work: 0, subsets: 500 }).mean, 0.5);
  assert.throws(() => majorityAtK([problem], 5), { code: "bad-argument" });
  assert.throws(() => averageScore([]), { code: "bad-argument" });
});

test("any measure over subsets: all of them where they are few, a seeded share of them where not", () => {
  const seen: string[] = [];
  const sum = meanOverSubsets(5, 3, (chains) => {
    seen.push(chains.join(""));
    return chains.reduce((a, b) => a + b, 0);
  });
  assert.deepEqual(new Set(seen).size, 10);
  assert.equal(seen.length, 10);
  near(sum, 6);
  const drawn = () => meanOverSubsets(40, 20, (chains) => mean(chains), { seed: 3, subsets: 500 });
  near(drawn(), 19.5, 0.5);
  assert.equal(drawn(), drawn());
  assert.throws(() => meanOverSubsets(3, 4, () => 0), { code: "bad-argument" });
});

test("a w-subset's cost: reads add up, peaks add to the prompt once, a prompt's own peak counts", () => {
  const prompt = { tokens: 100, keys: 40, bytes: 400, peakKeys: 100, peakBytes: 1000 };
  const chains = [
    row("a", 0, "1", { prompt, reads: 1000, peakKeys: 60, peakBytes: 700, tokens: 10 }),
    row("a", 1, "1", { prompt, reads: 3000, peakKeys: 90, peakBytes: 900, tokens: 30 }),
    row("a", 2, "1", { prompt, reads: 2000, peakKeys: 30, peakBytes: 400, tokens: 20 }), // below the prompt: adds none
  ];
  const problem = { problem: "a", chains };
  near(costOf(problem, 1, "reads"), 2000);
  near(costOf(problem, 3, "reads"), 6000);
  near(costOf(problem, 2, "tokens"), 40);
  near(costOf(problem, 3, "peakKeys"), 40 + 20 + 50); // 20, 50 and 0 of their own
  near(costOf(problem, 1, "peakKeys"), 100); // 40 + 70 / 3 is less than the prompt took
  near(costOf(problem, 3, "peakBytes"), Math.max(1000, 400 + 300 + 500));
  // All pairs, listed.
  const pair = (i: number, j: number) =>
    40 + [chains[i], chains[j]].reduce((sum, c) => sum + Math.max(0, c.peakKeys - 40), 0);
  const flat = { ...prompt, peakKeys: 40 };
  const alone = { problem: "a", chains: chains.map((chain) => ({ ...chain, prompt: flat })) };
  near(costOf(alone, 2, "peakKeys"), (pair(0, 1) + pair(0, 2) + pair(1, 2)) / 3);
  // The mean of what each subset took: a prompt's own peak counts in those that stay below it alone.
  const uneven = { problem: "a", chains: [40, 40, 190].map((peakKeys, i) => row("a", i, "1", { prompt, peakKeys })) };
  near(costOf(uneven, 1, "peakKeys"), (100 + 100 + 190) / 3);
  near(costOf(uneven, 2, "peakKeys"), (100 + 190 + 190) / 3);
  near(costOf(uneven, 3, "peakKeys"), 190);
  const many = Array.from({ length: 40 }, (_, i) => row("a", i, "1", { prompt, peakKeys: 40 + (i % 7) }));
  // Too many to list: 97.5 on average, give or take 6.4.
  const drawn = costOf({ problem: "a", chains: many }, 20, "peakKeys");
  const normal = 97.5 + 2.5 * 0.652 + 6.4 * 0.3697; // the mean of the larger of 100 and a normal number
  near(drawn, normal, 0.25);
  assert.equal(drawn, costOf({ problem: "a", chains: many }, 20, "peakKeys"));
  assert.throws(() => costOf(problem, 4, "reads"), { code: "bad-argument" });
  assert.throws(() => costOf(problem, 0, "reads"), { code: "bad-argument" });
});

test("estimators of k chains are unbiased over 10,000 runs of 6", () => {
  // Answers 1 (right), 2, 3 and none; right chains are longer, so that cost and answer hang together.
  const kinds = [
    { key: "1", chance: 0.35, reads: 900 },
    { key: "2", chance: 0.3, reads: 400 },
    { key: "3", chance: 0.15, reads: 500 },
    { key: null, chance: 0.2, reads: 2000 },
  ];
  const rng = seeded(7);
  const chain = (i: number): ChainRow => {
    const u = rng.next();
    const kind = kinds[[0.35, 0.65, 0.8, 1].findIndex((below) => u < below)];
    return row("a", i, kind.key, { reads: kind.reads, peakKeys: 10 + kind.reads / 10, tokens: kind.reads / 20 });
  };
  const truth = { avg: 0.35, maj: 0, pass: 1 - 0.65 ** 3, reads: 0, peak: 0, dense: 0 };
  const READ = 260; // keys at most while the prompt was read: about half of all runs of three take more
  for (const a of kinds)
    for (const b of kinds)
      for (const c of kinds) {
        const three = [a, b, c];
        const chance = a.chance * b.chance * c.chance;
        const votes = three.map(({ key }) => key).filter((key) => key !== null);
        const count = (key: string) => votes.filter((vote) => vote === key).length;
        const best = Math.max(0, ...votes.map(count));
        if (votes.find((key) => count(key) === best) === "1") truth.maj += chance;
        truth.reads += chance * three.reduce((sum, { reads }) => sum + reads, 0);
        const peak = 10 + three.reduce((sum, { reads }) => sum + reads / 10, 0);
        truth.peak += chance * peak;
        truth.dense += chance * Math.max(READ, peak);
      }
  const runs = Array.from({ length: 10_000 }, (_, i) => ({
    problem: String(i),
    chains: Array.from({ length: 6 }, (_, j) => chain(j)),
  }));
  const within = (values: readonly number[], expected: number) => {
    const middle = mean(values);
    const error = Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) / values.length);
    near(middle, expected, 4 * error);
    assert.ok(error < 0.02 * expected, `${error}: too unsure to show a bias`);
  };
  within(averageScore(runs).perProblem, truth.avg);
  within(majorityAtK(runs, 3).perProblem, truth.maj);
  within(passAtK(runs, 3)!.perProblem, truth.pass);
  within(
    runs.map((run) => costOf(run, 3, "reads")),
    truth.reads,
  );
  within(
    runs.map((run) => costOf(run, 3, "peakKeys")),
    truth.peak,
  );
  const dense = runs.map(({ problem, chains }) => ({
    problem,
    chains: chains.map((each) => ({ ...each, prompt: { ...each.prompt, peakKeys: READ } })),
  }));
  within(
    dense.map((run) => costOf(run, 3, "peakKeys")),
    truth.dense,
  );
  // The yardstick finds a usual mistake: silent chains left out.
  const talkative = runs.map(({ problem, chains }) => ({ problem, chains: chains.filter(({ key }) => key !== null) }));
  const some = talkative.filter(({ chains }) => chains.length > 0);
  assert.throws(() => within(averageScore(some).perProblem, truth.avg));
});

test("planted faults are named, and leave no estimate as if nothing had been", () => {
  const expected = { problems: ["a", "b"], width: 3 };
  const rows = () => [...said(["1", "1", "2"]).chains, ...said(["2", null, "1"], "b").chains];
  const sound = gatherAll(rows(), expected);
  assert.deepEqual(
    sound.map(({ problem }) => problem),
    ["a", "b"],
  );
  near(averageScore(sound).mean, (2 / 3 + 1 / 3) / 2);
  assert.deepEqual(gatherAll(rows().reverse(), expected), sound);

  const one = (kind: string, chain: number | null, faulty: readonly ChainRow[], problem = "a") => {
    const { problems, faults } = gather(faulty, expected);
    assert.deepEqual(
      faults.map((fault) => [fault.kind, fault.problem, fault.chain]),
      [[kind, problem, chain]],
    );
    assert.deepEqual(
      problems.map((p) => p.problem),
      ["a", "b"].filter((name) => name !== problem),
    );
    assert.throws(() => gatherAll(faulty, expected), { code: "bad-file", message: new RegExp(`problem ${problem}`) });
  };
  const changed = (at: number, change: object) =>
    rows().map((r, i) => (i === at ? ({ ...r, ...change } as ChainRow) : r));
  one("duplicate", 0, [...rows(), rows()[0]]);
  one("duplicate", 2, [...rows(), row("a", 2, "1")]);
  one(
    "missing",
    1,
    rows().filter((_, i) => i !== 1),
  );
  one("missing", 2, rows().slice(0, -1), "b");
  one("stray", 3, [...rows(), row("a", 3, "1")]);
  one("stray", 0.5, [...rows(), row("a", 0.5, "1")]);
  one("stray", 0, [...rows(), row("c", 0, "1")], "c");
  one("stopped", 0, changed(0, { end: "stopped" }));
  one("contradiction", 1, changed(1, { score: 0 }));
  one("contradiction", 1, changed(4, { score: 1 }), "b");
  one("contradiction", 2, changed(2, { prompt: { tokens: 11, keys: 10, bytes: 1000, peakKeys: 10, peakBytes: 1000 } }));
  one("value", 2, changed(2, { reads: Number.NaN }));
  one("value", 2, changed(2, { tokens: -1 }));
  one("value", 2, changed(2, { score: 1.5 }));
  one("value", 2, changed(2, { end: "length" }));
  one("value", 2, changed(2, { key: 7 }));
  one("value", 2, changed(2, { peakBytes: "5" }));
  assert.throws(() => gatherAll([], { problems: Array.from({ length: 9 }, (_, i) => `${i}`), width: 1 }), {
    message: /and 4 more faults/,
  });

  // A chain that was cut off, or failed, stays and counts as wrong.
  const cut = gatherAll(changed(0, { end: "truncated", key: null, score: 0 }), expected);
  near(averageScore(cut).perProblem[0], 1 / 3);
  const { tokens, ...counts } = tally(
    gatherAll(changed(0, { end: "failed", key: null, score: 0, tokens: 7 }), expected),
  );
  assert.deepEqual(counts, { chains: 6, abstained: 2, truncated: 0, failed: 1, looped: 0, right: 2, cr: 3 });
  assert.deepEqual(tokens, { mean: (7 + 5 * 100) / 6, median: 100, p90: 100, most: 100 });
  assert.equal(tally(cut).truncated, 1);
  const looped = gatherAll(changed(0, { loop: { period: 2, length: 90 }, reads: 6000 }), expected);
  assert.deepEqual([tally(looped).looped, tally(looped).cr], [1, 18 / 11]);
});

test("intervals by problem: all or nothing, no spread, a spread", () => {
  assert.deepEqual(scoreInterval([1, 0, 1, 1]), wilson(3, 4));
  const alike = scoreInterval([0.5, 0.5]);
  assert.ok(alike.mean === 0.5 && alike.low < 0.2 && alike.high > 0.8, JSON.stringify(alike));
  const shares = Array.from({ length: 50 }, (_, i) => i / 50);
  assert.deepEqual(scoreInterval(shares), bootstrapMean(shares));
  const { low, high } = bootstrapMean(shares);
  const half = 1.96 * Math.sqrt((50 ** 2 - 1) / 12 / 50 ** 2 / 50);
  near(low, 0.49 - half, 0.01);
  near(high, 0.49 + half, 0.01);
  // A statistic that is undefined in some draws says how often.
  const odd = bootstrap(3, (drawn) => (drawn[0] === 0 ? null : drawn[0]), { resamples: 3000, seed: 1 });
  near(odd.undefinedDraws / 3000, 1 / 3, 0.03);
  assert.deepEqual([odd.low, odd.high], [1, 2]);
  assert.ok(Number.isNaN(bootstrap(2, () => null, { resamples: 100 }).low));
  assert.throws(() => bootstrap(0, () => 0), { code: "bad-argument" });
  assert.throws(() => bootstrap(3, () => 0, { resamples: 99 }), { code: "bad-argument" });
});

test("loops: the longest periodic tail, as its definition says", () => {
  const slow = (items: readonly number[], least: number, repeats: number) => {
    for (let length = items.length; length >= least; length--) {
      const tail = items.slice(items.length - length);
      for (let period = 1; period * repeats <= length; period++)
        if (tail.every((item, i) => i < period || item === tail[i - period])) return { period, length };
    }
    return null;
  };
  const rng = seeded(5);
  let found = 0;
  for (let i = 0; i < 400; i++) {
    const period = 1 + rng.below(5);
    const pattern = Array.from({ length: period }, () => rng.below(3));
    const items = [
      ...Array.from({ length: rng.below(12) }, () => rng.below(3)),
      ...Array.from({ length: rng.below(30) }, (_, j) => pattern[j % period]),
    ];
    const loop = loopOf(items, { least: 8, repeats: 3 });
    assert.deepEqual(loop, slow(items, 8, 3), items.join());
    if (loop) found++;
  }
  assert.ok(found > 100 && found < 390, `${found}`);
  const wait = Array.from({ length: 200 }, (_, i) => [7, 8, 9][i % 3]);
  assert.deepEqual(loopOf([1, 2, 3, 4, ...wait]), { period: 3, length: 200 });
  assert.equal(loopOf([...wait, 1]), null); // it got out of it
  assert.equal(loopOf(Array.from({ length: 500 }, (_, i) => i)), null);
  assert.equal(loopOf([]), null);
  const started = performance.now();
  assert.deepEqual(loopOf(new Int32Array(1_000_000)), { period: 1, length: 16_384 });
  assert.ok(performance.now() - started < 500);
});

const folder = fileURLToPath(new URL("../../../shared/data/trajectories/", import.meta.url));

/** What the authors of Parallel-Probe report for a majority of 64 of these chains; orders move it by a point or so. */
const REPORTED = { "qwen3-8b-aime24": [80.4, 910.8], "qwen3-8b-aime25": [76.7, 1124.4] } as const;

for (const [name, [accuracy, kiloTokens]] of Object.entries(REPORTED))
  test(`recorded chains of a real model: ${name}`, (t) => {
    const file = `${folder}${name}.jsonl`;
    if (!existsSync(file)) return t.skip("UNRUN: no shared trajectories");
    const rows = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .flatMap((line) => {
        const { problem, gold, chains } = JSON.parse(line);
        return chains.map(({ tokens, answer }: { tokens: number; answer: string }, i: number) => {
          const key = /^\d+$/.test(answer) ? String(Number(answer)) : null;
          return row(String(problem), i, key, { tokens, score: Number(key === String(Number(gold))) });
        });
      });
    const expected = { problems: Array.from({ length: 30 }, (_, i) => String(i)), width: 128 };
    const problems = gatherAll(rows, expected);
    near(100 * majorityAtK(problems, 64).mean, accuracy, 1.5);
    near(mean(problems.map((problem) => costOf(problem, 64, "tokens"))) / 1000, kiloTokens, 0.02 * kiloTokens);
    near(majorityAtK(problems, 1).mean, averageScore(problems).mean, 1e-9);
    near(passAtK(problems, 1)!.mean, averageScore(problems).mean, 1e-9);
    near(passAtK(problems, 128)!.mean, passAtAll(problems).mean);
    for (const k of [4, 16]) {
      const exact = majorityAtK(problems, k);
      const drawn = majorityAtK(problems, k, { work: 0, subsets: 400, seed: k });
      near(exact.mean, drawn.mean, 0.01);
      assert.ok(passAtK(problems, k)!.mean >= exact.mean);
    }
    const lost = rows.filter((_, i) => i !== 1000);
    assert.deepEqual(
      gather(lost, expected).faults.map(({ kind, problem, chain }) => [kind, problem, chain]),
      [["missing", "7", 104]],
    );
  });
