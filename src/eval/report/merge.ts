import { basename, resolve } from "node:path";
import { badArgument, badFile } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import {
  areOther,
  type RecordedModel,
  type RecordedSetting,
  type RecordedTask,
  type RecordHead,
} from "../harness/record.ts";
import type { Chains, Recording } from "./read.ts";

/** A setting with how its chains were drawn, as one text: what its folder says for all of its settings. */
export interface SampledSetting extends RecordedSetting {
  sampling: string;
}

/** Several recordings as one. */
export interface Records {
  folders: string[];
  /** Wall time of each folder's run; null: it does not tell. */
  seconds: (number | null)[];
  models: RecordedModel[];
  tasks: RecordedTask[];
  settings: SampledSetting[];
  chains: Chains;
  notes: string[];
}

/**
 * Puts recordings together. A setting or model of one name that differs between folders, be it in how its chains are
 * drawn or how long they think, gets its folder's name behind it; where seeds, sampling, machines or a task's code
 * differ a note says so. Throws `bad-file` where a task of one name has other problems in another folder, or where two
 * folders have the same setting on the same task: `bad-argument` for a folder that is given twice.
 */
export function mergeRecords(recordings: readonly Recording[]): Records {
  const paths = recordings.map(({ folder }) => resolve(folder));
  const twice = recordings.find((_, i) => paths.indexOf(paths[i]) !== i);
  if (twice) throw badArgument(`${twice.folder}: expected each folder once`);
  const names = recordings.map(({ folder }) => basename(resolve(folder)));
  const places = names.map((name, i) => (names.filter((other) => other === name).length > 1 ? paths[i] : name));
  const models = new Map<string, RecordedModel>();
  const tasks = new Map<string, RecordedTask & { folder: string }>();
  const settings = new Map<string, SampledSetting>();
  const chains: Chains = new Map();
  const notes: string[] = [];
  const from = new Map<string, string>(); // folder by task and setting
  for (const [i, { folder, head, chains: own }] of recordings.entries()) {
    const modelNames = new Map(
      head.models.map((model) => [model.name, entered(models, "name", model, places[i], sameModel)]),
    );
    const sampling = samplingText(head.sampling);
    const ids = new Map(
      head.settings.map((setting) => {
        const named = { ...setting, model: modelNames.get(setting.model)!, sampling };
        return [setting.id, entered(settings, "id", named, places[i], sameSetting)];
      }),
    );
    for (const task of head.tasks) {
      const known = tasks.get(task.spec);
      if (known && !sameTask(known, task))
        throw badFile(
          `task "${visible(task.spec)}": other problems in ${known.folder} than in ${folder} (fingerprints ${visible(known.fingerprint.slice(0, 12))} and ${visible(task.fingerprint.slice(0, 12))}): report them apart`,
        );
      if (known && areOther(known.code, task.code))
        notes.push(
          `task "${visible(task.spec)}": other code in ${folder} than in ${known.folder}, which may grade otherwise: ${short(task.code!)}, not ${short(known.code!)}`,
        );
      if (!known) tasks.set(task.spec, { ...task, folder });
      const rows = chains.get(task.spec) ?? new Map();
      chains.set(task.spec, rows);
      for (const [id, some] of own.get(task.spec)!) {
        const key = JSON.stringify([task.spec, ids.get(id)]);
        if (some.length > 0 && from.has(key))
          throw badFile(
            `setting "${visible(id)}" on task "${visible(task.spec)}" is in ${from.get(key)} and in ${folder}: expected it in one`,
          );
        if (some.length > 0) from.set(key, folder);
        if (some.length > 0 || !rows.has(ids.get(id)!)) rows.set(ids.get(id)!, some);
      }
    }
  }
  return {
    folders: recordings.map(({ folder }) => folder),
    seconds: recordings.map(({ head }) => head.seconds ?? null),
    models: [...models.values()],
    tasks: [...tasks.values()].map(({ folder: _, ...task }) => task),
    settings: [...settings.values()],
    chains,
    notes: [...recordings.flatMap((recording) => recording.notes), ...differing(recordings), ...notes],
  };
}

/** The name under which an item is known from now on: its own, or with its folder's where another has that. */
function entered<K extends string, T extends Record<K, string>>(
  known: Map<string, T>,
  key: K,
  item: T,
  place: string,
  same: (a: T, b: T) => boolean,
): string {
  const other = known.get(item[key]);
  const name = !other || same(other, item) ? item[key] : `${item[key]} @ ${place}`;
  if (!known.has(name)) known.set(name, { ...item, [key]: name });
  return name;
}

const sameModel = (a: RecordedModel, b: RecordedModel) => a.fingerprint === b.fingerprint;

const SETTING = ["policy", "model", "length", "width", "cr", "thinkMost", "nudges", "sampling"] as const;
const sameSetting = (a: SampledSetting, b: SampledSetting) => SETTING.every((name) => a[name] === b[name]);

/** What is said of chains, in one order; what is left to the task or checkpoint, or is not known yet, is not there. */
const samplingText = (sampling: RecordHead["sampling"]): string =>
  JSON.stringify(
    Object.entries(sampling)
      .filter(([, value]) => value !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const sameTask = (a: RecordedTask, b: RecordedTask) =>
  a.fingerprint === b.fingerprint &&
  a.kind === b.kind &&
  a.measure === b.measure &&
  a.problems.length === b.problems.length &&
  a.problems.every(({ id }, i) => id === b.problems[i].id);

const short = (json: string): string => visible(json.length > 200 ? `${json.slice(0, 200)}..` : json);

/** What folders do not agree on, though their numbers are compared. */
function differing(recordings: readonly Recording[]): string[] {
  const [{ folder, head }] = recordings;
  return recordings.slice(1).flatMap((other) =>
    (["seed", "sampling", "machine"] as const).flatMap((name) => {
      const [a, b] = [head, other.head].map((each) => JSON.stringify(each[name]));
      return a === b ? [] : [`${other.folder} has another ${name} than ${folder}: ${short(b)}, not ${short(a)}`];
    }),
  );
}
