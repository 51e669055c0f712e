// The best accuracy of each line for a budget, and how far lines lie apart.

import type { RecordedSetting } from "../harness/record.ts";
import type { Budget } from "../metrics/cost.ts";
import { type FrontierGap, frontierGap, frontierOf, meansOf } from "../metrics/frontier.ts";
import { BUDGETS, type GridPoint, pointsFor } from "./points.ts";

/** A point that no other of its line beats at its cost or less. */
export interface FrontierStep {
  setting: string; // id
  width: number; // chains of its run
  cost: number;
  accuracy: number;
}

export interface LineFrontier {
  budget: Budget;
  line: string;
  points: number; // of which the best were taken
  failed: number; // chains of these runs: a failed one cost too little
  steps: FrontierStep[];
  /** So far it is known that more budget brings no more. */
  upTo: number;
}

export interface LineGap {
  budget: Budget;
  from: string; // a line
  to: string;
  /** The mean of `to` less `from`. null: the two have no stretch of budgets in common. */
  gap: FrontierGap | null;
  points: [from: number, to: number];
}

/** Points of each line, cheapest setting first as they were given. */
export const byLine = (grid: readonly GridPoint[], lines: ReadonlyMap<string, string>): Map<string, GridPoint[]> =>
  Map.groupBy(grid, ({ setting }) => lines.get(setting.id)!);

/** Whether a budget can be a logarithmic axis: a record may not tell of bytes, say. */
export const isMeasured = (grid: readonly GridPoint[], budget: Budget): boolean =>
  grid.every(({ costs }) => costs[budget].some((cost) => cost > 0));

export function lineFrontiers(lines: ReadonlyMap<string, readonly GridPoint[]>): LineFrontier[] {
  return [...lines].flatMap(([line, grid]) =>
    BUDGETS.filter((budget) => isMeasured(grid, budget)).map((budget) => {
      const { steps, upTo } = frontierOf(pointsFor(grid, budget).map(meansOf));
      const failed = new Map(grid.map((point) => [point.setting.id, point.failed]));
      return {
        budget,
        line,
        points: grid.length,
        failed: [...failed.values()].reduce((sum, n) => sum + n, 0),
        steps: steps.map(({ cost, accuracy, of }) => ({
          setting: grid[of].setting.id,
          width: grid[of].width,
          cost,
          accuracy,
        })),
        upTo,
      };
    }),
  );
}

/** Each line against its baseline's. `baseOf`: the line that one is compared with, null: with none. */
export function lineGaps(
  lines: ReadonlyMap<string, readonly GridPoint[]>,
  baseOf: (settings: readonly RecordedSetting[]) => string | null,
): LineGap[] {
  return [...lines].flatMap(([to, grid]) => {
    const from = baseOf(grid.map(({ setting }) => setting));
    const base = from === null || from === to ? undefined : lines.get(from);
    if (!base) return [];
    const shared = BUDGETS.filter((budget) => isMeasured(grid, budget) && isMeasured(base, budget));
    return shared.map((budget) => ({
      budget,
      from: from!,
      to,
      gap: frontierGap(pointsFor(base, budget), pointsFor(grid, budget)),
      points: [base.length, grid.length] as [number, number],
    }));
  });
}
