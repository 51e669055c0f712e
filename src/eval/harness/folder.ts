// The folder of an evaluation: what it is of, chains of whole problems, and until then those that ended.

import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { badFile } from "../../base/errors.ts";
import { readJson } from "../../model/source.ts";
import { cleanAside, takeFolder, writeJsonAtomic } from "../../train/disk/aside.ts";
import { FolderLock, LOCK_FILE } from "../../train/disk/lock.ts";
import { type ChainRow, gatherAll } from "../metrics/chain.ts";
import type { EndedChain } from "./chains.ts";
import { endsWhole, keepLines, LineWriter, wholeLines } from "./lines.ts";
import { areOther, CHAINS_FILE, HEAD_FILE, RECORD_VERSION, type RecordedChain, type RecordHead } from "./record.ts";
import { checkResume, type Fingerprints } from "./resume.ts";

/** Chains that ended, of problems whose other chains run on: answers of all are compared before any is graded. */
export const ENDED_FILE = "ended.jsonl";

const OWN = new RegExp(`^(${[HEAD_FILE, CHAINS_FILE, ENDED_FILE, LOCK_FILE].join("|")})`);

/** Milliseconds between notes of the time that was spent. */
const NOTED = 10_000;

/** Where a chain belongs. */
export interface Place {
  task: string;
  setting: string;
  problem: string;
}

export const placeKey = ({ task, setting, problem }: Place): string => JSON.stringify([task, setting, problem]);

/** Chains that a record has of a problem under a setting. */
export const widthOf = (head: RecordHead, { task, setting }: Omit<Place, "problem">): number =>
  head.tasks.find(({ spec }) => spec === task)?.kind === "value"
    ? 1
    : (head.settings.find(({ id }) => id === setting)?.width ?? 0);

/**
 * Open for one program at a time, which a lock sees to. A killed one loses no chain that had ended, and none is there
 * twice.
 */
export class Folder {
  readonly path: string;
  /** Chains of whole problems as they were found here, without their texts, by `placeKey`. */
  readonly graded = new Map<string, ChainRow[]>();
  /** Chains that ended, of other problems. */
  readonly ended = new Map<string, EndedChain[]>();
  readonly #chains: LineWriter;
  readonly #ended: LineWriter;
  readonly #lock: FolderLock;
  readonly #head: RecordHead;
  readonly #opened = performance.now();
  #noted = this.#opened;

  /** `head`: with the seconds that were spent before. */
  private constructor(path: string, lock: FolderLock, head: RecordHead) {
    this.path = path;
    this.#lock = lock;
    this.#head = head;
    this.#chains = new LineWriter(join(path, CHAINS_FILE));
    this.#ended = new LineWriter(join(path, ENDED_FILE));
  }

  /**
   * Makes a folder, or goes on in one. Throws `bad-argument` as `checkResume` and `FolderLock.take`, `bad-file` for
   * damaged lines.
   */
  static async open(path: string, head: RecordHead, fingerprints: Fingerprints): Promise<Folder> {
    await takeFolder(path, OWN, "an evaluation");
    const lock = FolderLock.take(path);
    try {
      return await Folder.#begin(path, lock, head, fingerprints);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static async #begin(path: string, lock: FolderLock, head: RecordHead, fingerprints: Fingerprints): Promise<Folder> {
    await cleanAside(path);
    const old = await readHead(path);
    if (old) checkResume(path, old, head, { fingerprints, graded: await gradedTasks(path, old, head) });
    else if (await stat(join(path, CHAINS_FILE)).catch(() => null))
      throw badFile(`${path}: expected ${HEAD_FILE} beside ${CHAINS_FILE}, found none: name another folder`);
    const seconds = old ? old.seconds : 0;
    const told = typeof seconds === "number" ? { ...head, seconds } : head;
    await writeJsonAtomic(join(path, HEAD_FILE), told);
    const found = await findChains(path, head);
    const folder = new Folder(path, lock, told);
    for (const [key, rows] of found.graded) folder.graded.set(key, rows);
    for (const [key, chains] of found.ended) folder.ended.set(key, chains);
    return folder;
  }

  /** A chain ended. */
  async writeEnded(place: Place, chain: EndedChain): Promise<void> {
    await this.#ended.write([{ ...place, ...chain }]);
  }

  /** All chains of a problem, graded. */
  async writeGraded(chains: readonly RecordedChain[]): Promise<void> {
    await this.#chains.write(chains);
    if (performance.now() - this.#noted > NOTED) await this.noteSeconds();
  }

  /** Writes down the seconds that were spent until now. Gives the record's head with them. */
  async noteSeconds(): Promise<RecordHead> {
    const { seconds } = this.#head;
    if (seconds === undefined) return this.#head;
    this.#noted = performance.now();
    const head = { ...this.#head, seconds: seconds + (this.#noted - this.#opened) / 1000 };
    await writeJsonAtomic(join(this.path, HEAD_FILE), head);
    return head;
  }

  /** All is done: what only a run that goes on would read is removed. */
  async finish(): Promise<void> {
    await rm(join(this.path, ENDED_FILE), { force: true });
  }

  close(): void {
    this.#chains.close();
    this.#ended.close();
    this.#lock.release();
  }
}

/** Null where there is none. Throws `bad-file`. */
async function readHead(path: string): Promise<RecordHead | null> {
  const file = join(path, HEAD_FILE);
  const head = (await readJson(file)) as RecordHead | null;
  if (head === null) return null;
  if (head.version !== RECORD_VERSION)
    throw badFile(`${file}: expected version ${RECORD_VERSION} of an evaluation's record, got ${String(head.version)}`);
  const lists = [head.models, head.tasks, head.settings].every(Array.isArray);
  const objects = [head.sampling, head.machine].every((part) => typeof part === "object" && part !== null);
  if (!lists || !objects || !head.tasks.every(({ problems }) => Array.isArray(problems)))
    throw badFile(`${file}: expected models, tasks with problems, settings, sampling and machine of an evaluation`);
  return head;
}

/** Specs of tasks whose code is another than it was and of which there are chains; others are not looked for. */
async function gradedTasks(path: string, old: RecordHead, now: RecordHead): Promise<Set<string>> {
  const code = new Map(now.tasks.map((task) => [task.spec, task.code]));
  const found = new Set<string>();
  if (!old.tasks.some((task) => areOther(task.code, code.get(task.spec)))) return found;
  for await (const { value } of wholeLines(join(path, CHAINS_FILE))) found.add((value as Place | null)?.task ?? "");
  return found;
}

interface Found {
  graded: Map<string, ChainRow[]>;
  ended: Map<string, EndedChain[]>;
}

/** Reads both files, and leaves in each only whole lines that count: a killed program may have left others. */
async function findChains(path: string, head: RecordHead): Promise<Found> {
  const [chainsFile, endedFile] = [CHAINS_FILE, ENDED_FILE].map((name) => join(path, name));
  const rows = await byPlace<RecordedChain, ChainRow>(chainsFile, head, ({ text: _, answer: __, ...row }) => row);
  const isWhole = (key: string, count: number) => {
    const [task, setting] = JSON.parse(key);
    return count === widthOf(head, { task, setting });
  };
  const graded = new Map([...rows].filter(([key, { length }]) => isWhole(key, length)));
  for (const [key, chains] of graded) gatherAll(chains, { problems: [JSON.parse(key)[2]], width: chains.length });
  const stays = (value: unknown) => graded.has(placeKey(value as Place));
  if (graded.size < rows.size || !(await endsWhole(chainsFile))) await keepLines(chainsFile, stays);
  const left = await byPlace<EndedChain & Place, EndedChain>(
    endedFile,
    head,
    ({ task, setting, problem, ...chain }) => chain,
  );
  const ended = new Map([...left].filter(([key]) => !graded.has(key)));
  if (ended.size < left.size || !(await endsWhole(endedFile))) await keepLines(endedFile, (value) => !stays(value));
  return { graded, ended };
}

/** Chains by problem. Throws `bad-file` for lines that are of no chain of this record, or of one a second time. */
async function byPlace<T extends Place & { chain: number }, U>(
  file: string,
  head: RecordHead,
  taken: (line: T) => U,
): Promise<Map<string, U[]>> {
  const found = new Map<string, U[]>();
  const seen = new Set<string>();
  const problems = new Map(head.tasks.map(({ spec, problems }) => [spec, new Set(problems.map(({ id }) => id))]));
  for await (const { value, where } of wholeLines(file)) {
    const line = value as T;
    const width = line === null ? 0 : widthOf(head, line);
    if (!(width > 0 && problems.get(line.task)?.has(line.problem)))
      throw badFile(`${where}: expected a chain of this evaluation, got one of another task, setting or problem`);
    const key = placeKey(line);
    const { chain } = line;
    if (!(Number.isInteger(chain) && chain >= 0 && chain < width) || seen.has(`${key}${chain}`))
      throw badFile(`${where}: expected each of the chains 0 to ${width - 1} once, got ${String(chain)}`);
    seen.add(`${key}${chain}`);
    const others = found.get(key);
    if (others) others.push(taken(line));
    else found.set(key, [taken(line)]);
  }
  return found;
}
