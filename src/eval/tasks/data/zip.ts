import { unzipSync } from "fflate";
import { asError, badFile } from "../../../base/errors.ts";
import { MOST_BYTES } from "./limits.ts";

/**
 * Contents of the files in a zip whose names match. Sizes are checked before memory is taken; a file that unpacks to
 * more than it says is damaged. Throws `bad-file`.
 */
export function zipFiles(name: string, bytes: Uint8Array, wanted: RegExp): Map<string, Uint8Array> {
  let total = 0;
  let big = false;
  try {
    const files = unzipSync(bytes, {
      filter: ({ name: file, originalSize }) => {
        if (!wanted.test(file) || file.endsWith("/")) return false;
        total += originalSize;
        big ||= !(total <= MOST_BYTES);
        return !big;
      },
    });
    if (!big) return new Map(Object.entries(files));
  } catch (error) {
    throw badFile(`${name}: expected a zip file: ${asError(error).message.slice(0, 200)}`);
  }
  throw badFile(`${name}: expected at most ${MOST_BYTES >> 20} MiB when unpacked, got more`);
}
