import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { badFile } from "../../base/errors.ts";

/** Bytes of all files together: their tokens stay in memory. */
const MOST_BYTES = 1 << 30;
const MOST_FILES = 10_000;
const BLOCK = 1 << 20;
const NEWLINE = 10;

export interface DataFile {
  path: string;
  form: "text" | "jsonl";
  bytes: number;
}

/**
 * The .txt and .jsonl files that paths name; of a folder those directly in it, by name. Throws `bad-file` for a path
 * that is neither, a folder without any, more than 10,000 files, or more than 1 GiB.
 */
export async function dataFiles(paths: readonly string[]): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const path of paths) {
    const info = await stat(path).catch(() => null);
    if (!info) throw badFile(`${path}: no such file or folder; expected .txt or .jsonl files to learn from`);
    if (info.isDirectory()) files.push(...(await filesIn(path)));
    else if (formOf(path) && info.isFile()) files.push({ path, form: formOf(path)!, bytes: info.size });
    else throw badFile(`${path}: expected a .txt or .jsonl file, or a folder of them`);
  }
  if (files.length > MOST_FILES)
    throw badFile(`expected at most ${MOST_FILES} files to learn from, got ${files.length}`);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > MOST_BYTES)
    throw badFile(
      `expected at most ${MOST_BYTES >> 30} GiB of files to learn from, got ${(bytes / MOST_BYTES).toFixed(2)}: give some of them`,
    );
  return files;
}

async function filesIn(folder: string): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const form = formOf(name);
    if (!form) continue;
    const info = await stat(path);
    if (info.isFile()) files.push({ path, form, bytes: info.size });
  }
  if (files.length === 0) throw badFile(`${folder}: expected .txt or .jsonl files in this folder, found none`);
  return files;
}

function formOf(path: string): DataFile["form"] | null {
  if (/\.txt$/i.test(path)) return "text";
  return /\.jsonl$/i.test(path) ? "jsonl" : null;
}

export interface Line {
  number: number; // from 1
  bytes: Uint8Array | null; // null: it has more than are allowed
}

/** Lines of a file without their line feeds; a last one that is empty does not come. */
export async function* readLines(file: string, most: number): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array) => {
    length += part.length;
    if (length <= most) parts.push(part);
    else parts = [];
  };
  const line = (): Line => {
    const bytes = length > most ? null : parts.length === 1 ? parts[0] : Buffer.concat(parts);
    parts = [];
    length = 0;
    return { number: number++, bytes };
  };
  try {
    for await (const block of createReadStream(file, { highWaterMark: BLOCK }) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = block.indexOf(NEWLINE); end >= 0; end = block.indexOf(NEWLINE, from)) {
        take(block.subarray(from, end));
        from = end + 1;
        yield line();
      }
      if (from < block.length) take(block.subarray(from));
    }
  } catch (error) {
    throw badFile(`${file}: cannot be read: ${(error as Error).message}`);
  }
  if (length > 0) yield line();
}
