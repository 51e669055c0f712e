// What needles are hidden in.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { badFile } from "../../../base/errors.ts";
import { readBytes, textOf } from "../data/rows.ts";

/** RULER's noise, a line again and again. */
export const NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

/**
 * Sentences of the essays in a folder (its .txt files, or those of its folder `haystack`, in the order of their names),
 * or of one text file. Throws `bad-file` where there are none.
 */
export async function essaySentences(data: string | undefined): Promise<string[]> {
  if (data === undefined)
    throw badFile("needles in essays: expected a folder of .txt files, got none; or say essays=0 for RULER's noise");
  const files = await textFiles(data);
  const sentences: string[] = [];
  for (const file of files) {
    const text = textOf(file, await readBytes(file))
      .replace(/\s+/g, " ")
      .trim();
    sentences.push(...text.split(/(?<=[.!?]["'”’)\]]?) (?=["'“‘([A-Z0-9])/).filter((sentence) => sentence !== ""));
  }
  if (sentences.length === 0) throw badFile(`${data}: expected essays, got no text`);
  return sentences;
}

async function textFiles(data: string): Promise<string[]> {
  const info = await stat(data).catch(() => null);
  if (info?.isFile()) return [data];
  const names = info ? await readdir(data) : [];
  const texts = names.filter((name) => name.endsWith(".txt")).sort();
  if (texts.length > 0) return texts.map((name) => join(data, name));
  if (names.includes("haystack")) return textFiles(join(data, "haystack"));
  throw badFile(`${data}: expected .txt files, or a folder haystack with some, found ${info ? "neither" : "nothing"}`);
}
