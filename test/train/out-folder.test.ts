// Where a run writes: no model is lost there, and one process writes at a time.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { RECIPE } from "../../src/model/recipe.ts";
import { CHECKPOINTS } from "../../src/train/disk/checkpoint.ts";
import { JOURNAL } from "../../src/train/disk/journal.ts";
import { LOCK_FILE } from "../../src/train/disk/lock.ts";
import { checkOut, claimFolder } from "../../src/train/disk/outFolder.ts";
import { withFolder } from "../support/checkpoint.ts";
import { otherWriter } from "../support/writer.ts";
import { tinyPretrain, tinyRetrofit } from "./runs.ts";

const inFolder = (work: (dir: string) => Promise<void>) => withFolder({}, work);
const isRefused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === "bad-argument", String(error));
  assert.match(error.message, message);
  return true;
};
const short = { settings: { steps: 1, heldOutWindows: 0 } };

describe("a folder for a result", () => {
  test("is not the model that is read, which stays as it was", () =>
    inFolder(async (dir) => {
      const model = join(dir, "model");
      await tinyPretrain(model, short);
      rmSync(join(model, RECIPE));
      const files = () =>
        readdirSync(model)
          .sort()
          .map((name) => [name, readFileSync(join(model, name), "base64")]);
      const before = files();
      symlinkSync(model, join(dir, "link"), "junction");
      for (const out of [model, `${model}/`, join(dir, "link")]) {
        for (const train of ["gates", "lora", "full"] as const)
          await assert.rejects(tinyRetrofit(model, out, { ...short, retrofit: { train } }), isRefused(/reads that fo/));
        await assert.rejects(tinyPretrain(out, { ...short, from: model }), isRefused(/this run reads that folder/));
      }
      assert.deepEqual(files(), before);
      writeFileSync(join(model, "training.json"), "{}"); // nor is a model that a run made to be removed
      await assert.rejects(checkOut(model, [model], { goesOn: true }), isRefused(/this run reads that folder/));
    }));

  test("holds no other model, gates or LoRA", () =>
    inFolder(async (dir) => {
      for (const name of [
        ...["config.json", "model.safetensors", "model.safetensors.index.json", "model-00001-of-00002.safetensors"],
        ...["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"],
      ]) {
        const out = join(dir, name.replaceAll(".", "-"));
        mkdirSync(out);
        writeFileSync(join(out, name), "{}");
        await assert.rejects(checkOut(out, [], { goesOn: true }), isRefused(new RegExp(`holds ${name} already`)));
        mkdirSync(join(out, CHECKPOINTS)); // a trainer's, but without our journal
        await assert.rejects(tinyPretrain(out, short), isRefused(/ already: expected another --out/));
        // A run that was stopped while it saved its result goes on.
        writeFileSync(join(out, JOURNAL), "");
        await checkOut(out, [], { goesOn: true });
        await assert.rejects(checkOut(out, [], { goesOn: false }), isRefused(/holds a run that was stopped/));
        writeFileSync(join(out, RECIPE), "{}");
        await assert.rejects(checkOut(out, [], { goesOn: true }), isRefused(/holds a finished run/));
      }
      await checkOut(join(dir, "new"), [], { goesOn: true });
      mkdirSync(join(dir, "notes"));
      writeFileSync(join(dir, "notes", "notes.txt"), "a user's");
      await checkOut(join(dir, "notes"), [], { goesOn: true });
    }));
});

describe("a claim on a folder", () => {
  test("is one's, of this process and of others, until it is given up", () =>
    inFolder(async (dir) => {
      const out = join(dir, "out");
      {
        await using _ = await claimFolder(out, { goesOn: true });
        await assert.rejects(claimFolder(`${out}/.`, { goesOn: true }), isRefused(/another program writes to it/));
        assert.ok(existsSync(join(out, LOCK_FILE)));
        writeFileSync(join(out, "kept"), "");
      }
      assert.deepEqual(readdirSync(out), ["kept"]);
      writeFileSync(join(out, RECIPE), "{}"); // by a run that ended since it was looked at
      await assert.rejects(claimFolder(out, { goesOn: true }), isRefused(/holds a finished run/));
      assert.ok(!existsSync(join(out, LOCK_FILE)));
      {
        await using _ = await claimFolder(join(dir, "empty"), { goesOn: true });
      }
      assert.ok(!existsSync(join(dir, "empty")), "a run that failed before it wrote leaves nothing");
    }));

  test("of a process that lives stands, and its run stays as it is; that of a dead one is taken over", () =>
    inFolder(async (dir) => {
      const out = join(dir, "out");
      const half = join(out, CHECKPOINTS, ".step-000003.tmp-17"); // what the other is writing
      mkdirSync(half, { recursive: true });
      writeFileSync(join(out, JOURNAL), '{"step":0}\n');
      const { pid, kill } = await otherWriter(out);
      try {
        await assert.rejects(
          tinyPretrain(out, short),
          isRefused(new RegExp(`process ${pid} on .*remove .*${LOCK_FILE}`)),
        );
        assert.ok(existsSync(half));
        assert.equal(readFileSync(join(out, JOURNAL), "utf8"), '{"step":0}\n');
      } finally {
        await kill();
      }
      await tinyPretrain(out, short);
      assert.ok(!existsSync(join(out, LOCK_FILE)) && existsSync(join(out, RECIPE)));
    }));

  test("of a folder that cannot be made is an error that says so", () =>
    inFolder(async (dir) => {
      writeFileSync(join(dir, "file"), "");
      await assert.rejects(
        claimFolder(join(dir, "file"), { goesOn: true }),
        isRefused(/expected a folder that can be made and written/),
      );
    }));
});
