// The work that an evaluation has left, model by model.

import { createHash } from "node:crypto";
import { asError } from "../../base/errors.ts";
import type { Session } from "../../request/session.ts";
import type { Equality } from "../../scale/equality/equality.ts";
import type { Style } from "../tasks/task.ts";
import type { AskedTask, Question } from "./asked.ts";
import { type ChainOptions, type EndedChain, runChains, thinkingOf } from "./chains.ts";
import { type Folder, type Place, placeKey } from "./folder.ts";
import { type GradedChain, gradeChains } from "./grade.ts";
import type { RecordedChain, RecordedSetting, RecordHead } from "./record.ts";
import { Room } from "./room.ts";
import { depthOfSetting } from "./setting.ts";
import type { Standings } from "./standing.ts";
import { Stems } from "./stems.ts";
import { measure, type ValueTask } from "./values.ts";

/** Counters that move while it runs. */
export interface Progress {
  chains: number; // in all
  done: number; // ended, those found in the folder among them
  found: number; // of these
  tokens: number; // drawn since it began
}

export interface RunParts {
  head: RecordHead;
  tasks: readonly AskedTask[];
  folder: Folder;
  standings: Standings;
  progress: Progress;
  equality: Equality;
  style: Style;
  options: ChainOptions;
  batch?: number;
  signal?: AbortSignal;
  onProblem: (place: Place, chains: readonly RecordedChain[]) => void;
}

/** A problem under a setting, of whose chains some may have ended before. */
interface Job {
  place: Place;
  setting: RecordedSetting;
  task: AskedTask;
  at: number; // of the problem in its task
}

/** The seed of a problem's chains: the same under every setting, whatever ran before. */
export const seedOf = (seed: number, task: string, problem: string): number =>
  createHash("sha256")
    .update(JSON.stringify([seed, task, problem]))
    .digest()
    .readUIntBE(0, 6);

const cutOf = ({ policy, cr }: RecordedSetting) => ({ policy, ...(cr > 1 ? { cr } : {}) });

export class Run {
  readonly #parts: RunParts;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** What is left for a model. All settings of a problem stand together, so that they can be compared early. */
  jobs(model: string): Job[] {
    const { tasks, head, folder } = this.#parts;
    const settings = head.settings.filter((setting) => setting.model === model);
    return tasks.flatMap((task) =>
      task.problems.flatMap(({ id }, at) =>
        settings.flatMap((setting): Job[] => {
          const place = { task: task.recorded.spec, setting: setting.id, problem: id };
          return folder.graded.has(placeKey(place)) ? [] : [{ place, setting, task, at }];
        }),
      ),
    );
  }

  /** Does jobs with their model. Throws its signal's reason, or what no chain is to blame for, once nothing runs. */
  async work(session: Session, jobs: readonly Job[]): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, ...(this.#parts.signal ? [this.#parts.signal] : [])]);
    const running = new Set<Promise<void>>();
    let fault: Error | null = null;
    const fail = (error: unknown) => {
      fault ??= asError(error);
      stop.abort(fault);
    };
    const room = new Room(this.#parts.batch ?? session.runner.options.chains, signal);
    const stems = new Stems(
      session,
      jobs.filter(({ task }) => task.kind === "vote"),
    );
    const desk: Desk = { session, room, stems, signal, fail, turn: Promise.resolve() };
    try {
      // Likelihoods have the engine to themselves: first these, so that chains never wait for them.
      for (const job of jobs) if (job.task.kind !== "vote") await this.#value(desk, job, job.task);
      for (const job of jobs) {
        if (job.task.kind !== "vote") continue;
        const left = this.#missing(job);
        await room.enter(left.length);
        const work = this.#chains(desk, job, left).catch(fail);
        running.add(work);
        work.finally(() => running.delete(work));
      }
    } catch (error) {
      fail(error);
    }
    await Promise.all(running);
    stems.close();
    if (fault) throw fault;
  }

  #missing({ place, setting }: Job): number[] {
    const ended = this.#parts.folder.ended.get(placeKey(place)) ?? [];
    const all = Array.from({ length: setting.width }, (_, chain) => chain);
    return all.filter((chain) => !ended.some((other) => other.chain === chain));
  }

  async #value({ session, signal }: Desk, { place, setting, at }: Job, task: ValueTask): Promise<void> {
    signal.throwIfAborted();
    const value = await measure(session, task, task.problems[at], { ...cutOf(setting), signal });
    this.#parts.progress.tokens += value.tokens;
    this.#parts.progress.done++;
    await this.#record(place, [value]);
  }

  async #chains(desk: Desk, job: Job, left: readonly number[]): Promise<void> {
    const { folder, progress, style, options, head } = this.#parts;
    const { place, setting, task, at } = job;
    if (task.kind !== "vote") return;
    const question = task.problems[at];
    const ended: EndedChain[] = [...(folder.ended.get(placeKey(place)) ?? [])];
    folder.ended.delete(placeKey(place));
    let inside = left.length;
    const onEnd = (chain: EndedChain) => {
      ended.push(chain);
      progress.done++;
      inside--;
      desk.room.leave();
      folder.writeEnded(place, chain).catch(desk.fail);
    };
    const { maxTokens } = question.asked;
    try {
      if (left.length > 0)
        await runChains(desk.session, {
          ...{ asked: question.asked, style, sampling: task.task.sampling, ...cutOf(setting) },
          options: { ...options, ...depthOfSetting(setting) },
          // What continues a text ends nowhere else.
          maxTokens: style === "text" ? Math.min(setting.length, maxTokens) : setting.length,
          seed: seedOf(head.seed, place.task, place.problem),
          ...{ chains: left, signal: desk.signal, onEnd },
          stem: { of: (prompt) => desk.stems.of(place, prompt), left: () => desk.stems.leave(place) },
          onToken: () => progress.tokens++,
        });
    } finally {
      if (inside > 0) desk.room.leave(inside);
      desk.stems.leave(place);
    }
    desk.turn = desk.turn.then(() => this.#grade(desk, job, question, ended));
    await desk.turn;
  }

  /** In turn: programs and a symbolic library take the cores that chains need. */
  async #grade(
    { signal }: Desk,
    { place, task }: Job,
    question: Question,
    ended: readonly EndedChain[],
  ): Promise<void> {
    if (signal.aborted || task.kind !== "vote") return;
    const { equality, style, options } = this.#parts;
    await this.#record(
      place,
      await gradeChains(task.task, question, ended, { equality, style, thinking: thinkingOf(style, options), signal }),
    );
  }

  async #record(place: Place, chains: readonly GradedChain[]): Promise<void> {
    const { folder, standings, head, onProblem } = this.#parts;
    const seed = seedOf(head.seed, place.task, place.problem);
    const lines = chains.map((chain): RecordedChain => ({ ...place, ...chain, seed }));
    await folder.writeGraded(lines);
    folder.graded.set(
      placeKey(place),
      lines.map(({ text: _, answer: __, ...row }) => row),
    );
    standings.add(place.task, place.setting, lines);
    onProblem(place, lines);
  }
}

interface Desk {
  session: Session;
  room: Room;
  stems: Stems;
  signal: AbortSignal;
  fail: (error: unknown) => void;
  turn: Promise<void>; // of grading
}
