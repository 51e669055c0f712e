// Where a budget goes: into more chains (width), longer ones (depth), or both, of one line at one size of the cache.

import type { Budget } from "../metrics/cost.ts";
import {
  accuracyAt,
  type Frontier,
  type FrontierGap,
  frontierGap,
  frontierOf,
  meansOf,
  type Point,
} from "../metrics/frontier.ts";
import { bootstrapAll, type Interval, meanAt } from "../metrics/interval.ts";
import { isMeasured } from "./frontiers.ts";
import { sizeOf } from "./lines.ts";
import { BUDGETS, type GridPoint, pointsFor } from "./points.ts";

/** Chains of one length, in number; or one chain, longer. */
export interface Way {
  kind: "width" | "depth";
  /** Of width: most tokens of each chain. */
  length: number | null;
  points: { setting: string; width: number; cost: number; accuracy: number }[];
  /** At each of the budgets; null: it was not measured there. */
  accuracy: (Interval | null)[];
}

export interface EqualCost {
  budget: Budget;
  line: string;
  /** How much is kept, as `sizeOf` says it. */
  size: string;
  budgets: number[];
  ways: Way[];
  /** The best of all ways, and of the frontier of all their points. */
  mixed: {
    accuracy: (Interval | null)[];
    curve: { cost: number; accuracy: number }[];
  };
  /** One chain, longer, less chains of the shortest length, over the budgets that both cover. */
  depthOverWidth: FrontierGap | null;
}

/** Budgets at which accuracies are told, as many as fit in a table; and those that a curve is drawn through. */
const STEPS = 5;
const CURVE = 96;

/** For each line and size of the cache that was run at two lengths or more, of two chains or more. */
export const equalCosts = (lines: ReadonlyMap<string, readonly GridPoint[]>): EqualCost[] =>
  [...lines].flatMap(([line, grid]) =>
    sizesOf(grid).flatMap(([size, plane]) =>
      BUDGETS.filter((budget) => isMeasured(plane, budget)).flatMap((budget) => {
        const found = equalCost(plane, budget);
        return found ? [{ budget, line, size, ...found }] : [];
      }),
    ),
  );

const sizesOf = (grid: readonly GridPoint[]): [string, GridPoint[]][] =>
  [...Map.groupBy(grid, ({ setting }) => sizeOf(setting))].sort(([, [a]], [, [b]]) => a.setting.cr - b.setting.cr);

function equalCost(plane: readonly GridPoint[], budget: Budget): Omit<EqualCost, "budget" | "line" | "size"> | null {
  const lengths = [...new Set(plane.map(({ setting }) => setting.length))].sort((a, b) => a - b);
  if (lengths.length < 2 || !plane.some(({ width }) => width > 1)) return null;
  const points = pointsFor(plane, budget);
  const indices = (is: (point: GridPoint) => boolean) => [...plane.keys()].filter((i) => is(plane[i]));
  const ways = [
    ...lengths.map((length) => ({
      kind: "width" as const,
      length,
      of: indices(({ setting }) => setting.length === length),
    })),
    { kind: "depth" as const, length: null, of: indices(({ width }) => width === 1) },
  ];
  const groups = [...ways.map(({ of }) => of), [...plane.keys()]];
  const means = points.map(meansOf);
  const frontiers = groups.map((of) => frontierOf(of.map((i) => means[i])));
  const budgets = spread(frontiers.at(-1)!, STEPS).map((cost) => Number(cost.toPrecision(2)));
  const accuracies = accuraciesAt(points, groups, budgets);
  const sub = (of: readonly number[]) => of.map((i) => points[i]);
  return {
    budgets,
    ways: ways.map(({ kind, length, of }, i) => ({
      kind,
      length,
      points: of.map((j) => ({ setting: plane[j].setting.id, width: plane[j].width, ...means[j] })),
      accuracy: accuracies[i],
    })),
    mixed: {
      accuracy: accuracies.at(-1)!,
      curve: spread(frontiers.at(-1)!, CURVE).flatMap((cost) => {
        const accuracy = bestAt(frontiers, cost);
        return accuracy === null ? [] : [{ cost, accuracy }];
      }),
    },
    depthOverWidth: frontierGap(sub(groups[0]), sub(groups[lengths.length])),
  };
}

/** Budgets at equal ratios, inside of what a frontier covers. */
function spread({ steps, upTo }: Frontier, count: number): number[] {
  const from = steps[0].cost;
  return Array.from({ length: count }, (_, i) => from * (upTo / from) ** ((i + 0.5) / count));
}

/** The best of several frontiers. A frontier of more points may be the lower one between two of its steps. */
function bestAt(frontiers: readonly Frontier[], budget: number): number | null {
  const reached = frontiers.map((frontier) => accuracyAt(frontier, budget)).filter((accuracy) => accuracy !== null);
  return reached.length > 0 ? Math.max(...reached) : null;
}

/**
 * By group of points and budget, with intervals over the draws of problems in which that is covered; of the last group,
 * the best of all.
 */
function accuraciesAt(
  points: readonly Point[],
  groups: readonly (readonly number[])[],
  budgets: readonly number[],
): (Interval | null)[][] {
  const all = (means: readonly { cost: number; accuracy: number }[]): (number | null)[] => {
    if (means.some(({ cost }) => cost === 0)) return groups.flatMap(() => budgets.map(() => null));
    const frontiers = groups.map((of) => frontierOf(of.map((i) => means[i])));
    return frontiers.flatMap((frontier, g) =>
      budgets.map((budget) => (g < groups.length - 1 ? accuracyAt(frontier, budget) : bestAt(frontiers, budget))),
    );
  };
  const whole = all(points.map(meansOf));
  const ends = bootstrapAll(
    points[0].problems.length,
    whole.length,
    (drawn) =>
      all(points.map(({ cost, accuracy }) => ({ cost: meanAt(cost, drawn), accuracy: meanAt(accuracy, drawn) }))),
    { resamples: 2000 },
  );
  return groups.map((_, g) =>
    budgets.map((_, b) => {
      const at = g * budgets.length + b;
      return whole[at] === null ? null : { mean: whole[at], low: ends[at].low, high: ends[at].high };
    }),
  );
}
