// Which spellings were taken for one answer, and which answers equal their gold by more than their key: to be read.

import type { ProblemChains, Spelling, Tie } from "../metrics/chain.ts";
import { column } from "./columns.ts";
import type { Run } from "./complete.ts";
import type { TaskReport } from "./report.ts";
import type { Table } from "./table.ts";

/** One finding in one problem under one setting, and the chains that it holds for. */
interface Found {
  setting: string;
  problem: string;
  chains: number[];
}

export type FoundTie = Found & Tie;
export type FoundGrade = Found & Spelling & { score: number };

export const isLenient = ({ why }: Pick<Spelling, "why">): boolean => /\blenient\b/.test(why);

export const tiesOf = (runs: readonly Run[]): FoundTie[] => findings(runs, ({ merged }) => merged);

export const gradesOf = (runs: readonly Run[]): FoundGrade[] =>
  findings(runs, ({ graded, score }) => graded && { ...graded, score });

/** Each once a problem and setting. */
const findings = <T extends object>(
  runs: readonly Run[],
  of: (chain: ProblemChains["chains"][number]) => T | undefined,
): (Found & T)[] =>
  runs.flatMap(({ setting, problems }) =>
    problems.flatMap(({ problem, chains }) => {
      const found = new Map<string, Found & T>();
      for (const chain of chains) {
        const one = of(chain);
        if (!one) continue;
        const same = found.get(JSON.stringify(one));
        if (same) same.chains.push(chain.chain);
        else found.set(JSON.stringify(one), { setting: setting.id, problem, chains: [chain.chain], ...one });
      }
      return [...found.values()];
    }),
  );

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
