import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { badFile } from "../../base/errors.ts";
import { writeFault } from "./aside.ts";

/** A line of a run's journal: a step that was taken, or an evaluation after it. All but `seconds` is reproducible. */
export interface JournalEntry {
  step: number; // steps done; 0: before the first
  loss?: number; // of the step's batch
  learningRate?: number; // AdamW's
  norm?: number; // of all gradients, before they are clipped
  tokens?: number; // of the step, that are no padding
  sparsity?: number; // the one-sided term, unweighted
  targetCr?: number | null; // nominal: of decisions
  cr?: number | null; // nominal, of the step's noisy decisions; Infinity, null in files, where all evict
  heldOut?: number; // loss of an evaluation
  heldOutCr?: number | null; // achieved in it: of keys that queries read
  seconds?: number;
  missed?: readonly number[]; // in a recipe: ratios of `achieve` that were not reached
}

/** In a run's folder: a line for every step. */
export const JOURNAL = "journal.jsonl";

const MOST_BYTES = 256 << 20;

/** The journal of a run, one JSON object a line, appended. */
export class Journal implements AsyncDisposable {
  /** Entries of the steps that it goes on after. */
  readonly kept: readonly JournalEntry[];
  readonly #file: string;
  readonly #handle: FileHandle;

  private constructor(file: string, handle: FileHandle, kept: readonly JournalEntry[]) {
    this.kept = kept;
    this.#file = file;
    this.#handle = handle;
  }

  /**
   * Opens a journal to go on after `step` steps: lines of later ones, and a last half of a line, are cut off, so that a
   * run that was killed has the lines of one that was not. Without `step` it begins anew. Throws `bad-file` for a file
   * that is no journal.
   */
  static async open(file: string, step?: number): Promise<Journal> {
    const lines = step === undefined ? [] : await linesOf(file);
    const kept = lines.slice(0, lines.findLastIndex(({ entry }) => entry.step <= step!) + 1);
    const handle = await open(file, "a").catch(async (error) => {
      throw await writeFault(error, file, 0);
    });
    await handle.truncate(kept.at(-1)?.end ?? 0).catch(async (error) => {
      await handle.close();
      throw await writeFault(error, file, 0);
    });
    return new Journal(
      file,
      handle,
      kept.map(({ entry }) => entry),
    );
  }

  /** A step's lines belong there before its checkpoint is written. */
  async write(entry: JournalEntry): Promise<void> {
    const line = `${JSON.stringify(entry)}\n`;
    try {
      await this.#handle.writeFile(line);
    } catch (error) {
      throw await writeFault(error, this.#file, Buffer.byteLength(line));
    }
  }

  /** Waits until the disk has all lines: before a checkpoint counts on them. */
  async sync(): Promise<void> {
    await this.#handle.sync().catch(async (error) => {
      throw await writeFault(error, this.#file, 0);
    });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Entries of a journal. A last half of a line is passed over. Throws `bad-file` naming the line that is none. */
export async function readJournal(file: string): Promise<JournalEntry[]> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw badFile(`${file}: expected a run's journal, found ${info ? "a folder" : "none"}`);
  return (await linesOf(file)).map(({ entry }) => entry);
}

/** Entries and the byte after each. A file that is not there has none. */
async function linesOf(file: string): Promise<{ entry: JournalEntry; end: number }[]> {
  const info = await stat(file).catch(() => null);
  if (info === null) return [];
  if (info.size > MOST_BYTES) throw badFile(`${file}: ${info.size} bytes; expected a journal of at most ${MOST_BYTES}`);
  const bytes = await readFile(file);
  const lines: { entry: JournalEntry; end: number }[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf("\n", from) + 1;
    if (end === 0) break;
    const entry = parse(bytes.toString("utf8", from, end));
    if (entry === null)
      throw badFile(`${file}: line ${lines.length + 1}: expected {"step": n, ...}, an entry of a run's journal`);
    lines.push({ entry, end });
    from = end;
  }
  return lines;
}

function parse(line: string): JournalEntry | null {
  try {
    const value = JSON.parse(line);
    return Number.isSafeInteger(value?.step) ? value : null;
  } catch {
    return null;
  }
}
