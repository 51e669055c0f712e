// Lists of spellings, to be read.

import { isLenient } from "../metrics/tally.ts";
import { column } from "./columns.ts";
import type { TaskReport } from "./report.ts";
import type { Table } from "./table.ts";

/** More rows than these are in CSV alone. */
const SHOWN = 40;

const PLACE = [column("setting", "setting", "text"), column("problem", "problem", "text")];
const VERDICT = [column("by", "by", "text"), column("why", "why", "text"), column("chains", "chains", "text")];

export const merges = ({ ties }: TaskReport): Table => ({
  name: "merges",
  title: "Spellings that were taken for one answer",
  about: "Each spelling, one that it was found equal to before they voted, and by what.",
  long: ties.length > SHOWN,
  columns: [...PLACE, column("spelling", "spelling", "text"), column("equals", "equals", "text"), ...VERDICT],
  rows: ties.map(({ setting, problem, spelling, other, by, why, chains }) => [
    ...[setting, problem, spelling, other, by, why],
    chains.join(" "),
  ]),
});

export const grades = (task: TaskReport): Table => ({
  name: "grades",
  title: "Answers that equal the gold one in another spelling",
  about: "What the grader compared, and where it was more lenient than the vote.",
  long: task.grades.length > SHOWN,
  columns: [
    ...PLACE,
    column("gold", "gold", "text"),
    column("answer", "answer", "text"),
    column("score", "score", "number"),
    column("lenient", "lenient", "text"),
    ...VERDICT,
  ],
  rows: task.grades.map(({ setting, problem, gold, answer, score, by, why, chains }) => [
    ...[setting, problem, gold, answer, score, isLenient({ why }) ? "yes" : "", by, why],
    chains.join(" "),
  ]),
});
