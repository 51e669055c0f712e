// Files of one JSON object a line that a program may be killed over at any moment.

import { closeSync, openSync, writeSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { badFile } from "../../base/errors.ts";
import { parseJson } from "../../base/json.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import { readLines } from "../../train/data/files.ts";
import { writeAside, writeFault } from "../../train/disk/aside.ts";

const MOST_BYTES = 256 << 20; // of a line

/** Lines of a file, and what they say. A last one without its line feed was cut off: it does not come. */
export async function* wholeLines(file: string): AsyncGenerator<{ bytes: Uint8Array; value: unknown; where: string }> {
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  if (size === 0) return;
  let end = 0;
  for await (const { number, bytes } of readLines(file, MOST_BYTES)) {
    const where = `${file}: line ${number}`;
    if (bytes === null) throw badFile(`${where}: expected at most ${MOST_BYTES >> 20} MiB`);
    end += bytes.length + 1;
    if (end > size) return;
    const text = decodeUtf8(bytes);
    if (typeof text === "number") throw badFile(`${where}: expected UTF-8 text, got other bytes`);
    yield { bytes, value: parseJson(text, where), where };
  }
}

/** Leaves those lines of a file that are to stay, and no half of one. What stays is never away. */
export async function keepLines(file: string, stays: (value: unknown) => boolean): Promise<void> {
  await writeAside(file, 0, async (handle) => {
    for await (const { bytes, value } of wholeLines(file))
      if (stays(value)) await handle.writeFile(Buffer.concat([bytes, Buffer.from("\n")]));
  });
}

/** Appends lines, those of a call together. After a fault it takes no more: they would follow half of a line. */
export class LineWriter {
  readonly #file: string;
  readonly #handle: number;
  #fault: unknown = null;

  constructor(file: string) {
    this.#file = file;
    this.#handle = openSync(file, "a");
  }

  async write(values: readonly object[]): Promise<void> {
    if (this.#fault) throw this.#fault;
    const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#handle, bytes, at);
    } catch (error) {
      this.#fault = error;
      throw await writeFault(error, this.#file, bytes.length);
    }
  }

  close(): void {
    closeSync(this.#handle);
  }
}

/** Whether a file ends with a line feed, or is empty or not there. */
export async function endsWhole(file: string): Promise<boolean> {
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  if (size === 0) return true;
  await using handle = await open(file);
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === 10;
}
