// The folder that a run writes: nobody's model, and one process's at a time.
import { mkdir, readdir, realpath, rmdir } from "node:fs/promises";
import { resolve } from "node:path";
import { badArgument } from "../../base/errors.ts";
import { RECIPE } from "../../model/recipe.ts";
import { openSource } from "../../model/source.ts";
import { CHECKPOINTS } from "./checkpoint.ts";
import { JOURNAL } from "./journal.ts";
import { FolderLock } from "./lock.ts";

/** Files of a model, of gates or of a LoRA. */
const MODEL = /^(config\.json|adapter_.*|.*\.safetensors(\.index\.json)?)$/;

/** Whether a run that was stopped in the folder is gone on with. */
export interface Claim {
  goesOn: boolean;
}

/**
 * Throws `bad-argument` where a run has ended in the folder, where it holds a model or an adapter (but for what a run
 * left that was stopped while it saved, and that this one goes on with), or is one of those that this run reads.
 */
export async function checkOut(out: string, reads: readonly string[], { goesOn }: Claim): Promise<void> {
  const there = await readdir(out).catch((): string[] => []);
  const own = await resolved(out);
  for (const path of reads)
    if ((await resolved((await openSource(path)).path)) === own)
      throw badArgument(`${out}: this run reads that folder: expected another --out, so that it stays as it is`);
  if (there.includes(RECIPE))
    throw badArgument(`${out} holds a finished run: expected another --out, or that folder removed`);
  const unfinished = [CHECKPOINTS, JOURNAL].every((name) => there.includes(name));
  if (unfinished && !goesOn)
    throw badArgument(`${out} holds a run that was stopped: expected another --out, or that folder removed`);
  const file = there.find((name) => MODEL.test(name));
  if (file !== undefined && !unfinished)
    throw badArgument(`${out} holds ${file} already: expected another --out, or that folder removed`);
}

const resolved = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/**
 * Makes the folder where it is not there, and claims it until it is disposed of. Throws `bad-argument` where another
 * program writes there or has ended meanwhile, or nothing can be written.
 */
export async function claimFolder(out: string, claim: Claim): Promise<AsyncDisposable> {
  const fresh = await mkdir(out, { recursive: true }).catch((error: Error) => {
    throw badArgument(`${out}: expected a folder that can be made and written: ${error.message}`);
  });
  const lock = FolderLock.take(out);
  const leave = async () => {
    lock.release();
    if (fresh !== undefined) await rmdir(out).catch(() => {}); // one that stayed empty
  };
  await checkOut(out, [], claim).catch(async (error) => {
    await leave();
    throw error;
  });
  return { [Symbol.asyncDispose]: leave };
}
