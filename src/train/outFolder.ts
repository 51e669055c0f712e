// The folder that a run writes: nobody's model, and one process's at a time.
import { mkdir, readdir, readFile, realpath, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { badArgument } from "../base/errors.ts";
import { RECIPE } from "../model/recipe.ts";
import { openSource } from "../model/source.ts";
import { writeFault } from "./aside.ts";
import { CHECKPOINTS, JOURNAL } from "./run.ts";

/** Files of a model, of gates or of a LoRA. */
const MODEL = /^(config\.json|adapter_.*|.*\.safetensors(\.index\.json)?)$/;

/**
 * Throws `bad-argument` where a run has ended in the folder, where it holds a model or an adapter (but for what a run
 * left that was stopped while it saved), or is one of those that this run reads.
 */
export async function checkOut(out: string, reads: readonly string[]): Promise<void> {
  const there = await readdir(out).catch((): string[] => []);
  if (there.includes(RECIPE))
    throw badArgument(`${out} holds a finished run: expected another --out, or that folder removed`);
  const own = await placeOf(out);
  for (const path of reads)
    if ((await placeOf((await openSource(path)).path)) === own)
      throw badArgument(`${out}: this run reads that folder: expected another --out, so that it stays as it is`);
  const unfinished = [CHECKPOINTS, JOURNAL].every((name) => there.includes(name));
  const file = there.find((name) => MODEL.test(name));
  if (file !== undefined && !unfinished)
    throw badArgument(`${out} holds ${file} already: expected another --out, or that folder removed`);
}

const placeOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

const LOCK = "run.lock";
/** Folders that runs of this process write. */
const held = new Set<string>();

/**
 * Makes the folder where it is not there, and claims it until it is disposed of. What a dead process had claimed is
 * free. Throws `bad-argument` where another run writes there or has ended, or nothing can be written.
 */
export async function claimFolder(out: string): Promise<AsyncDisposable> {
  const fresh = await mkdir(out, { recursive: true }).catch((error: Error) => {
    throw badArgument(`${out}: expected a folder that can be made and written: ${error.message}`);
  });
  const place = await placeOf(out);
  const file = join(place, LOCK);
  while (!(await made(file))) {
    const pid = await holderOf(file);
    if (pid === process.pid ? held.has(place) : pid !== null && lives(pid)) throw taken(out, pid!);
    await removeOf(file, pid, out);
  }
  held.add(place);
  const leave = async () => {
    held.delete(place);
    await rm(file, { force: true });
    if (fresh !== undefined) await rmdir(place).catch(() => {}); // one that stayed empty
  };
  await checkOut(out, []).catch(async (error) => {
    await leave(); // another run has ended there meanwhile
    throw error;
  });
  return { [Symbol.asyncDispose]: leave };
}

const taken = (out: string, pid: number) =>
  badArgument(
    `${out}: process ${pid} writes a run there: expected another --out, or that run ended; ` +
      `if that process is none, remove ${join(out, LOCK)}`,
  );

/** Whether the lock is this process's now. */
async function made(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw await writeFault(error, file, 0);
  }
}

/** The process whose lock it is; null where it died before it said so, or gave it up meanwhile. */
async function holderOf(file: string): Promise<number | null> {
  for (let tries = 0; tries < 3; tries++) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (/^\d{1,10}$/.test(text)) return Number(text);
    await sleep(50);
  }
  return null;
}

/** Removes the lock of a dead process; one that another run has put in its place meanwhile is put back. */
async function removeOf(file: string, pid: number | null, out: string): Promise<void> {
  const aside = `${file}.old-${process.pid}`;
  const moved = await rename(file, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  const now = await holderOf(aside);
  if (now === null || now === pid) return rm(aside, { force: true });
  await rename(aside, file);
  throw taken(out, now);
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
