import { badArgument, badFile } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import type { RecordedModel, RecordedSetting, RecordedTask } from "../harness/record.ts";
import type { ProblemChains } from "../metrics/chain.ts";
import { averageScore } from "../metrics/estimators.ts";
import { type Interval, scoreInterval } from "../metrics/interval.ts";
import { complete, type Run } from "./complete.ts";
import { type EqualCost, equalCosts } from "./equal-cost.ts";
import { byLine, isMeasured, type LineFrontier, type LineGap, lineFrontiers, lineGaps } from "./frontiers.ts";
import { FULL, fullOf, type LineOf, linesOf } from "./lines.ts";
import { differ, measure, type SettingResult } from "./measure.ts";
import { mergeRecords, type Records } from "./merge.ts";
import { BUDGETS, gridOf } from "./points.ts";
import { readRecord } from "./read.ts";
import { type FoundGrade, type FoundTie, gradesOf, tiesOf } from "./spellings.ts";

export interface ReportOptions {
  /** A setting's id that all others are compared with; default: the full cache of the same length and width. */
  baseline?: string;
  /** Ids of the settings that are compared; default all. */
  settings?: readonly string[];
  lines?: LineOf;
}

/** Scores of one group of problems: a subject, a length. */
export interface GroupResult {
  group: string;
  problems: number;
  average: { setting: string; average: Interval }[];
}

export interface TaskReport {
  spec: string;
  name: string;
  source: string;
  kind: RecordedTask["kind"];
  measure?: RecordedTask["measure"];
  problems: { asked: number; compared: number; unfinished: number; faulty: number };
  notes: string[];
  settings: SettingResult[];
  frontiers: LineFrontier[];
  gaps: LineGap[];
  equalCosts: EqualCost[];
  groups: GroupResult[];
  /** Spellings that were taken for one answer, and answers that equal the gold one in another spelling. */
  ties: FoundTie[];
  grades: FoundGrade[];
}

/** Everything that tables and figures show, as plain data: accuracies from 0 to 1, costs of all chains of a problem. */
export interface Report {
  folders: string[];
  /** Wall time of each folder's run: of all its settings together, as they were batched. null: it does not tell. */
  seconds: (number | null)[];
  models: RecordedModel[];
  baseline: string | null;
  notes: string[];
  tasks: TaskReport[];
}

const MOST_GROUPS = 100;

/**
 * What one or several evaluations have shown, finished or not. Only problems that every compared setting has finished
 * count. Throws `bad-file` for what is no record, for folders that contradict each other, and where nothing is complete
 * yet; `bad-argument` for a setting that is not there.
 */
export async function makeReport(folders: readonly string[], options: ReportOptions = {}): Promise<Report> {
  if (folders.length === 0) throw badArgument("expected a folder that an evaluation has written");
  const recordings = [];
  for (const folder of folders) recordings.push(await readRecord(folder));
  return reportOf(mergeRecords(recordings), options);
}

export function reportOf(all: Records, { baseline, settings, lines: by }: ReportOptions = {}): Report {
  for (const id of [...(settings ?? []), ...(baseline === undefined ? [] : [baseline])])
    if (!all.settings.some((setting) => setting.id === id))
      throw badArgument(`no setting "${id}": expected one of ${all.settings.map((s) => visible(s.id)).join("; ")}`);
  if (baseline !== undefined && settings && !settings.includes(baseline))
    throw badArgument(`the baseline "${baseline}" is not among the settings to compare`);
  const records = { ...all, settings: all.settings.filter(({ id }) => settings?.includes(id) ?? true) };
  const lines = linesOf(records.settings, by);
  const tasks = records.tasks.map((task) => taskReport(task, records, lines, baseline));
  if (tasks.every(({ problems }) => problems.compared === 0))
    throw badFile(
      `${all.folders.join(", ")}: nothing to report yet: no problem of ${tasks.map(({ spec }) => visible(spec)).join(", ")} is complete in all settings. ${tasks
        .flatMap(({ notes }) => notes)
        .slice(0, 3)
        .join(". ")}`,
    );
  const { folders, seconds, models, notes } = all;
  return { folders, seconds, models, baseline: baseline ?? null, notes, tasks };
}

function taskReport(
  task: RecordedTask,
  records: Records,
  lines: ReadonlyMap<string, string>,
  baseline: string | undefined,
): TaskReport {
  const { runs, problems, unfinished, faulty, notes } = complete(task, records);
  const { spec, name, source, kind, measure: measured } = task;
  const head = { spec, name, source, kind, measure: measured, notes };
  const counts = { asked: task.problems.length, compared: problems.length, unfinished, faulty };
  if (problems.length === 0) return { ...head, problems: counts, ...NOTHING };
  const grids = new Map(runs.map((run) => [run.setting.id, gridOf(run, kind)]));
  const present = runs.map(({ setting }) => setting);
  const baseOf = (setting: RecordedSetting): RecordedSetting | null =>
    baseline === undefined ? fullOf(setting, present) : (present.find(({ id }) => id === baseline) ?? null);
  const grid = [...grids.values()].flat();
  const perLine = byLine(grid, lines);
  const results = runs.map((run) => {
    const { setting } = run;
    const own = grids.get(setting.id)!;
    const base = baseOf(setting);
    const other = base && base.id !== setting.id ? runs.find((each) => each.setting.id === base.id)! : null;
    const difference = other && differ([run, own], [other, grids.get(other.setting.id)!], task);
    return { ...measure(run, task, lines.get(setting.id)!, own), difference };
  });
  if (present.length > 1 && results.every(({ difference }) => difference === null))
    notes.push(
      "no differences: no setting has a baseline here (the full cache of its length and width, or --baseline ID)",
    );
  for (const budget of kind === "value" ? [] : BUDGETS)
    if (!isMeasured(grid, budget)) notes.push(`${budget}: the record tells of none for some settings: no frontier`);
  return {
    ...head,
    problems: counts,
    settings: results,
    // What is no chain has no length and no number that could be scaled.
    ...(kind === "value"
      ? { frontiers: [], gaps: [], equalCosts: [] }
      : {
          frontiers: lineFrontiers(perLine),
          gaps: lineGaps(perLine, (some) => lineOfBase(some, present, lines, baseOf)),
          equalCosts: equalCosts(perLine),
        }),
    groups: measured ? [] : groupsOf(task, runs),
    ties: tiesOf(runs),
    grades: gradesOf(runs),
  };
}

const NOTHING = { settings: [], frontiers: [], gaps: [], equalCosts: [], groups: [], ties: [], grades: [] };

/** The line that another is compared with: its baseline's, else the full cache's, of its model where it has one. */
function lineOfBase(
  some: readonly RecordedSetting[],
  present: readonly RecordedSetting[],
  lines: ReadonlyMap<string, string>,
  baseOf: (setting: RecordedSetting) => RecordedSetting | null,
): string | null {
  const bases = some.map(baseOf).filter((base) => base !== null);
  const models = new Set(some.map(({ model }) => model));
  const full = present.filter(({ policy }) => policy === FULL);
  const base =
    bases.find(({ model }) => models.has(model)) ?? bases[0] ?? full.find(({ model }) => models.has(model)) ?? full[0];
  return base ? lines.get(base.id)! : null;
}

/** avg@1 by group, where the task has several. */
function groupsOf(task: RecordedTask, runs: readonly Run[]): GroupResult[] {
  const groupOf = new Map(task.problems.map(({ id, group }) => [id, group]));
  const kept = (runs[0]?.problems ?? []).flatMap(({ problem }) => groupOf.get(problem) ?? []);
  const groups = [...new Set(kept)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  if (groups.length < 2 || groups.length > MOST_GROUPS) return [];
  return groups.map((group) => {
    const within = ({ problems }: { problems: readonly ProblemChains[] }) =>
      problems.filter(({ problem }) => groupOf.get(problem) === group);
    return {
      group,
      problems: within(runs[0]).length,
      average: runs.map((run) => ({
        setting: run.setting.id,
        average: scoreInterval(averageScore(within(run)).perProblem),
      })),
    };
  });
}
