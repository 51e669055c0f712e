// Problems that are a question and its answer, as most data sets publish them.

import { badFile } from "../../base/errors.ts";
import { seeded, shuffled } from "../../base/rng.ts";
import { goldOf } from "../compare/problems.ts";
import { optionalField, textField, valueField } from "./data/fields.ts";
import { findData, type Published } from "./data/find.ts";
import { type Row, readRows } from "./data/rows.ts";
import type { Item, ItemOptions } from "./task.ts";

/** Names of the question and of the gold answer in published files; the first that a row has counts. */
const QUESTIONS = ["prompt", "question", "problem"];
const ANSWERS = ["answer", "solution"];

/**
 * The item of a row. A gold may be a value, a solution that ends with "#### value", or one with a box. Throws
 * `bad-file` that names the row.
 */
export function questionItem(row: Row, index: number): Item {
  const question = textField(row, ...QUESTIONS);
  const answer = valueField(row, ...ANSWERS);
  const gold = goldOf(answer);
  if (gold === null)
    throw badFile(
      `${row.where}: expected an answer that a reply can equal, got ${JSON.stringify(answer.slice(0, 60))}; give the value alone, or end a solution with "#### value"`,
    );
  return { id: optionalField(row, "unique_id", "id") ?? String(index), question, gold };
}

/** Items of a file of questions, each with an id of its own; a data set's may say more of its rows. */
export async function questionItems(
  published: Published,
  options: ItemOptions,
  itemOf: (row: Row, index: number) => Item = questionItem,
): Promise<Item[]> {
  const file = await findData(published, options);
  return someOf(distinct(file, (await readRows(file)).map(itemOf)), options);
}

/** The items where all ids differ; else numbered by their places. */
export const distinct = <I extends { id: string }>(file: string, items: readonly I[]): I[] => {
  if (items.length === 0) throw badFile(`${file}: expected problems, got none`);
  if (new Set(items.map(({ id }) => id)).size === items.length) return [...items];
  return items.map((item, index) => ({ ...item, id: String(index) }));
};

const CHOICE = 0x7a5c0001;

/** A seeded choice of `count` items in their order, so that a limit does not leave out the later subjects. */
export function someOf<T>(items: readonly T[], { count, seed = 0 }: ItemOptions): T[] {
  if (count === undefined || count >= items.length) return [...items];
  const chosen = shuffled(seeded(seed, CHOICE), items.keys()).slice(0, count);
  return chosen.sort((a, b) => a - b).map((i) => items[i]);
}
