import type { RecordedSetting, RecordedTask } from "../harness/record.ts";
import { type Budget, costOf } from "../metrics/cost.ts";
import { type Point, pointOf } from "../metrics/frontier.ts";
import type { Run } from "./complete.ts";

export const BUDGETS: readonly Budget[] = ["reads", "tokens", "peakKeys", "peakBytes"];

export const perBudget = <T>(of: (budget: Budget) => T): Record<Budget, T> =>
  Object.fromEntries(BUDGETS.map((budget) => [budget, of(budget)])) as Record<Budget, T>;

/** w of a setting's W chains: their accuracy and their costs, by problem. */
export interface GridPoint {
  setting: RecordedSetting;
  width: number;
  problems: readonly string[];
  accuracy: readonly number[];
  costs: Record<Budget, readonly number[]>;
  failed: number; // chains of the run
}

/** 1, 2, 4, .. and W. */
export const widthsOf = (width: number): number[] => {
  const widths: number[] = [];
  for (let w = 1; w < width; w *= 2) widths.push(w);
  return [...widths, width];
};

/** A run's points: by pass@w where answers can be checked, else by the vote. */
export function gridOf({ setting, problems }: Run, kind: RecordedTask["kind"]): GridPoint[] {
  return widthsOf(problems[0].chains.length).map((width) => {
    const costs = perBudget((budget) => problems.map((problem) => costOf(problem, width, budget)));
    const point = pointOf(problems, { ...setting, width }, "reads", kind === "pass" ? "pass" : "vote");
    return { setting, width, problems: point.problems, accuracy: point.accuracy, costs, failed: point.failed };
  });
}

/** The same as a frontier of one budget takes it. */
export const pointsFor = (grid: readonly GridPoint[], budget: Budget): Point[] =>
  grid.map(({ setting, width, problems, accuracy, costs, failed }) => ({
    setting: { ...setting, width },
    problems,
    accuracy,
    cost: costs[budget],
    failed,
  }));
