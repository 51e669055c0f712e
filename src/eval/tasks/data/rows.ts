// Rows of a data set's file in the formats that they are published in. Files are untrusted: sizes are bounded.

import { readFile, stat } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import { asError, badFile } from "../../../base/errors.ts";
import { parseJson } from "../../../base/json.ts";
import { decodeUtf8 } from "../../../base/utf8.ts";
import { visible } from "../../../base/visible.ts";
import { MOST_BYTES, MOST_CHARACTERS, MOST_ROWS } from "./limits.ts";
import { parquetRows } from "./parquet.ts";

/** One row: its fields by name, and where it stands. */
export interface Row {
  fields: ReadonlyMap<string, unknown>; // names in lower case
  where: string; // for errors: file and row
}

/**
 * Rows of a file: .jsonl (also .jsonl.gz), .json (a list), .csv with a header, or .parquet. Throws `bad-file` where it
 * is too large, not of its format, or has no rows.
 */
export async function readRows(file: string): Promise<Row[]> {
  const bytes = await readBytes(file);
  const rows = await rowsOf(file, bytes);
  if (rows.length === 0) throw badFile(`${file}: expected rows, got an empty file`);
  if (rows.length > MOST_ROWS) throw badFile(`${file}: expected at most ${MOST_ROWS} rows, got ${rows.length}`);
  return rows.map(({ value, row }) => {
    const where = `${file}: row ${row}`;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw badFile(`${where}: expected an object with fields, got ${Array.isArray(value) ? "a list" : typeof value}`);
    return { fields: new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field])), where };
  });
}

interface Numbered {
  value: unknown;
  row: number; // from 1; of JSONL: the line
}

async function rowsOf(file: string, bytes: Uint8Array): Promise<Numbered[]> {
  const numbered = (values: readonly unknown[]) => values.map((value, i) => ({ value, row: i + 1 }));
  if (file.endsWith(".parquet")) return numbered(await parquetRows(file, bytes));
  if (file.endsWith(".gz")) return rowsOf(file.slice(0, -3), unzipped(file, bytes));
  const text = textOf(file, bytes);
  if (file.endsWith(".csv")) {
    const [names = [], ...records] = csvRecords(file, text);
    return records.map((record, i) => ({
      value: Object.fromEntries(names.map((name, at) => [name, record[at]])),
      row: i + 1,
    }));
  }
  if (file.endsWith(".jsonl"))
    return text
      .split("\n")
      .flatMap((line, i) => (line.trim() ? [{ value: parseJson(line, `${file}: row ${i + 1}`), row: i + 1 }] : []));
  if (!file.endsWith(".json")) throw badFile(`${file}: expected .jsonl, .jsonl.gz, .json, .csv or .parquet`);
  const values = parseJson(text, file);
  if (!Array.isArray(values)) throw badFile(`${file}: expected a list of rows, got ${typeof values}`);
  return numbered(values);
}

/** Bytes of a file, bounded. Throws `bad-file`. */
export async function readBytes(file: string): Promise<Uint8Array> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw badFile(`${file}: expected a file, found ${info ? "a folder" : "none"}`);
  if (info.size > MOST_BYTES)
    throw badFile(`${file}: expected at most ${MOST_BYTES >> 20} MiB, got ${Math.ceil(info.size / 2 ** 20)}`);
  return readFile(file);
}

/** Records of a CSV file, which may hold newlines in quotes; no header is read. Throws `bad-file`. */
export function csvRecords(file: string, text: string): string[][] {
  try {
    return parse(text, { bom: true, max_record_size: MOST_CHARACTERS, skip_empty_lines: true });
  } catch (error) {
    throw badFile(`${file}: expected CSV: ${visible(asError(error).message)}`);
  }
}

/** Text of bytes, without a byte order mark. Throws `bad-file`. */
export function textOf(file: string, bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (typeof text === "number") throw badFile(`${file}: line ${text}: expected UTF-8 text, got other bytes`);
  return text.replace(/^\ufeff/, "");
}

function unzipped(file: string, bytes: Uint8Array): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    throw badFile(`${file}: expected gzip of at most ${MOST_BYTES >> 20} MiB: ${asError(error).message}`);
  }
}
