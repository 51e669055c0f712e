// Which problems can be compared: those that every setting has all chains of.

import { visible } from "../../base/visible.ts";
import type { RecordedSetting, RecordedTask } from "../harness/record.ts";
import {
  type ChainRow,
  type Expected,
  type Fault,
  type Gathered,
  gather,
  type ProblemChains,
} from "../metrics/chain.ts";
import { hasPerplexity } from "../metrics/perplexity.ts";
import type { Records } from "./merge.ts";

/** One setting on the problems that are compared. */
export interface Run {
  setting: RecordedSetting;
  problems: ProblemChains[];
}

export interface Compared {
  task: RecordedTask;
  /** The same problems, in one order, in all of them. */
  runs: Run[];
  problems: string[];
  /** Problems that some setting has not finished, and those with chains that cannot be counted. */
  unfinished: number;
  faulty: number;
  notes: string[];
}

const SHOWN = 3;

/**
 * A task's settings on the problems that are complete and without fault in each of them. A setting without any such
 * problem is left out itself, and named.
 */
export function complete(task: RecordedTask, { settings, chains }: Pick<Records, "settings" | "chains">): Compared {
  const asked = task.problems.map(({ id }) => id);
  const notes: string[] = [];
  const runs: Run[] = [];
  const faulty = new Set<string>();
  const begun = settings.filter(({ id }) => chains.get(task.spec)!.get(id)?.length);
  const absent = settings.filter((setting) => !begun.includes(setting)).map(({ id }) => visible(id));
  if (absent.length > 0) notes.push(`no chains of ${some(absent)}`);
  for (const setting of begun) {
    const rows = chains.get(task.spec)!.get(setting.id)!;
    const width = task.kind === "value" ? 1 : setting.width;
    const { problems, faults } = gathered(task, rows, { problems: asked, width });
    const real = faults.filter(({ kind }) => kind !== "missing");
    if (real.length > 0) notes.push(faultNote(setting.id, real));
    if (problems.length > 0) {
      runs.push({ setting, problems });
      for (const { problem } of real) faulty.add(problem);
    } else notes.push(`${visible(setting.id)} is left out: it has no problem with all of its chains yet`);
  }
  const sound = runs.map(({ problems }) => new Set(problems.map(({ problem }) => problem)));
  const common = asked.filter((problem) => sound.every((set) => set.has(problem)));
  const kept = new Set(common);
  const left = asked.filter((problem) => !kept.has(problem));
  const bad = left.filter((problem) => faulty.has(problem)).length;
  return {
    task,
    runs: runs.map(({ setting, problems }) => ({
      setting,
      problems: problems.filter(({ problem }) => kept.has(problem)),
    })),
    problems: runs.length > 0 ? common : [],
    unfinished: left.length - bad,
    faulty: bad,
    notes,
  };
}

/** Of texts, a window that failed is a fault: there is no perplexity to compare. */
function gathered({ measure }: RecordedTask, rows: readonly ChainRow[], expected: Expected): Gathered {
  const found = gather(rows, expected);
  if (measure !== "perplexity") return found;
  const [problems, failed] = [true, false].map((has) =>
    found.problems.filter(({ chains }) => chains.every(hasPerplexity) === has),
  );
  const why = "it failed, and has no perplexity";
  const faults = failed.map(({ problem }): Fault => ({ kind: "value", problem, chain: 0, why }));
  return { problems, faults: [...found.faults, ...faults] };
}

const faultNote = (id: string, faults: readonly Fault[]): string =>
  `${visible(id)}: ${some(
    faults.map(
      ({ problem, chain, why }) => `problem ${visible(problem)}${chain === null ? "" : `, chain ${chain}`}: ${why}`,
    ),
  )}`;

const some = (words: readonly string[]): string =>
  `${words.slice(0, SHOWN).join("; ")}${words.length > SHOWN ? `; and ${words.length - SHOWN} more` : ""}`;
