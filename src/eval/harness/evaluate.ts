// Tasks under settings of models, in one folder that a run goes on in.

import { badArgument, HyperthinkError } from "../../base/errors.ts";
import { checkWhole } from "../../base/whole.ts";
import { type LoadOptions, load, type Session } from "../../request/session.ts";
import { Equality } from "../../scale/equality/equality.ts";
import { gatherAll } from "../metrics/chain.ts";
import type { Style } from "../tasks/task.ts";
import { type AskedTask, askTask, fingerprintOfSome, type TaskChoice } from "./asked.ts";
import type { ChainOptions } from "./chains.ts";
import { Folder, type Place, placeKey, widthOf } from "./folder.ts";
import { checkChains, recordedMachine, recordedSampling } from "./head.ts";
import { fingerprintOfModel, type KnownModel, knowModels } from "./model.ts";
import {
  RECORD_VERSION,
  type RecordedChain,
  type RecordedModel,
  type RecordedTask,
  type RecordHead,
} from "./record.ts";
import { type Progress, Run } from "./run.ts";
import { chooseSettings, depthOfSetting, type SettingChoice } from "./setting.ts";
import { Standings, type SummaryRow } from "./standing.ts";

export interface EvaluateOptions {
  /** Folder of the record; a run that was stopped goes on in it. */
  out: string;
  tasks: readonly TaskChoice[];
  settings: readonly SettingChoice[];
  /** Of problems that are made or chosen, and of chains; default 0. */
  seed?: number;
  /** Most problems of a task: a seeded choice, of which a lower limit's is a part. Default: all; of made ones 100. */
  limit?: number;
  /** Default: chat where the first model has a chat template, else text. */
  style?: Style;
  /** How chains are drawn; what is left out is the task's, else the checkpoint's. */
  chains?: ChainOptions;
  /** Chains in flight; default: as many as a session runs at a time. */
  batch?: number;
  /** How models are held. */
  load?: Omit<LoadOptions, "model" | "adapter" | "signal" | "onProgress">;
  /** Opens a session; default `load`. */
  open?: (options: LoadOptions) => Promise<Session>;
  signal?: AbortSignal;
}

export type EvaluateEvent =
  | { type: "note"; text: string }
  | { type: "start"; head: RecordHead; progress: Readonly<Progress>; standings: Standings }
  | { type: "problem"; place: Place; chains: readonly RecordedChain[] };

export interface Evaluated {
  head: RecordHead;
  rows: SummaryRow[];
  chains: number;
  seconds: number; // of this run
}

/**
 * Runs what is left of an evaluation, and sums up all of it. Chains that fail are recorded so. Throws `bad-argument`
 * for what cannot be run, before a model is loaded where that is known, and where the folder holds another evaluation;
 * `aborted`, after which the same call goes on; errors that are no chain's.
 */
export async function evaluate(
  options: EvaluateOptions,
  onEvent: (event: EvaluateEvent) => void = () => {},
): Promise<Evaluated> {
  const started = performance.now();
  const { load: held = {}, chains = {}, signal } = options;
  checkOptions(options);
  const models = await knowModels(
    options.settings.map(({ model }) => model),
    held,
  );
  const { settings, leftOut } = chooseSettings(options.settings, models);
  if (leftOut.length > 0) onEvent({ type: "note", text: `left out: ${leftOut.join("; ")}` });
  const used = [...models.values()].filter(({ name }) => settings.some(({ model }) => model === name));
  const recorded = await recordedModels(used, held.probe);
  const open = ({ path, adapters }: KnownModel) =>
    (options.open ?? load)({ ...held, model: path, adapter: adapters, signal });
  await using equality = new Equality();
  const sessions = new Sessions(open);
  let folder: Folder | null = null;
  try {
    const first = await sessions.of(used[0]);
    const style = options.style ?? (hasChat(first) ? "chat" : "text");
    await checkChains(first, chains, style);
    const tasks = await askTasks(first, options, style);
    for (const { recorded } of tasks)
      if (recorded.programs?.ownUid) onEvent({ type: "note", text: ownUidNote(recorded) });
    const head: RecordHead = {
      ...{ version: RECORD_VERSION, models: recorded, tasks: tasks.map((task) => task.recorded), settings },
      seed: options.seed ?? 0,
      sampling: recordedSampling(chains, { style, context: held.context }),
      machine: recordedMachine(first.device, held),
    };
    folder = await Folder.open(options.out, head, (spec, ids) =>
      fingerprintOfSome(tasks.find(({ recorded }) => recorded.spec === spec)!, ids),
    );
    const standings = new Standings(head.tasks, settings);
    const progress = progressOf(head, folder, standings);
    onEvent({ type: "start", head, progress, standings });
    const run = new Run({
      ...{ head, tasks, folder, standings, progress, equality, style, batch: options.batch, signal },
      options: chains,
      onProblem: (place, chains) => onEvent({ type: "problem", place, chains }),
    });
    for (const model of used) {
      const jobs = run.jobs(model.name);
      if (jobs.length === 0) continue;
      const session = await sessions.of(model);
      for (const setting of settings)
        if (setting.model === model.name) await checkChains(session, { ...chains, ...depthOfSetting(setting) }, style);
      await run.work(session, jobs);
    }
    checkComplete(head, folder);
    await folder.finish();
    return {
      head: await folder.noteSeconds(),
      rows: standings.summary(),
      chains: progress.chains,
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    await folder?.noteSeconds().catch(() => {}); // what went wrong is told first
    if (signal?.aborted) throw stopped(options.out);
    throw error;
  } finally {
    folder?.close();
    await sessions.close();
  }
}

const ownUidNote = ({ spec, programs }: RecordedTask) =>
  `${spec}: programs run isolated (${programs!.isolation}), but as this process's user: no other uid can be had here`;

const stopped = (out: string) =>
  new HyperthinkError("aborted", `stopped: what had ended is recorded in ${out}, and the same call goes on from there`);

function checkOptions({ tasks, batch, limit, seed }: EvaluateOptions): void {
  if (batch !== undefined) checkWhole("batch", batch, 1);
  if (limit !== undefined) checkWhole("limit", limit, 1);
  if (seed !== undefined) checkWhole("seed", seed, 0);
  const specs = tasks.map(({ spec }) => spec);
  const twice = specs.find((spec, i) => specs.indexOf(spec) !== i);
  if (specs.length === 0 || twice !== undefined)
    throw badArgument(
      `tasks: expected at least one, each once, got ${twice === undefined ? "none" : `${twice} twice`}`,
    );
}

async function recordedModels(used: readonly KnownModel[], probe: string | undefined): Promise<RecordedModel[]> {
  const models: RecordedModel[] = [];
  for (const { name, path, adapters } of used)
    models.push({ name, path, adapters, fingerprint: await fingerprintOfModel({ path, adapters }, probe) });
  return models;
}

async function askTasks(session: Session, { tasks, seed = 0, limit, chains }: EvaluateOptions, style: Style) {
  const asked: AskedTask[] = [];
  for (const task of tasks)
    asked.push(await askTask(session, task, { seed, limit, style, template: chains?.template }));
  return asked;
}

function hasChat(session: Session): boolean {
  try {
    return session.chat !== undefined;
  } catch {
    return false;
  }
}

/** What was found in a folder counts as done. */
function progressOf(head: RecordHead, { graded, ended }: Folder, standings: Standings): Progress {
  const places = head.tasks.flatMap(({ spec, problems }) =>
    head.settings.flatMap(({ id }) =>
      problems.map((problem): Place => ({ task: spec, setting: id, problem: problem.id })),
    ),
  );
  const progress = { chains: 0, done: 0, found: 0, tokens: 0 };
  for (const place of places) {
    const rows = graded.get(placeKey(place));
    progress.chains += widthOf(head, place);
    progress.found += rows?.length ?? ended.get(placeKey(place))?.length ?? 0;
    if (rows) standings.add(place.task, place.setting, rows);
  }
  return { ...progress, done: progress.found };
}

/** Throws `bad-file` where the record lacks a chain, or holds what cannot be. */
function checkComplete(head: RecordHead, { graded }: Folder): void {
  for (const { spec, problems } of head.tasks)
    for (const { id } of head.settings) {
      const ids = problems.map((problem) => problem.id);
      const rows = ids.flatMap((problem) => graded.get(placeKey({ task: spec, setting: id, problem })) ?? []);
      gatherAll(rows, { problems: ids, width: widthOf(head, { task: spec, setting: id }) });
    }
}

/** One session at a time: a model leaves memory before the next one comes. */
class Sessions {
  readonly #open: (model: KnownModel) => Promise<Session>;
  #current: { name: string; session: Session } | null = null;

  constructor(open: (model: KnownModel) => Promise<Session>) {
    this.#open = open;
  }

  async of(model: KnownModel): Promise<Session> {
    if (this.#current?.name !== model.name) {
      await this.close();
      this.#current = { name: model.name, session: await this.#open(model) };
    }
    return this.#current!.session;
  }

  async close(): Promise<void> {
    await this.#current?.session.close();
    this.#current = null;
  }
}
