// What stands beside the weights of a result, wherever its model came from, and what is said where none can be written.
import assert from "node:assert/strict";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { trainingBoard } from "../../src/cli/training-board.ts";
import { openDevice } from "../../src/request/session.ts";
import { copyInto } from "../../src/train/disk/aside.ts";
import { JOURNAL, Journal } from "../../src/train/disk/journal.ts";
import { saveAdapter, saveModel } from "../../src/train/export.ts";
import { saveKvzap } from "../../src/train/fit/kvzap.ts";
import { withFolder } from "../support/checkpoint.ts";
import { tinyPretrain, tinyRetrofit } from "./runs.ts";

const short = { settings: { steps: 1, heldOutWindows: 0 } };
const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

test("a tokenizer comes along from a model that is given as its file, or as the hub's cache keeps it", () =>
  withFolder({}, async (dir) => {
    const cache = join(dir, "models--a--b");
    const model = join(cache, "snapshots", "0123");
    await tinyPretrain(model, short);
    writeFileSync(join(model, "tokenizer.json"), "{}");
    for (const [i, given] of [cache, join(model, "model.safetensors")].entries()) {
      const full = join(dir, `full-${i}`);
      await tinyRetrofit(given, full, { ...short, retrofit: { train: "full" } });
      const more = join(dir, `more-${i}`);
      await tinyPretrain(more, { ...short, from: given, beside: given });
      for (const out of [full, more]) assert.equal(readFileSync(join(out, "tokenizer.json"), "utf8"), "{}");
    }
  }));

const full = existsSync("/dev/full") ? false : "UNRUN: no /dev/full";
describe("a disk that takes nothing", { skip: full }, () => {
  test("is told of with the file that was written", () =>
    withFolder({ file: "" }, async (dir) => {
      const device = openDevice("reference");
      writeFileSync(join(dir, "vocab"), "a b");
      symlinkSync("/dev/full", join(dir, `vocab.txt.tmp-${process.pid}`));
      await assert.rejects(
        copyInto(join(dir, "vocab.txt"), join(dir, "vocab")),
        isError("no-memory", /vocab\.txt: the disk is full: it takes 3 bytes, \d+ are free/),
      );

      writeFileSync(join(dir, JOURNAL), '{"step":0,"heldOut":1}\n{"step":1,"loss":1}\n');
      symlinkSync("/dev/full", join(dir, `training.svg.tmp-${process.pid}`));
      const board = trainingBoard({ out: dir }, 1);
      await assert.rejects(
        board.plot(),
        isError("no-memory", /training\.svg: the disk is full: it takes \d{3,} bytes/),
      );

      // No folder can be made where a file stands, and a device's end cannot be cut off.
      const below = join(dir, "file", "step-1");
      const cannot = isError("bad-argument", /file.step-1: cannot be written: /);
      await assert.rejects(saveModel(device, [], below, {}, { from: null, dtype: "F32" }), cannot);
      await assert.rejects(saveAdapter(device, { all: [] } as never, below, {}, { base: "", dtype: "F32" }), cannot);
      await assert.rejects(saveKvzap(below, {} as never, { layers: [] } as never), cannot);
      symlinkSync("/dev/full", join(dir, "journal"));
      await assert.rejects(Journal.open(join(dir, "journal")), isError("bad-argument", /journal: cannot be written/));
    }));

  test("is told of where the journal's lines cannot be made sure of", () =>
    withFolder({}, async (dir) => {
      const journal = await Journal.open(join(dir, JOURNAL));
      await journal.close();
      await assert.rejects(journal.sync(), isError("bad-argument", /journal\.jsonl: cannot be written/));
    }));
});

test("what killed runs left beside files of a result is removed when it is saved", () =>
  withFolder({}, async (dir) => {
    const names = ["model.safetensors", "config.json", "training.svg", "merges.txt"].map((name) =>
      join(dir, `${name}.tmp-17`),
    );
    for (const name of names) writeFileSync(name, "half");
    await saveModel(openDevice("reference"), [], dir, {}, { from: null, dtype: "F32" });
    assert.deepEqual(names.filter(existsSync), []);
  }));
