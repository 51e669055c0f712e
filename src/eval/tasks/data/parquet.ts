import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { type Compressors, parquetMetadataAsync, parquetReadObjects, snappyUncompress } from "hyparquet";
import { asError, badFile, HyperthinkError } from "../../../base/errors.ts";
import { visible } from "../../../base/visible.ts";
import { MOST_BYTES, MOST_ROWS } from "./limits.ts";

/** Most bytes of one page of a column, unpacked. */
const MOST_PAGE = 64 << 20;

/** Rows of a parquet file as objects. Throws `bad-file` where it is none, or unpacks to more than a file may have. */
export async function parquetRows(name: string, bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  const file = new Uint8Array(bytes).buffer;
  try {
    const metadata = await parquetMetadataAsync(file);
    if (metadata.num_rows > MOST_ROWS)
      throw badFile(`${name}: expected at most ${MOST_ROWS} rows, got ${metadata.num_rows}`);
    return await parquetReadObjects({ file, metadata, compressors: compressors(name) });
  } catch (error) {
    if (error instanceof HyperthinkError) throw error;
    throw badFile(`${name}: expected a parquet file: ${visible(asError(error).message.slice(0, 200))}`);
  }
}

/** A size that a page gives itself is checked before memory is taken, one by one and in all. */
function compressors(name: string): Compressors {
  let total = 0;
  const bounded =
    (unpack: (input: Uint8Array, length: number) => Uint8Array) => (input: Uint8Array, length: number) => {
      total += length;
      if (!(length >= 0 && length <= MOST_PAGE && total <= MOST_BYTES))
        throw badFile(`${name}: expected pages of at most ${MOST_PAGE >> 20} MiB and ${MOST_BYTES >> 20} in all`);
      return unpack(input, length);
    };
  return {
    SNAPPY: bounded((input, length) => {
      const output = new Uint8Array(length);
      snappyUncompress(input, output);
      return output;
    }),
    GZIP: bounded((input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) })),
    ZSTD: bounded((input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) })),
    BROTLI: bounded((input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) })),
  };
}
