// Files that are whole or not there, whatever ends the program or the machine.
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { badArgument, HyperthinkError, noMemory } from "../../base/errors.ts";

/**
 * Writes a file beside the one that is meant (`NAME.tmp-PID`), which it then replaces at once. On any error that one
 * stays as it was, and nothing is left beside it. `bytes`: what the file takes, for the message of a full disk. Throws
 * `no-memory` where the disk is full, `bad-argument` where the file cannot be written.
 */
export async function writeAside<T>(
  file: string,
  bytes: number,
  write: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const aside = `${file}.tmp-${process.pid}`;
  try {
    const result = await writeSynced(aside, write);
    await rename(aside, file);
    await syncFolder(dirname(file));
    return result;
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw await writeFault(error, file, bytes);
  }
}

/** Removes what killed programs have left beside the files of a folder. Only for the one process that writes there. */
export async function cleanAside(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (/\.(jsonl?|safetensors|svg|txt|jinja|model)\.tmp-\d+$/.test(name))
      await rm(join(folder, name), { force: true });
}

/**
 * Makes a folder for what is written into it, or takes one that holds such things already: at least one name that is
 * `own`, or nothing. Throws `bad-argument` where it holds others' files alone, and as `writeAside` does.
 */
export async function takeFolder(folder: string, own: RegExp, what: string): Promise<void> {
  await makeFolder(folder);
  const names = await readdir(folder);
  if (names.length > 0 && !names.some((name) => own.test(name)))
    throw badArgument(`${folder} holds ${names.sort()[0]} and nothing of ${what}: expected a new or an empty folder`);
}

/** Throws as `writeAside` does. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch(async (error) => {
    throw await writeFault(error, folder, 0);
  });
}

/** Throws as `writeAside` does. */
export async function copyInto(file: string, from: string): Promise<void> {
  const { size } = await stat(from);
  await writeAside(file, size, (handle) => handle.writeFile(createReadStream(from)));
}

/** Replaces a file by a JSON value. Throws as `writeAside` does. */
export async function writeJsonAtomic(file: string, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  await writeAside(file, Buffer.byteLength(text), (handle) => handle.writeFile(text));
}

/** Writes a file and waits until the disk has it. */
export async function writeSynced<T>(file: string, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, "w");
  try {
    const result = await write(handle);
    await handle.sync();
    return result;
  } finally {
    await handle.close();
  }
}

/** Waits until the disk has the names in a folder. Windows has no such call, and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Errors of the system when a disk, or a user's share of one, is full. */
const FULL = ["ENOSPC", "EDQUOT"];

/** What a user should read of an error that came while `file` was written, which takes `bytes`. */
export async function writeFault(error: unknown, file: string, bytes: number): Promise<unknown> {
  if (error instanceof HyperthinkError || !(error instanceof Error) || !("code" in error)) return error;
  if (!FULL.includes(error.code as string))
    return badArgument(`${file}: cannot be written: ${error.message}; expected a folder that can be written to`);
  const free = await statfs(dirname(file)).catch(() => null);
  return noMemory(
    `${file}: the disk is full: it takes ${bytes} bytes${free ? `, ${free.bavail * free.bsize} are free` : ""}; make room, or write elsewhere`,
  );
}
