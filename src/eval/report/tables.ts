// The tables of a task's report.

import { budgetName } from "../../scale/budget.ts";
import type { Budget } from "../metrics/cost.ts";
import type { EqualCost } from "./equal-cost.ts";
import type { SettingResult } from "./measure.ts";
import { BUDGETS } from "./points.ts";
import type { TaskReport } from "./report.ts";
import type { Cell, Column, Table } from "./table.ts";

export const BUDGET_NAMES: Record<Budget, string> = {
  reads: "KV reads",
  tokens: "tokens",
  peakKeys: "peak keys",
  peakBytes: "peak bytes",
};

const column = (name: string, title: string, unit: Column["unit"], interval = false): Column => ({
  name,
  title,
  unit,
  interval,
});
const unitOf = (budget: Budget): Column["unit"] => (budget === "peakBytes" ? "bytes" : "number");

/** What the accuracy of w chains is called. */
export const accuracyName = (kind: TaskReport["kind"], w: number | string): string =>
  kind === "pass" ? `pass@${w}` : kind === "vote" ? `maj@${w}` : "value";

/** Those with rows. */
export const tablesOf = (task: TaskReport): Table[] =>
  [accuracy, costs, ends, gaps, best, equalReads, byGroup, groups, points, equalCost]
    .map((table) => table(task))
    .filter(({ rows }) => rows.length > 0);

function accuracy({ kind, settings }: TaskReport): Table {
  const widths = [...new Set(settings.flatMap((s) => s.widths.map(({ width }) => width)))].sort((a, b) => a - b);
  const more = widths.filter((w) => w > 1);
  return {
    name: "accuracy",
    title: "Accuracy",
    about: `avg@1: mean score of chains. ${kind === "pass" ? "pass@k: the chance that one of k chains is right. " : kind === "vote" ? "maj@k: score of the vote of k chains. " : ""}Differences are paired by problem, from the setting's baseline, of as many chains each.`,
    columns: [
      column("setting", "setting", "text"),
      column("model", "model", "text"),
      column("avg", "avg@1", "share", true),
      ...more.map((w) => column(accuracyName(kind, w), accuracyName(kind, w), "share", true)),
      column("baseline", "baseline", "text"),
      column("avg_difference", "avg@1 less the baseline's", "gain", true),
      column("difference", `${accuracyName(kind, "k")} less the baseline's`, "gain", true),
      column("difference_chains", "k", "count"),
    ],
    rows: settings.map(({ id, model, average, widths: own, difference }) => [
      id,
      model,
      average,
      ...more.map((w) => own.find(({ width }) => width === w)?.accuracy ?? null),
      difference?.baseline ?? null,
      difference?.average ?? null,
      difference?.accuracy ?? null,
      difference?.width ?? null,
    ]),
  };
}

const costs = ({ settings }: TaskReport): Table => ({
  name: "cost",
  title: "Cost of all chains of a problem",
  about:
    "Achieved CR: what the full cache would have read over what was read. Keys and reads are means over layers and KV heads; peaks as if all chains peaked at one time, the prompt once.",
  columns: [
    column("setting", "setting", "text"),
    column("chains", "chains", "count"),
    column("cr", "achieved CR", "ratio", true),
    ...BUDGETS.map((budget) => column(budget, BUDGET_NAMES[budget], unitOf(budget), true)),
    column("seconds", "seconds a chain", "number", true),
    column("prompt_tokens", "prompt tokens", "number"),
    column("prompt_peak_keys", "prompt's peak keys", "number"),
  ],
  rows: settings.map(({ id, width, achieved, widths, seconds, prompt }) => [
    id,
    width,
    achieved,
    ...BUDGETS.map((budget) => widths.at(-1)!.costs[budget]),
    seconds,
    prompt.tokens,
    prompt.peakKeys,
  ]),
});

const ENDS = ["abstained", "truncated", "failed", "looped"] as const;

const ends = ({ settings }: TaskReport): Table => ({
  name: "chains",
  title: "How chains ended",
  about:
    "Counts, and shares in percent. All of these chains count in every accuracy. Loops: one pattern of tokens fills the end.",
  columns: [
    column("setting", "setting", "text"),
    column("chains", "chains", "count"),
    ...ENDS.flatMap((name) => [
      column(name, name, "count"),
      column(`${name}_share`, `${name} of chains`, "share", true),
    ]),
    column("tokens", "tokens a chain", "number", true),
    column("median", "median", "count"),
    column("p90", "90th percentile", "count"),
    column("most", "most", "count"),
  ],
  rows: settings.map((s) => [
    s.id,
    s.chains,
    ...ENDS.flatMap((name): Cell[] => [s[name].chains, s[name].share]),
    s.tokens.mean,
    s.tokens.median,
    s.tokens.p90,
    s.tokens.most,
  ]),
});

function gaps({ gaps, equalCosts }: TaskReport): Table {
  const ways = equalCosts.map(({ budget, line, cr, ways, depthOverWidth }) => ({
    budget,
    from: `${line} CR ${cr}, ${wayName(ways[0])}`,
    to: `${line} CR ${cr}, depth`,
    gap: depthOverWidth,
    points: [ways[0].points.length, ways.at(-1)!.points.length],
  }));
  return {
    name: "gaps",
    title: "Mean gap between frontiers",
    about:
      "Accuracy of one frontier less that of another, the mean over the log of the budgets that both cover. Empty: they have none in common. Of a line's best points and, within it, of one chain, longer, less more chains of the shortest length.",
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
    rows: [...gaps, ...ways].map(({ budget, from, to, gap, points }) => [
      BUDGET_NAMES[budget],
      to,
      from,
      gap && { mean: gap.mean, low: gap.low, high: gap.high },
      gap?.from ?? null,
      gap?.to ?? null,
      points[1],
      points[0],
      gap?.undefinedDraws ?? null,
    ]),
  };
}

/** The frontier of all lines together, cheapest first. */
function best({ kind, frontiers, settings }: TaskReport): Table {
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
        return [[BUDGET_NAMES[budget], cost, interval, line, budgetName({ ...of, width }), setting]];
      });
    }),
  };
}

/** All ways, of each line and ratio. */
const waysOf = ({ ways, mixed }: EqualCost) => [...ways, { kind: "mixed", length: null, accuracy: mixed.accuracy }];

function equalReads({ kind, equalCosts }: TaskReport): Table {
  const shown = equalCosts.filter(({ budget }) => budget === "reads");
  const names = [...new Set(shown.flatMap((each) => waysOf(each).map(wayName)))];
  return {
    name: "equal-reads",
    title: "Width, depth and mixed at equal KV reads",
    about: `${accuracyName(kind, "w")}. Width: more chains of one length; depth: one chain, longer; mixed: the best of both. Empty: not covered. equal-cost.csv has the other budgets.`,
    columns: [
      column("line", "line", "text"),
      column("cr", "CR", "number"),
      column("reads", "KV reads", "number"),
      ...names.map((name) => column(name, name, "share", true)),
    ],
    rows: shown.flatMap((each) => {
      const ways = waysOf(each);
      return each.budgets.map((cost, b): Cell[] => [
        each.line,
        each.cr,
        cost,
        ...names.map((name) => ways.find((way) => wayName(way) === name)?.accuracy[b] ?? null),
      ]);
    }),
  };
}

const equalCost = ({ kind, equalCosts }: TaskReport): Table => ({
  name: "equal-cost",
  title: "Width, depth and mixed at equal cost",
  about: "",
  long: true,
  columns: [
    column("budget", "budget", "text"),
    column("line", "line", "text"),
    column("cr", "CR", "number"),
    column("way", "way", "text"),
    column("cost", "cost", "number"),
    column("accuracy", accuracyName(kind, "w"), "share", true),
  ],
  rows: equalCosts.flatMap((each) =>
    each.budgets.flatMap((cost, b) =>
      waysOf(each).flatMap((way): Cell[][] =>
        way.accuracy[b] ? [[BUDGET_NAMES[each.budget], each.line, each.cr, wayName(way), cost, way.accuracy[b]]] : [],
      ),
    ),
  ),
});

export const wayName = ({ kind, length }: { kind: string; length: number | null }): string =>
  length === null ? kind : `${kind} at ${length}`;

/** More groups than these are no columns. */
const MOST_COLUMNS = 12;

const byGroup = ({ groups, settings }: TaskReport): Table => ({
  name: "by-group",
  title: "avg@1 by group of problems",
  about: "Few problems a group: wide intervals. groups.csv has one row a group and setting.",
  columns: [
    column("setting", "setting", "text"),
    ...groups.map(({ group, problems }) => column(group, `${group} (${problems})`, "share", true)),
  ],
  rows:
    groups.length > MOST_COLUMNS || groups.length === 0
      ? []
      : settings.map(({ id }, i) => [id, ...groups.map(({ average }) => average[i].average)]),
});

const groups = ({ groups }: TaskReport): Table => ({
  name: "groups",
  title: "avg@1 by group of problems",
  about: "",
  long: true,
  columns: [
    column("group", "group", "text"),
    column("problems", "problems", "count"),
    column("setting", "setting", "text"),
    column("avg", "avg@1", "share", true),
  ],
  rows: groups.flatMap(({ group, problems, average }) =>
    average.map((each): Cell[] => [group, problems, each.setting, each.average]),
  ),
});

const points = ({ kind, settings }: TaskReport): Table => ({
  name: "points",
  title: "All points",
  about: "",
  long: true,
  columns: [
    column("setting", "setting", "text"),
    column("line", "line", "text"),
    column("policy", "policy", "text"),
    column("model", "model", "text"),
    column("length", "length", "count"),
    column("w", "w", "count"),
    column("asked_cr", "CR", "number"),
    column("cr", "achieved CR", "ratio", true),
    column(kind === "pass" ? "pass" : "maj", accuracyName(kind, "w"), "share", true),
    ...BUDGETS.map((budget) => column(budget, BUDGET_NAMES[budget], unitOf(budget), true)),
  ],
  rows: settings.flatMap((s: SettingResult) =>
    s.widths.map(({ width, accuracy: reached, costs: spent }): Cell[] => [
      s.id,
      s.line,
      s.policy,
      s.model,
      s.length,
      width,
      s.cr,
      s.achieved,
      reached,
      ...BUDGETS.map((budget) => spent[budget]),
    ]),
  ),
});
