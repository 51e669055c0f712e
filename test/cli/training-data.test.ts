// What trainers hold out of a user's files: the same text, whatever learns on from it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { trainingData } from "../../src/cli/training-data.ts";
import type { TrainingFlags } from "../../src/cli/training-options.ts";
import type { Pieces } from "../../src/train/data/pieces.ts";

const beads = fileURLToPath(new URL("../../models/beads", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-training-data-"));
after(() => rmSync(folder, { recursive: true }));

const write = (name: string, count: number) => {
  const file = join(folder, name);
  const texts = Array.from({ length: count }, (_, i) => ({
    text: `In ${name}, jug ${i} holds ${i * 7} beads. `.repeat(8),
  }));
  writeFileSync(file, texts.map((text) => JSON.stringify(text)).join("\n"));
  return file;
};
const [first, second] = [write("a.jsonl", 150), write("b.jsonl", 100)];

const read = (data: string[], seed: number, length = 64) => {
  const flags = { data, seed, length, learn: "all", long: "cut", out: folder } as Partial<TrainingFlags>;
  return trainingData(flags as TrainingFlags, beads, 512, new AbortController().signal);
};
const piecesOf = (pieces: Pieces, count = pieces.count) =>
  new Set(Array.from({ length: count }, (_, i) => pieces.at(i).ids.join()));

test("a later stage with another seed and more files holds out what the first did", async () => {
  const [one, two] = [await read([first], 0), await read([first, second], 1)];
  const [held, later] = [piecesOf(one.test), piecesOf(two.test)];
  assert.ok([...held].every((piece) => later.has(piece)));
  const learned = piecesOf(one.train, 2000);
  assert.ok(![...later].some((piece) => learned.has(piece)));
});
