import { endsWhole, keepLines, wholeLines } from "../src/eval/harness/lines.ts";

/**
 * The rows of a file of one JSON object a line, to which a bench appends: what a killed one left of a last line is
 * removed from it. None where it is not there.
 */
export async function rowsOf<T>(file: string): Promise<T[]> {
  if (!(await endsWhole(file))) await keepLines(file, () => true);
  const rows: T[] = [];
  for await (const { value } of wholeLines(file)) rows.push(value as T);
  return rows;
}
