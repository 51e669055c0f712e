// The best accuracy for a budget, out of a grid of measured points, and how far two such frontiers lie apart.

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import { budgetName, type ScalingBudget } from "../../scale/budget.ts";
import type { ProblemChains } from "./chain.ts";
import { type Budget, costOf } from "./cost.ts";
import { majorityAtK, passAtK } from "./estimators.ts";
import { bootstrap, type Interval, meanAt, type Resampling } from "./interval.ts";

/** What was run, and under which policy. */
export interface Setting extends ScalingBudget {
  policy: string;
}

/** One setting on a list of problems. */
export interface Point {
  setting: Setting;
  problems: readonly string[];
  accuracy: readonly number[]; // by problem, 0 to 1
  cost: readonly number[]; // by problem
  failed: number; // chains that an error ended: their costs are too low
}

/**
 * The point of w chains out of a run of W or more: the accuracy of their vote (or, where answers can be checked, the
 * chance that one of them is right) and their cost, both over all w-subsets. Throws `bad-argument` unless 1 <= w <= W.
 */
export function pointOf(
  problems: readonly ProblemChains[],
  setting: Setting,
  budget: Budget,
  by: "vote" | "pass" = "vote",
): Point {
  const { width } = setting;
  const cost = problems.map((problem) => costOf(problem, width, budget));
  const accuracy = by === "vote" ? majorityAtK(problems, width) : passAtK(problems, width)!;
  return {
    setting,
    problems: problems.map(({ problem }) => problem),
    accuracy: accuracy.perProblem,
    cost,
    failed: problems.reduce((sum, { chains }) => sum + chains.filter(({ end }) => end === "failed").length, 0),
  };
}

/** Accuracy by budget: piecewise linear in the log of the budget, and level after its last step. */
export interface Frontier {
  /** Points that none beats at their cost or less, cheapest first; `of`: their indices. */
  steps: { cost: number; accuracy: number; of: number }[];
  /** The dearest point that was measured: so far it is known that more budget brings no more. */
  upTo: number;
}

/** Throws `bad-argument` for no points, and for costs that have no logarithm. */
export function frontierOf(points: readonly { cost: number; accuracy: number }[]): Frontier {
  if (points.length === 0) throw badArgument("a frontier needs at least one point");
  const wrong = points.find(({ cost }) => !(cost > 0 && cost < Infinity));
  if (wrong) throw badArgument(`a frontier needs costs above 0, got ${wrong.cost}`);
  const order = points
    .map((point, of) => ({ cost: point.cost, accuracy: point.accuracy, of }))
    .sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy || a.of - b.of);
  const steps: Frontier["steps"] = [];
  for (const point of order) if (steps.length === 0 || point.accuracy > steps.at(-1)!.accuracy) steps.push(point);
  return { steps, upTo: order.at(-1)!.cost };
}

/** The frontier's accuracy at a budget; null outside of what it covers. */
export function accuracyAt({ steps, upTo }: Frontier, budget: number): number | null {
  if (!(budget >= steps[0].cost && budget <= upTo)) return null;
  const after = steps.findIndex(({ cost }) => cost > budget);
  if (after < 0) return steps.at(-1)!.accuracy;
  const [low, high] = [steps[after - 1], steps[after]];
  const share = Math.log(budget / low.cost) / Math.log(high.cost / low.cost);
  return low.accuracy + share * (high.accuracy - low.accuracy);
}

/** The budgets that two frontiers both cover, and the mean of b - a over them. */
export interface Gap {
  mean: number;
  from: number;
  to: number;
}

/**
 * The mean of b's accuracy less a's over the budgets that both cover, each ratio of budgets counting alike: the
 * integral over log budget, divided by its length. Exact, as both are piecewise linear in it. null where less than one
 * budget and another is covered by both.
 */
export function gapOf(a: Frontier, b: Frontier): Gap | null {
  const from = Math.max(a.steps[0].cost, b.steps[0].cost);
  const to = Math.min(a.upTo, b.upTo);
  if (!(to > from)) return null;
  const inside = [...a.steps, ...b.steps].map(({ cost }) => cost).filter((cost) => cost > from && cost < to);
  const at = [from, ...inside.sort((x, y) => x - y), to];
  const apart = at.map((budget) => accuracyAt(b, budget)! - accuracyAt(a, budget)!);
  let sum = 0;
  for (let i = 1; i < at.length; i++) sum += ((apart[i] + apart[i - 1]) / 2) * Math.log(at[i] / at[i - 1]);
  return { mean: sum / Math.log(to / from), from, to };
}

/** A gap with its interval; `undefinedDraws`: of the bootstrap, in which the two had no budgets in common. */
export interface FrontierGap extends Gap, Interval {
  undefinedDraws: number;
}

/**
 * The mean gap between the frontiers of two grids on the same problems, with its interval by bootstrap over problems,
 * paired: each draw takes the same problems for all points, and finds both frontiers anew. null where they have no
 * budgets in common. Throws `bad-argument` where two points are of other problems.
 */
export function frontierGap(
  a: readonly Point[],
  b: readonly Point[],
  { resamples = 2000, ...rest }: Resampling = {},
): FrontierGap | null {
  const all = [...a, ...b];
  const named = all[0]?.problems ?? [];
  const other = all.find(({ problems }) => problems.join("\n") !== named.join("\n"));
  if (other)
    throw badArgument(
      `frontiers are compared on the same problems: expected ${named.length} of them in one order at every point, got others at ${budgetName(other.setting)}`,
    );
  const gap = gapOf(frontierOf(a.map(meansOf)), frontierOf(b.map(meansOf)));
  if (gap === null) return null;
  const interval = bootstrap(
    named.length,
    (problems) => {
      const [from, to] = [drawnFrontier(a, problems), drawnFrontier(b, problems)];
      return from && to && (gapOf(from, to)?.mean ?? null);
    },
    { resamples, ...rest },
  );
  return { ...gap, ...interval };
}

/** The frontier on these problems, each as often as it is there; null where a point costs nothing on them. */
function drawnFrontier(points: readonly Point[], problems: Int32Array): Frontier | null {
  const means = points.map(({ cost, accuracy }) => ({
    cost: meanAt(cost, problems),
    accuracy: meanAt(accuracy, problems),
  }));
  return means.every(({ cost }) => cost > 0) ? frontierOf(means) : null;
}

/** A point's means over its problems. */
export const meansOf = ({ cost, accuracy }: Point): { cost: number; accuracy: number } => ({
  cost: mean(cost),
  accuracy: mean(accuracy),
});
