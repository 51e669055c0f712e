import { badArgument } from "../../base/errors.ts";
import { brief } from "../../model/brief.ts";
import { areOther, type RecordedTask, type RecordHead } from "./record.ts";

export interface Known {
  fingerprints: Fingerprints;
  /** Specs of tasks of which chains were graded: other code would grade the next ones otherwise. */
  graded: ReadonlySet<string>;
}

/** What a task's problems of these ids would have as their fingerprint now; null where one is gone. */
export type Fingerprints = (task: string, ids: readonly string[]) => string | null;

/**
 * Throws `bad-argument` where an evaluation cannot go on in the folder of another: it names what differs. Settings,
 * tasks and problems may have come; none may have gone or changed.
 */
export function checkResume(out: string, old: RecordHead, now: RecordHead, known: Known): void {
  const differences = [
    ...values("", { seed: old.seed }, { seed: now.seed }),
    ...values("", old.sampling, now.sampling),
    ...values("", { ...old.machine }, { ...now.machine }),
    ...named("model", old.models, now.models, ({ name }) => name, modelDifferences),
    ...named("setting", old.settings, now.settings, ({ id }) => id, settingDifferences),
    ...named("task", old.tasks, now.tasks, ({ spec }) => spec, taskDifferences(known)),
  ];
  if (differences.length > 0)
    throw badArgument(
      `${out} cannot be gone on in: ${differences.join("; ")}; give what the run was begun with (more tasks, settings or problems may come), or another --out`,
    );
}

const change = (name: string, before: unknown, after: unknown): string =>
  `${name} was ${brief(before)}, now ${brief(after)}`;

function values(prefix: string, old: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return names
    .filter((name) => (old[name] ?? null) !== (now[name] ?? null))
    .map((name) => change(prefix + name, old[name] ?? null, now[name] ?? null));
}

/** Of two lists of named things: those that are gone, and what differs in those that are in both. */
function named<T>(
  what: string,
  old: readonly T[],
  now: readonly T[],
  nameOf: (one: T) => string,
  differences: (before: T, after: T, called: string) => string[],
): string[] {
  const byName = new Map(now.map((one) => [nameOf(one), one]));
  return old.flatMap((before) => {
    const after = byName.get(nameOf(before));
    const called = `${what} ${nameOf(before)}`;
    return after === undefined ? [`${called} is not given`] : differences(before, after, called);
  });
}

const modelDifferences = (
  before: RecordHead["models"][number],
  after: RecordHead["models"][number],
  called: string,
): string[] => (before.fingerprint === after.fingerprint ? [] : [`${called} has other files than it had`]);

const settingDifferences = (
  { id: _, ...before }: RecordHead["settings"][number],
  { id: __, ...after }: RecordHead["settings"][number],
  called: string,
): string[] => values(`${called}: `, before, after);

const taskDifferences =
  ({ fingerprints, graded }: Known) =>
  (before: RecordedTask, after: RecordedTask, called: string): string[] => {
    if (before.kind !== after.kind) return [change(`${called}: kind`, before.kind, after.kind)];
    const ids = before.problems.map(({ id }) => id);
    const here = new Set(after.problems.map(({ id }) => id));
    const gone = ids.find((id) => !here.has(id));
    if (gone !== undefined)
      return [
        `${called} had problem ${brief(gone)} of ${ids.length}, now it has ${after.problems.length} without it (a lower --limit takes another folder)`,
      ];
    const same = fingerprints(before.spec, ids) === before.fingerprint;
    if (!same) return [`${called} has other problems than it had, or asks them otherwise`];
    const [old, now] = [before.programs?.python, after.programs?.python];
    const python = areOther(old, now) ? [change(`${called}: Python`, old, now)] : [];
    if (!areOther(before.code, after.code) || !graded.has(before.spec)) return python;
    const codes = `${brief(before.code)}, now ${brief(after.code)}`;
    return [...python, `${called} has other code (${codes}), which may grade otherwise than the chains that are there`];
  };
