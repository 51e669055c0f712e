import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { accuracyAt, frontierGap, frontierOf, gapOf, type Point, pointOf } from "../../src/eval/metrics/frontier.ts";
import { budgetName } from "../../src/scale/budget.ts";
import { row, said } from "../support/rows.ts";

const near = (a: number, b: number, tolerance = 1e-12) => assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);
const of = (...points: [number, number][]) => frontierOf(points.map(([cost, accuracy]) => ({ cost, accuracy })));

test("a frontier: beaten points go, between its steps it is linear in the log of the budget, after them level", () => {
  const frontier = of([100, 0.5], [10, 0.2], [40, 0.1], [100, 0.4], [1000, 0.5], [10, 0.1]);
  assert.deepEqual(frontier, {
    steps: [
      { cost: 10, accuracy: 0.2, of: 1 },
      { cost: 100, accuracy: 0.5, of: 0 },
    ],
    upTo: 1000,
  });
  near(accuracyAt(frontier, 10)!, 0.2);
  near(accuracyAt(frontier, Math.sqrt(1000))!, 0.35);
  near(accuracyAt(frontier, 100)!, 0.5);
  near(accuracyAt(frontier, 700)!, 0.5);
  assert.equal(accuracyAt(frontier, 9), null);
  assert.equal(accuracyAt(frontier, 1001), null);
  assert.throws(() => frontierOf([]), { code: "bad-argument" });
  assert.throws(() => of([0, 1]), { code: "bad-argument" });
  assert.throws(() => of([Number.NaN, 1]), { code: "bad-argument" });
});

test("the gap: by hand, over what both cover only", () => {
  const a = of([10, 0.2], [1000, 0.6]); // rises by 0.2 a decade
  const shifted = of([10, 0.3], [1000, 0.7]);
  const gap = gapOf(a, shifted)!;
  near(gap.mean, 0.1);
  assert.deepEqual([gap.from, gap.to], [10, 1000]);
  near(gapOf(shifted, a)!.mean, -0.1);
  // b: 0.4 from 100 on, measured up to 10,000. Both cover 100 to 1000: a rises from 0.4 to 0.6 there.
  const level = gapOf(a, of([100, 0.4], [10_000, 0.3]))!;
  near(level.mean, -0.1);
  assert.deepEqual([level.from, level.to], [100, 1000]);
  // b steps at 100: 0 at 10, 0.4 at 100, 0.4 at 1000. Triangles by decade: (-0.2 + 0) / 2, (0 - 0.2) / 2.
  near(gapOf(a, of([10, 0], [100, 0.4], [1000, 0.4]))!.mean, -0.1);
  // Four times cheaper everywhere is worth log 4 of the slope.
  near(gapOf(a, of([2.5, 0.2], [250, 0.6]))!.mean, gapOfCheaper(), 1e-12);
  assert.equal(gapOf(a, of([2000, 0.9])), null);
  assert.equal(gapOf(a, of([1000, 0.9])), null);
  assert.equal(gapOf(a, of([1, 0.1], [10, 0.3])), null);
});

/** 0.2 log10(4) from 10 to 250, then level at 0.6 is not covered: b was measured up to 250. */
const gapOfCheaper = (): number => 0.2 * Math.log10(4);

const setting = (length: number, width: number, cr: number) => ({ length, width, cr, policy: cr > 1 ? "dms" : "full" });

test("points of a run: the vote of w chains, what w chains cost, failures told", () => {
  const problems = [said(["1", "2", "1", "3"]), said(["2", "1", null, "1"], "b")];
  const point = pointOf(problems, setting(2048, 2, 4), "reads");
  assert.equal(budgetName(point.setting), "2k-2-4");
  assert.deepEqual(point.problems, ["a", "b"]);
  assert.deepEqual(point.cost, [2000, 2000]);
  // a: of 01 02 03 12 13 23, all but 12 and 13 are the right one's, first or alone. b: 01 2, 02 2, 03 2, 12 1, 13 1, 23
  // 1.
  near(point.accuracy[0], 4 / 6);
  near(point.accuracy[1], 3 / 6);
  near(pointOf(problems, setting(2048, 2, 4), "reads", "pass").accuracy[1], 5 / 6);
  assert.deepEqual(pointOf(problems, setting(100, 4, 1), "peakKeys").cost, [10 + 4 * 40, 10 + 4 * 40]);
  assert.equal(budgetName(setting(100, 4, 1)), "100-4-1");
  assert.equal(point.failed, 0);
  const broken = { problem: "c", chains: [row("c", 0, null, { end: "failed", reads: 3 }), row("c", 1, "1")] };
  assert.equal(pointOf([broken], setting(100, 1, 1), "reads").failed, 1);
  assert.throws(() => pointOf(problems, setting(2048, 5, 4), "reads"), { code: "bad-argument" });
  assert.throws(() => pointOf(problems, setting(2048, 5, 4), "reads", "pass"), { code: "bad-argument" });
});

/** Points of `problems` problems with these chances to be right, drawn anew, at costs 1, 10, 100. */
function drawn(
  rng: ReturnType<typeof seeded>,
  chances: readonly number[],
  hard: readonly number[],
  cr: number,
): Point[] {
  const problems = hard.map((_, i) => String(i));
  return chances.map((chance, at) => ({
    setting: setting(1024, 10 ** at, cr),
    problems,
    accuracy: hard.map((h) => {
      let right = 0;
      for (let i = 0; i < 8; i++) right += Number(rng.next() < chance - h);
      return right / 8;
    }),
    cost: hard.map(() => 10 ** at),
    failed: 0,
  }));
}

test("the gap's estimate is unbiased where frontiers are clear, and its interval covers the truth", () => {
  const rng = seeded(11);
  const low = [0.3, 0.5, 0.7];
  const high = [0.4, 0.6, 0.8];
  const gaps: number[] = [];
  let covered = 0;
  for (let i = 0; i < 200; i++) {
    const hard = Array.from({ length: 40 }, () => 0.25 * (rng.next() - 0.5));
    const gap = frontierGap(drawn(rng, low, hard, 1), drawn(rng, high, hard, 4), { resamples: 200, seed: i })!;
    assert.equal(gap.undefinedDraws, 0);
    gaps.push(gap.mean);
    covered += Number(gap.low <= 0.1 && 0.1 <= gap.high);
  }
  const middle = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  near(middle, 0.1, 0.006);
  near(covered / 200, 0.95, 0.045);
});

test("gaps are paired by problem, repeat with their seed, and refuse other problems", () => {
  const rng = seeded(12);
  const hard = Array.from({ length: 60 }, () => 0.5 * rng.next());
  const a = drawn(rng, [0.5, 0.6, 0.7], hard, 1);
  // The same chains, each problem 0.05 better: however hard problems are drawn, the gap is the same.
  const b = a.map((point) => ({ ...point, accuracy: point.accuracy.map((x) => x + 0.05) }));
  const gap = frontierGap(a, b)!;
  near(gap.mean, 0.05);
  near(gap.low, 0.05, 1e-9);
  near(gap.high, 0.05, 1e-9);
  const c = drawn(rng, [0.5, 0.65, 0.8], hard, 4);
  assert.deepEqual(frontierGap(a, c, { seed: 5, resamples: 300 }), frontierGap(a, c, { seed: 5, resamples: 300 }));
  assert.notDeepEqual(frontierGap(a, c, { seed: 5, resamples: 300 }), frontierGap(a, c, { seed: 6, resamples: 300 }));
  const other = c.map((point, i) => (i === 1 ? { ...point, problems: [...point.problems].reverse() } : point));
  assert.throws(() => frontierGap(a, other), { code: "bad-argument", message: /same problems.*1k-10-4/ });
  assert.equal(
    frontierGap(
      a,
      c.map((point) => ({ ...point, cost: point.cost.map((x) => x * 1e6) })),
    ),
    null,
  );
  // Two cheap problems bring costs down to 97 to 9667: a draw without them shares no budgets with 1 to 100.
  const uneven = c.map((point) => ({ ...point, cost: point.cost.map((x, i) => (i < 2 ? 0.001 : 100) * x) }));
  near(frontierGap(a, uneven, { resamples: 1000 })!.undefinedDraws / 1000, (58 / 60) ** 60, 0.04);
});

test("draws in which a point costs nothing have no gap, and are counted", () => {
  const problems = ["a", "b", "c"];
  const at = (cost: readonly number[], accuracy: readonly number[]): Point => {
    return { setting: setting(1024, 1, 1), problems, cost, accuracy, failed: 2 };
  };
  const cheap = at([0, 0, 3], [0, 0, 1]); // a failure took no token
  const dear = at([6, 6, 6], [1, 0, 1]);
  const gap = frontierGap([cheap, dear], [at([1, 1, 1], [0, 1, 1]), dear], { resamples: 500 })!;
  // Draws without c: 8 of 27.
  assert.ok(Math.abs(gap.undefinedDraws / 500 - 8 / 27) < 0.1, `${gap.undefinedDraws}`);
  assert.ok(gap.low <= gap.mean && gap.mean <= gap.high, JSON.stringify(gap));
});
