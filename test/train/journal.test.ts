import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { Journal, type JournalEntry, readJournal } from "../../src/train/disk/journal.ts";
import { withFolder } from "../support/checkpoint.ts";

const entries: JournalEntry[] = [1, 2, 3, 4].flatMap((step) => [
  { step, loss: 1 / step, seconds: 0.5 },
  ...(step % 2 ? [] : [{ step, heldOut: 2 / step, name: "é" }]),
]);
const text = (list: readonly JournalEntry[]) => list.map((entry) => `${JSON.stringify(entry)}\n`).join("");

const inFolder = (work: (file: string) => Promise<void>) => withFolder({}, (dir) => work(join(dir, "journal.jsonl")));

async function write(file: string, list: readonly JournalEntry[], step?: number): Promise<void> {
  await using journal = await Journal.open(file, step);
  for (const entry of list) await journal.write(entry);
  await journal.sync();
}

test("a line an entry, appended and read back; a new run begins anew", () =>
  inFolder(async (file) => {
    await write(file, entries);
    assert.equal(readFileSync(file, "utf8"), text(entries));
    assert.deepEqual(await readJournal(file), entries);
    await write(file, entries.slice(0, 1));
    assert.equal(readFileSync(file, "utf8"), text(entries.slice(0, 1)));
  }));

test("lines after the step that a run goes on from are cut off, and half a line", () =>
  inFolder(async (file) => {
    for (const step of [0, 1, 2, 3, 4, 9])
      for (const half of ["", '{"step":5,"lo', '{"step":1,"']) {
        writeFileSync(file, text(entries) + half);
        assert.deepEqual(await readJournal(file), entries);
        const kept = entries.filter((entry) => entry.step <= step);
        const journal = await Journal.open(file, step);
        assert.deepEqual(journal.kept, kept);
        await journal.close();
        await write(file, [{ step: 7, loss: 0 }], step);
        assert.equal(readFileSync(file, "utf8"), text([...kept, { step: 7, loss: 0 }]));
      }
  }));

test("one that is not there yet is begun, whatever the step", () =>
  inFolder(async (file) => {
    await write(file, entries, 3);
    assert.deepEqual(await readJournal(file), entries);
  }));

test("what is no journal is refused, and stays as it was", () =>
  inFolder(async (file) => {
    const isError = (error: unknown) =>
      error instanceof HyperthinkError && error.code === "bad-file" && /line 2: expected \{"step"/.test(error.message);
    for (const line of ["no JSON", "[1]", "null", '{"loss":1}', '{"step":"1"}', '{"step":1.5}']) {
      const content = `${text(entries.slice(0, 1))}${line}\n${text(entries)}`;
      writeFileSync(file, content);
      await assert.rejects(readJournal(file), isError);
      await assert.rejects(Journal.open(file, 1), isError);
      assert.equal(readFileSync(file, "utf8"), content);
    }
    await assert.rejects(readJournal(join(file, "none")), /expected a run's journal, found none/);
    await assert.rejects(readJournal(join(file, "..")), /found a folder/);
    await assert.rejects(Journal.open(join(file, "none")), /cannot be written/);
  }));

test("it is appended to whatever another writes there meanwhile", () =>
  inFolder(async (file) => {
    await using journal = await Journal.open(file);
    await journal.write({ step: 1 });
    appendFileSync(file, '{"step":2}\n');
    await journal.write({ step: 3 });
    assert.deepEqual(
      (await readJournal(file)).map(({ step }) => step),
      [1, 2, 3],
    );
  }));
