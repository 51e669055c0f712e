import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import { fromBufferPromise } from "yauzl";
import { asError, badFile, HyperthinkError } from "../../../base/errors.ts";
import { visible } from "../../../base/visible.ts";
import { MOST_BYTES } from "./limits.ts";

/**
 * Contents of the files in a zip whose names match, in its order. Throws `bad-file` where it is none, where they unpack
 * to more than a file may have, or to something else than the zip says (its sizes and checksums).
 */
export async function zipFiles(name: string, bytes: Uint8Array, wanted: RegExp): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  let total = 0;
  try {
    const zip = await fromBufferPromise(Buffer.from(bytes));
    for await (const entry of zip.eachEntry()) {
      const file = entry.fileName;
      if (file.endsWith("/") || !wanted.test(file)) continue;
      total += entry.uncompressedSize;
      if (!(total <= MOST_BYTES))
        throw badFile(`${name}: expected at most ${MOST_BYTES >> 20} MiB when unpacked, got more`);
      if (files.has(file)) throw badFile(`${name}: expected ${visible(file)} once, got it twice`);
      const contents = await buffer(await zip.openReadStreamPromise(entry));
      if (crc32(contents) !== entry.crc32) throw badFile(`${name}: ${visible(file)} is damaged: its checksum differs`);
      files.set(file, contents);
    }
  } catch (error) {
    if (error instanceof HyperthinkError) throw error;
    throw badFile(`${name}: expected a zip file: ${visible(asError(error).message.slice(0, 200))}`);
  }
  return files;
}
