// MMLU's questions, by subject, from the archive as its authors publish it, its unpacked folder, or the Hub's cache.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { badFile } from "../../base/errors.ts";
import { LETTERS, type OptionItem } from "./choices.ts";
import { listField, textField, valueField } from "./data/fields.ts";
import { findData } from "./data/find.ts";
import { csvRecords, type Row, readBytes, readRows, textOf } from "./data/rows.ts";
import { zipFiles } from "./data/zip.ts";
import type { ItemOptions } from "./task.ts";

const SPLITS = ["dev", "test"] as const;

/** Questions of a subject: `dev` are its worked examples, `test` those to answer. */
export type Subject = Record<(typeof SPLITS)[number], OptionItem[]>;

const CSV = /(?:^|\/)(dev|test)\/([a-z_]+)_(?:dev|test)\.csv$/;

/** All subjects in the order of their names. Throws `bad-file` that names the row, or the subject without examples. */
export async function mmluSubjects(options: ItemOptions): Promise<Map<string, Subject>> {
  const subjects = new Map<string, Subject>();
  const add = (name: string, split: (typeof SPLITS)[number], questions: OptionItem[]) => {
    const subject = subjects.get(name) ?? { dev: [], test: [] };
    subject[split].push(...questions);
    subjects.set(name, subject);
  };
  if (options.data === undefined) {
    for (const split of SPLITS)
      for (const row of await readRows(await inHub(split, options))) {
        const item = hubItem(row);
        add(item.group!, split, [item]);
      }
  } else
    for (const [file, bytes] of await csvFiles(options.data)) {
      const [, split, name] = CSV.exec(file)!;
      const records = csvRecords(file, textOf(file, bytes));
      add(
        name,
        split as "dev" | "test",
        records.map((record, i) => csvItem(`${file}: row ${i + 1}`, name, record)),
      );
    }
  for (const [name, { dev, test }] of subjects)
    if (dev.length === 0 || test.length === 0)
      throw badFile(`MMLU, ${name}: expected questions in dev and test, got ${dev.length} and ${test.length}`);
  if (subjects.size === 0) throw badFile(`${options.data}: expected CSV files in dev and test, found none`);
  return new Map([...subjects].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const inHub = (split: string, options: ItemOptions): Promise<string> =>
  findData(
    { files: ["mmlu.zip"], hub: [{ repository: "cais/mmlu", file: new RegExp(`^all/${split}-.*\\.parquet$`) }] },
    options,
  );

/** The files of both splits, by name: of a zip, of a folder that has one, or of the folder it unpacks to. */
async function csvFiles(data: string): Promise<Map<string, Uint8Array>> {
  const info = await stat(data).catch(() => null);
  if (info?.isFile()) return zipFiles(data, await readBytes(data), CSV);
  const names = info ? await readdir(data) : [];
  if (names.includes("mmlu.zip")) return csvFiles(join(data, "mmlu.zip"));
  const root = names.includes("data") ? join(data, "data") : data;
  const files = new Map<string, Uint8Array>();
  for (const split of SPLITS)
    for (const name of await readdir(join(root, split)).catch((): string[] => [])) {
      const file = `${root}/${split}/${name}`;
      if (CSV.test(file)) files.set(file, await readBytes(file));
    }
  if (files.size === 0) throw badFile(`${data}: expected mmlu.zip, or a folder with dev and test, found neither`);
  return files;
}

function csvItem(where: string, subject: string, record: readonly string[]): OptionItem {
  const [question, ...rest] = record;
  const letter = rest.at(-1)?.trim() ?? "";
  if (record.length !== 6 || !"ABCD".includes(letter) || letter.length !== 1 || question.trim() === "")
    throw badFile(`${where}: expected a question, four options and a letter A to D, got ${record.length} fields`);
  return { id: "", question: question.trim(), options: rest.slice(0, 4), gold: letter, group: subject };
}

/** A row of cais/mmlu: the answer is the place of an option. */
function hubItem(row: Row): OptionItem {
  const options = listField(row, "choices");
  const right = Number(valueField(row, "answer"));
  if (options.length !== 4 || !(right >= 0 && right < 4))
    throw badFile(`${row.where}: expected four choices and an answer from 0 to 3, got ${options.length} and ${right}`);
  return {
    id: "",
    question: textField(row, "question").trim(),
    options,
    gold: LETTERS[right],
    group: textField(row, "subject"),
  };
}
