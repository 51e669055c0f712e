// One program at a time writes to a folder: a file in it names the one that does, and goes with it.

import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { asError, badArgument } from "../../base/errors.ts";

export const LOCK_FILE = "writer.json";

/** Who writes: a process is known by its number and its start, as numbers are given again. */
interface Writer {
  pid: number;
  host: string;
  started: string | null; // null: this system does not tell
}

export class FolderLock {
  readonly #file: string;
  readonly #text: string;

  private constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  /**
   * Takes a folder that no program writes to; one that was killed writes no more. Throws `bad-argument` where another
   * does, and where the folder cannot be written.
   */
  static take(folder: string): FolderLock {
    const file = join(folder, LOCK_FILE);
    const own: Writer = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
    const text = JSON.stringify(own);
    for (let tries = 0; tries < 3; tries++) {
      if (made(file, text)) return new FolderLock(file, text);
      const found = textOf(file);
      if (found === null) continue;
      const writer = writerOf(found);
      if (writer ? isAlive(writer) : isYoung(file)) throw taken(folder, file, writer);
      leave(file, found);
    }
    throw taken(folder, file, null);
  }

  /** Lets the next program in. A lock that was taken away by hand may be another's now, and stays. */
  release(): void {
    leave(this.#file, this.#text);
  }
}

const taken = (folder: string, file: string, writer: Writer | null) =>
  badArgument(
    `${folder}: another program writes to it${writer ? `, process ${writer.pid} on ${writer.host}` : ""}: expected one at a time; wait until it ends, or remove ${file} where there is none`,
  );

/** False where it is there already. */
function made(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw badArgument(`${file}: expected a folder that can be written: ${asError(error).message}`);
  }
}

/** Null where it is gone. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** Removes the file where it still says this. It is put aside first: it may be another program's by then. */
function leave(file: string, text: string): void {
  const aside = `${file}.tmp-${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another program was quicker
  }
  if (textOf(aside) === text) rmSync(aside, { force: true });
  else renameSync(aside, file);
}

/** Null where it is no writer: a program was killed while it wrote the file. */
function writerOf(text: string): Writer | null {
  try {
    const { pid, host, started } = JSON.parse(text);
    const isOne = Number.isInteger(pid) && pid > 0 && typeof host === "string";
    return isOne ? { pid, host, started: typeof started === "string" ? started : null } : null;
  } catch {
    return null;
  }
}

/** A program that has just made the file may be about to write it. */
const isYoung = (file: string): boolean =>
  Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < YOUNG;
const YOUNG = 5000; // ms

/** On another machine it may be alive: that cannot be asked. */
function isAlive(writer: Writer): boolean {
  if (writer.host !== hostname()) return true;
  try {
    process.kill(writer.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" && writer.started === startOf(writer.pid);
  }
  return writer.started === startOf(writer.pid);
}

/** When a process began, as Linux counts it; null where that is not known, or the process is over but not reaped. */
function startOf(pid: number): string | null {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? null : fields[18];
}
