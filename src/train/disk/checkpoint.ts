// The state of a training run on disk: whole at any moment, whatever ends the program or the machine.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { asError, badFile } from "../../base/errors.ts";
import { PROGRAM } from "../../base/program.ts";
import { Safetensors } from "../../model/safetensors.ts";
import { openSource, readJson } from "../../model/source.ts";
import { syncFolder, writeFault, writeSynced } from "./aside.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { layOut, type SavedTensor } from "./save.ts";

/** What a run goes on from, besides its tensors. */
export interface RunState {
  step: number; // steps done
  cursor: number; // number of the next piece
  settings: Record<string, unknown>; // JSON: what the run's results depend on
  data: string; // fingerprint of the pieces
}

export interface Checkpoint {
  path: string;
  state: RunState;
}

interface StateFile extends RunState {
  version: typeof VERSION;
  program: string; // its version
  settingsHash: string;
  tensors: { bytes: number; sha256: string };
}

/** In a run's folder, while it goes on. */
export const CHECKPOINTS = "checkpoints";

const VERSION = 1;
const STATE = "state.json";
const TENSORS = "state.safetensors";
const KEPT = 2;

const nameOf = (step: number): string => `step-${String(step).padStart(6, "0")}`;
const stepOf = (name: string): number => Number(/^step-(\d{6,})$/.exec(name)?.[1] ?? Number.NaN);

/** A tensor of a checkpoint: all are float32. */
export type StateTensor = Omit<SavedTensor, "dtype">;

/**
 * Writes a checkpoint of a run whose folder is `dir`, and returns its path. It appears whole or not at all; then only
 * it and the newest before it stay. (Those of later steps, which are left from what was given up, go too: a new run
 * wants a folder of its own.) Throws `no-memory` where the disk is full, `bad-argument` where nothing can be written
 * there, `bad-model` where a number is NaN or infinite.
 */
export async function writeCheckpoint(dir: string, state: RunState, tensors: readonly StateTensor[]): Promise<string> {
  const path = join(dir, nameOf(state.step));
  const aside = join(dir, `.${nameOf(state.step)}.tmp-${process.pid}`);
  const layout = layOut(tensors.map((tensor) => ({ ...tensor, dtype: "F32" })));
  try {
    await mkdir(aside, { recursive: true });
    const sha256 = await writeSynced(join(aside, TENSORS), (handle) => layout.write(handle));
    const { step, cursor, settings, data } = state;
    const file: StateFile = {
      version: VERSION,
      program: PROGRAM.version,
      step,
      cursor,
      data,
      settings,
      settingsHash: fingerprintOf(settings),
      tensors: { bytes: layout.bytes, sha256 },
    };
    await writeSynced(join(aside, STATE), (handle) => handle.writeFile(`${JSON.stringify(file, null, 2)}\n`));
    await syncFolder(aside);
    await discard(dir, nameOf(state.step)); // a damaged one
    await rename(aside, path);
    await syncFolder(dir);
  } catch (error) {
    await rm(aside, { recursive: true, force: true }).catch(() => {});
    throw await writeFault(error, path, layout.bytes);
  }
  const older = (await stepsIn(dir)).filter((step) => step < state.step);
  for (const step of await stepsIn(dir))
    if (step !== state.step && !older.slice(0, KEPT - 1).includes(step)) await discard(dir, nameOf(step));
  return path;
}

/** Removes a checkpoint, if it is there. What is half removed does not look like one. */
async function discard(dir: string, name: string): Promise<void> {
  const aside = join(dir, `.${name}.old-${process.pid}`);
  const there = await rename(join(dir, name), aside).then(
    () => true,
    () => false,
  );
  if (there) await rm(aside, { recursive: true, force: true });
}

/** Removes what interrupted writes have left in a run's folder. Only for the one process that writes there. */
export async function cleanCheckpoints(dir: string): Promise<void> {
  for (const name of await readdir(dir).catch((): string[] => []))
    if (/^\.step-\d{6,}\.(tmp|old)-\d+$/.test(name)) await rm(join(dir, name), { recursive: true, force: true });
}

/** Steps of the checkpoints in a folder, the newest first. */
async function stepsIn(dir: string): Promise<number[]> {
  const names = await readdir(dir).catch((): string[] => []);
  return names
    .map(stepOf)
    .filter((step) => !Number.isNaN(step))
    .sort((a, b) => b - a);
}

/** The newest checkpoint that is whole; null where there is none. Notes name those that are damaged and why. */
export async function latestCheckpoint(dir: string): Promise<{ checkpoint: Checkpoint | null; notes: string[] }> {
  const notes: string[] = [];
  for (const step of await stepsIn(dir)) {
    const path = join(dir, nameOf(step));
    try {
      return { checkpoint: { path, state: await verified(path, step) }, notes };
    } catch (error) {
      notes.push(`checkpoint ${nameOf(step)} is damaged and left aside: ${asError(error).message}`);
    }
  }
  return { checkpoint: null, notes };
}

/** Throws `bad-file` where anything differs from what was written. */
async function verified(path: string, expected: number): Promise<RunState> {
  const file = (await readJson(join(path, STATE))) as Partial<StateFile> | null;
  const wrong = (message: string) => badFile(`${path}: ${message}`);
  if (file === null) throw wrong(`expected ${STATE}, found none`);
  const { version, step, cursor, settings, settingsHash, data, tensors } = file;
  if (version !== VERSION) throw wrong(`expected a checkpoint of version ${VERSION}, got ${version}`);
  if (step !== expected || !Number.isSafeInteger(cursor) || typeof data !== "string")
    throw wrong(`expected step ${expected}, a cursor and a fingerprint in ${STATE}`);
  if (typeof settings !== "object" || settings === null || fingerprintOf(settings) !== settingsHash)
    throw wrong(`the settings in ${STATE} are not those that were written`);
  const { size } = await stat(join(path, TENSORS)).catch(() => ({ size: -1 }));
  if (size !== tensors?.bytes)
    throw wrong(`expected ${tensors?.bytes} bytes of ${TENSORS}, found ${size < 0 ? "none" : size}`);
  const hash = createHash("sha256");
  for await (const block of createReadStream(join(path, TENSORS), { highWaterMark: 1 << 20 })) hash.update(block);
  if (hash.digest("hex") !== tensors.sha256) throw wrong(`${TENSORS} holds other bytes than were written`);
  return { step, cursor: cursor!, settings, data };
}

/** Where a tensor of a checkpoint goes, block by block of whole rows. */
export interface WantedTensor {
  name: string;
  shape: readonly number[];
  write(values: Float32Array, row: number): Promise<void> | void;
}

/** Reads the tensors of a checkpoint. Throws `bad-file` unless it has exactly those that are wanted. */
export async function readCheckpoint({ path }: Checkpoint, wanted: readonly WantedTensor[]): Promise<void> {
  await using file = await Safetensors.open(await openSource(join(path, TENSORS)));
  const stray = [...file.tensors.keys()].find((name) => !wanted.some((tensor) => tensor.name === name));
  if (stray !== undefined) throw badFile(`${path}: it has a tensor ${stray}, which this run does not know`);
  for (const { name, shape, write } of wanted) {
    const tensor = file.tensors.get(name);
    if (tensor?.dtype !== "F32" || tensor.shape.join() !== shape.join())
      throw badFile(
        `${path}: expected tensor ${name} of F32 [${shape}], ${tensor ? `got ${tensor.dtype} [${tensor.shape}]` : "found none"}`,
      );
    await file.rows(tensor, shape.at(-1) ?? 1, (values, row) => write(values, row));
  }
}
