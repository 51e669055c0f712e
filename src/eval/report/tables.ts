// The tables of a task's report.

import { accuracyName, averageName, BUDGET_NAMES, column, unitOf } from "./columns.ts";
import { best, equalCost, equalReads, gaps, meanGaps } from "./compare-tables.ts";
import type { SettingResult } from "./measure.ts";
import { BUDGETS } from "./points.ts";
import type { TaskReport } from "./report.ts";
import { grades, merges } from "./spelling-tables.ts";
import type { Cell, Table } from "./table.ts";

/** Those with rows. */
export const tablesOf = (task: TaskReport): Table[] =>
  (task.kind === "value"
    ? [values, costs, byGroup, groups]
    : [accuracy, costs, ends, meanGaps, best, equalReads, byGroup, merges, grades, gaps, groups, points, equalCost]
  )
    .map((table) => table(task))
    .filter(({ rows }) => rows.length > 0);

/** Of what has no chains: likeliest choices, texts. */
function values({ kind, measure, settings }: TaskReport): Table {
  const name = averageName({ kind, measure });
  const [unit, gain] = measure ? (["precise", "precise"] as const) : (["share", "gain"] as const);
  return {
    name: measure ?? "choices",
    title: measure ? "Perplexity" : "Accuracy of the likeliest choice",
    about: `Differences are paired by ${measure ? "window, of losses in nats a token: less is better" : "problem"}, from the setting's baseline.`,
    columns: [
      column("setting", "setting", "text"),
      column("model", "model", "text"),
      column(name, name, unit, true),
      column("failed", "failed", "count"),
      column("baseline", "baseline", "text"),
      column("difference", `${measure ? "loss" : name} less the baseline's`, gain, true),
    ],
    rows: settings.map(({ id, model, average, failed, difference }) => [
      id,
      model,
      average,
      failed.chains,
      difference?.baseline ?? null,
      difference?.average ?? null,
    ]),
  };
}

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
  rows: settings.map(({ id, achieved, widths, seconds, prompt }) => [
    id,
    widths.at(-1)!.width,
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
    "Counts, and shares in percent. All of these chains count in every accuracy. Loops: one pattern of tokens fills the end. Merged: the spelling of an answer was taken for another's. Lenient: graded more leniently than answers vote.",
  columns: [
    column("setting", "setting", "text"),
    column("chains", "chains", "count"),
    ...ENDS.flatMap((name) => [
      column(name, name, "count"),
      column(`${name}_share`, `${name} of chains`, "share", true),
    ]),
    column("merged", "merged", "count"),
    column("lenient", "lenient", "count"),
    column("tokens", "tokens a chain", "number", true),
    column("median", "median", "count"),
    column("p90", "90th percentile", "count"),
    column("most", "most", "count"),
  ],
  rows: settings.map((s) => [
    s.id,
    s.chains,
    ...ENDS.flatMap((name): Cell[] => [s[name].chains, s[name].share]),
    s.merged,
    s.lenient,
    s.tokens.mean,
    s.tokens.median,
    s.tokens.p90,
    s.tokens.most,
  ]),
});

/** More groups than these are no columns. */
const MOST_COLUMNS = 12;

const byGroup = ({ groups, settings }: TaskReport): Table => ({
  name: "by-group",
  title: "Average by group of problems",
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
  title: "Average by group of problems",
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
