// Tables that put lines beside each other.

import { accuracyName, BUDGET_NAMES, column, lengthName } from "./columns.ts";
import type { EqualCost } from "./equal-cost.ts";
import type { LineGap } from "./frontiers.ts";
import { runOf } from "./lines.ts";
import { BUDGETS } from "./points.ts";
import type { TaskReport } from "./report.ts";
import type { Cell, Table } from "./table.ts";

/** Of lines, and within a line and ratio of one chain, longer, less more chains of the shortest length. */
const allGaps = ({ gaps, equalCosts }: TaskReport): LineGap[] => [
  ...gaps,
  ...equalCosts.map(({ budget, line, size, ways, depthOverWidth }): LineGap => {
    const name = `${line} ${size}`.trim();
    const points: LineGap["points"] = [ways[0].points.length, ways.at(-1)!.points.length];
    return { budget, from: `${name}, ${wayName(ways[0])}`, to: `${name}, depth`, gap: depthOverWidth, points };
  }),
];

const gapCell = ({ gap }: LineGap): Cell => gap && { mean: gap.mean, low: gap.low, high: gap.high };

/** By budget beside each other. */
export function meanGaps(task: TaskReport): Table {
  const pairs = Map.groupBy(allGaps(task), ({ from, to }) => JSON.stringify([to, from]));
  return {
    name: "mean-gaps",
    title: "Mean gap between frontiers",
    about:
      "Accuracy of one frontier less that of another, the mean over the log of the budgets that both cover; empty where they cover none in common. Of each line; and within a line, of one chain, longer, less more chains of the shortest length. gaps.csv has the budgets and numbers of points.",
    columns: [
      column("line", "frontier", "text"),
      column("baseline", "less that of", "text"),
      ...BUDGETS.map((budget) => column(budget, BUDGET_NAMES[budget], "gain", true)),
    ],
    rows: [...pairs.values()].map((some) => [
      some[0].to,
      some[0].from,
      ...BUDGETS.map((budget) => {
        const found = some.find((gap) => gap.budget === budget);
        return found ? gapCell(found) : null;
      }),
    ]),
  };
}

export const gaps = (task: TaskReport): Table => ({
  name: "gaps",
  title: "Mean gap between frontiers",
  about: "",
  long: true,
  columns: [
    column("budget", "budget", "text"),
    column("line", "frontier", "text"),
    column("baseline", "less that of", "text"),
    column("gap", "mean gap", "gain", true),
    column("from", "from", "number"),
    column("to", "to", "number"),
    column("points", "points", "count"),
    column("baseline_points", "points of the other", "count"),
    column("undefined_draws", "draws without a common budget", "count"),
  ],
  rows: allGaps(task).map((each) => [
    BUDGET_NAMES[each.budget],
    each.to,
    each.from,
    gapCell(each),
    each.gap?.from ?? null,
    each.gap?.to ?? null,
    each.points[1],
    each.points[0],
    each.gap?.undefinedDraws ?? null,
  ]),
});

/** The frontier of all lines together, cheapest first. */
export function best({ kind, frontiers, settings }: TaskReport): Table {
  const byId = new Map(settings.map((setting) => [setting.id, setting]));
  return {
    name: "best",
    title: "What to run for a budget",
    about: `For each budget: what no cheaper setting reaches. ${accuracyName(kind, "w")} of w chains; L-W-CR: most tokens, chains, ratio as asked for. Each is the best of many, so a little too high.`,
    columns: [
      column("budget", "budget", "text"),
      column("cost", "cost", "number"),
      column("accuracy", "accuracy", "share", true),
      column("line", "line", "text"),
      column("run", "L-W-CR", "text"),
      column("setting", "measured in", "text"),
    ],
    rows: BUDGETS.flatMap((budget) => {
      const steps = frontiers
        .filter((frontier) => frontier.budget === budget)
        .flatMap(({ line, steps }) => steps.map((step) => ({ ...step, line })))
        .sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy);
      let reached = Number.NEGATIVE_INFINITY;
      return steps.flatMap(({ cost, accuracy, line, setting, width }): Cell[][] => {
        if (accuracy <= reached) return [];
        reached = accuracy;
        const of = byId.get(setting)!;
        const interval = of.widths.find((point) => point.width === width)!.accuracy;
        return [[BUDGET_NAMES[budget], cost, interval, line, runOf(of, width), setting]];
      });
    }),
  };
}

/** All ways, of each line and ratio. */
const waysOf = ({ ways, mixed }: EqualCost) => [...ways, { kind: "mixed", length: null, accuracy: mixed.accuracy }];

export function equalReads({ kind, equalCosts }: TaskReport): Table {
  const shown = equalCosts.filter(({ budget }) => budget === "reads");
  const all = shown.flatMap(waysOf).sort((a, b) => (a.length ?? Infinity) - (b.length ?? Infinity));
  const names = [...new Set(all.map(wayName))];
  return {
    name: "equal-reads",
    title: "Width, depth and mixed at equal KV reads",
    about: `${accuracyName(kind, "w")}. Width: more chains of one length; depth: one chain, longer; mixed: the best of both. Empty: not covered. equal-cost.csv has the other budgets.`,
    columns: [
      column("line", "line", "text"),
      column("size", "size", "text"),
      column("reads", "KV reads", "number"),
      ...names.map((name) => column(name, name, "share", true)),
    ],
    rows: shown.flatMap((each) => {
      const ways = waysOf(each);
      return each.budgets.map((cost, b): Cell[] => [
        each.line,
        each.size,
        cost,
        ...names.map((name) => ways.find((way) => wayName(way) === name)?.accuracy[b] ?? null),
      ]);
    }),
  };
}

export const equalCost = ({ kind, equalCosts }: TaskReport): Table => ({
  name: "equal-cost",
  title: "Width, depth and mixed at equal cost",
  about: "",
  long: true,
  columns: [
    column("budget", "budget", "text"),
    column("line", "line", "text"),
    column("size", "size", "text"),
    column("way", "way", "text"),
    column("cost", "cost", "number"),
    column("accuracy", accuracyName(kind, "w"), "share", true),
  ],
  rows: equalCosts.flatMap((each) =>
    each.budgets.flatMap((cost, b) =>
      waysOf(each).flatMap((way): Cell[][] =>
        way.accuracy[b] ? [[BUDGET_NAMES[each.budget], each.line, each.size, wayName(way), cost, way.accuracy[b]]] : [],
      ),
    ),
  ),
});

export const wayName = ({ kind, length }: { kind: string; length: number | null }): string =>
  length === null ? kind : `${kind} at ${lengthName(length)}`;
