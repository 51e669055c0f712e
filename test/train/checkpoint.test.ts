import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import {
  cleanCheckpoints,
  latestCheckpoint,
  type RunState,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/train/disk/checkpoint.ts";
import { readJournal } from "../../src/train/disk/journal.ts";
import { checkResume } from "../../src/train/disk/resume.ts";
import { withFolder } from "../support/checkpoint.ts";
import { readStep, run } from "./killed.ts";

const stateOf = (step: number): RunState => ({
  step,
  cursor: 10 * step,
  settings: { steps: 100, optimizer: { rate: 0.001, betas: [0.9, 0.95] }, mode: "lora" },
  data: "d".repeat(64),
});
const tensor = (value: number) => ({
  name: "w",
  shape: [3, 4],
  read: (into: Float32Array, row: number) => void into.fill(value + row),
});
const save = (dir: string, step: number) => writeCheckpoint(dir, stateOf(step), [tensor(step)]);
const steps = (dir: string) => readdirSync(dir).sort();
const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

describe("checkpoints", () => {
  test("come back as they were written; the last two stay", () =>
    withFolder({ "journal.jsonl": "" }, async (dir) => {
      assert.deepEqual(await latestCheckpoint(dir), { checkpoint: null, notes: [] });
      for (const step of [1, 20, 300]) await save(dir, step);
      assert.deepEqual(steps(dir), ["journal.jsonl", "step-000020", "step-000300"]);
      const { checkpoint, notes } = await latestCheckpoint(dir);
      assert.deepEqual([checkpoint!.state, notes], [stateOf(300), []]);
      const values = new Float32Array(12);
      await readCheckpoint(checkpoint!, [
        { name: "w", shape: [3, 4], write: async (block, row) => values.set(block, 4 * row) },
      ]);
      assert.deepEqual([...values], new Array(12).fill(300));
    }));

  test("a million steps sort by number; a folder is made", () =>
    withFolder({}, async (dir) => {
      const inner = join(dir, "a", "b");
      for (const step of [999_999, 1_000_000]) await save(inner, step);
      assert.deepEqual(steps(inner), ["step-1000000", "step-999999"]);
      assert.equal((await latestCheckpoint(inner)).checkpoint!.state.step, 1_000_000);
      await save(inner, 1_000_001);
      assert.deepEqual(steps(inner), ["step-1000000", "step-1000001"]);
    }));

  const damages: [string, (path: string) => void, RegExp][] = [
    ["no tensors", (path) => rmSync(join(path, "state.safetensors")), /bytes of state.safetensors, found none/],
    ["shorter tensors", (path) => truncateSync(join(path, "state.safetensors"), 90), /found 90/],
    ["a changed byte", (path) => flip(join(path, "state.safetensors")), /holds other bytes than were written/],
    ["no state", (path) => rmSync(join(path, "state.json")), /expected state.json, found none/],
    ["half a state", (path) => truncateSync(join(path, "state.json"), 40), /expected JSON/],
    ["a changed setting", (path) => edit(path, (text) => text.replace("lora", "full")), /settings .* not those/],
    ["another step", (path) => edit(path, (text) => text.replace('"step": 3', '"step": 4')), /expected step 3/],
    [
      "another version",
      (path) => edit(path, (text) => text.replace('"version": 1', '"version": 9')),
      /version 1, got 9/,
    ],
    ["nothing in it", (path) => rmSync(path, { recursive: true }) ?? mkdirSync(path), /found none/],
  ];
  const flip = (file: string) => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 5] ^= 1;
    writeFileSync(file, bytes);
  };
  const edit = (path: string, change: (text: string) => string) => {
    const text = readFileSync(join(path, "state.json"), "utf8");
    assert.notEqual(change(text), text);
    writeFileSync(join(path, "state.json"), change(text));
  };
  for (const [name, damage, message] of damages)
    test(`with ${name}, the newest is passed over, told of, and given up by the next`, () =>
      withFolder({}, async (dir) => {
        await save(dir, 1);
        const newest = await save(dir, 3);
        damage(newest);
        const { checkpoint, notes } = await latestCheckpoint(dir);
        assert.equal(checkpoint!.state.step, 1);
        assert.equal(notes.length, 1);
        assert.match(notes[0], /^checkpoint step-000003 is damaged and left aside/);
        assert.match(notes[0], message);
        await save(dir, 2);
        assert.deepEqual(steps(dir), ["step-000001", "step-000002"]);
      }));

  test("a damaged one of the same step is replaced", () =>
    withFolder({}, async (dir) => {
      await save(dir, 1);
      flip(join(await save(dir, 2), "state.safetensors"));
      await save(dir, 2);
      assert.deepEqual([(await latestCheckpoint(dir)).checkpoint!.state.step, steps(dir).length], [2, 2]);
    }));

  test("what interrupted writes left is cleaned, nothing else is", () =>
    withFolder({ "notes.tmp-1": "mine" }, async (dir) => {
      const path = await save(dir, 1);
      for (const name of [".step-000002.tmp-77", ".step-000001.old-5", ".step-mine"])
        cpSync(path, join(dir, name), { recursive: true });
      await cleanCheckpoints(dir);
      assert.deepEqual(steps(dir), [".step-mine", "notes.tmp-1", "step-000001"]);
      await cleanCheckpoints(join(dir, "none"));
    }));

  test("an error while writing leaves the older ones and nothing beside them", () =>
    withFolder({}, async (dir) => {
      await save(dir, 1);
      await assert.rejects(
        writeCheckpoint(dir, stateOf(2), [tensor(Number.NaN)]),
        isError("bad-model", /tensor w, row 0, column 0: expected a finite number to save, got NaN/),
      );
      await assert.rejects(
        writeCheckpoint(dir, stateOf(2), [tensor(1), tensor(1)]),
        isError("bad-argument", /two tensors are named w/),
      );
      assert.deepEqual(steps(dir), ["step-000001"]);
      await assert.rejects(
        writeCheckpoint(join(dir, "step-000001", "state.json"), stateOf(2), [tensor(1)]),
        isError("bad-argument", /cannot be written: .*ENOTDIR/),
      );
    }));

  test("tensors that a run does not have, or has otherwise, are refused", () =>
    withFolder({}, async (dir) => {
      await save(dir, 1);
      const { checkpoint } = await latestCheckpoint(dir);
      const want = (name: string, ...shape: number[]) => ({ name, shape, write: () => {} });
      for (const [wanted, message] of [
        [[], /it has a tensor w, which this run does not know/],
        [[want("w", 4, 3)], /expected tensor w of F32 \[4,3\], got F32 \[3,4\]/],
        [[want("w", 3, 4), want("v", 1)], /expected tensor v of F32 \[1\], found none/],
      ] as const)
        await assert.rejects(readCheckpoint(checkpoint!, wanted), isError("bad-file", message));
    }));
});

describe("going on from a checkpoint", () => {
  const checkpoint = { path: "runs/a/step-000003", state: stateOf(3) };
  const { settings, data } = stateOf(0);

  test("with the same settings and data, whatever the order of keys", () => {
    checkResume(checkpoint, { settings, data });
    checkResume(checkpoint, { settings: Object.fromEntries(Object.entries(settings).reverse()), data });
  });

  test("with others is refused: each is named, with both values", () => {
    const refused = (change: object, message: RegExp) =>
      assert.throws(
        () => checkResume(checkpoint, { settings: { ...settings, ...change }, data }),
        isError("bad-argument", message),
      );
    refused({ steps: 200 }, /^runs\/a\/step-000003 cannot be gone on from: steps was 100, now 200; give what/);
    refused({ optimizer: { rate: 0.01, betas: [0.9, 0.95] } }, /from: optimizer\.rate was 0\.001, now 0\.01; give/);
    refused({ optimizer: { rate: 0.001, betas: [0.9] } }, /optimizer\.betas was \[0\.9,0\.95\], now \[0\.9\]; give/);
    refused({ mode: "full", seed: 1 }, /from: mode was "lora", now "full"; seed was not set, now 1; give/);
    refused({ mode: undefined }, /from: mode was "lora", now not set; give/);
    assert.throws(
      () => checkResume(checkpoint, { settings, data: "e".repeat(64) }),
      isError("bad-argument", /from: the data differ \(fingerprint was dddddddddddd, now eeeeeeeeeeee\); give/),
    );
  });
});

describe("a run that is killed", { skip: process.platform === "win32" ? "UNRUN: no SIGKILL" : false }, () => {
  const program = fileURLToPath(new URL("killed.ts", import.meta.url));

  test("20 times, at any moment, has a whole checkpoint no older than the last it told of, and its journal", () =>
    withFolder({}, async (dir) => {
      const rng = seeded(12);
      let told = 0;
      for (let times = 0; times < 20; times++) {
        const child = spawn(process.execPath, [program, dir], { stdio: ["ignore", "pipe", "inherit"] });
        let said = "";
        const begun = Promise.withResolvers<void>();
        child.stdout.on("data", (part: Buffer) => {
          said += part;
          begun.resolve();
        });
        const closed = new Promise((resolve) => child.on("close", resolve));
        await Promise.race([begun.promise, closed]);
        await sleep(rng.next() * 40);
        child.kill("SIGKILL");
        await closed;
        const last = Number(said.trim().split("\n").at(-1));
        assert.ok(last > told, `killed ${times} times: it went on from step ${told} to ${last}`);
        told = last;
        assert.ok((await readStep(dir)) >= told);
      }
      const last = (await readStep(dir)) + 3;
      await run(dir, last, () => {});
      assert.deepEqual(steps(dir).slice(0, 1), ["journal.jsonl"], "no leftovers");
      assert.equal(steps(dir).length, 3);
      await withFolder({}, async (other) => {
        await run(other, last, () => {});
        const lines = async (folder: string) =>
          (await readJournal(join(folder, "journal.jsonl"))).map(({ seconds: _, ...entry }) => entry);
        assert.deepEqual(await lines(dir), await lines(other), "as one that was not killed");
      });
    }));
});

const shell = (script: string, ...args: string[]) =>
  spawnSync("unshare", ["-rm", "sh", "-c", script, "sh", ...args], { encoding: "utf8", timeout: 60_000 });
const mounts = process.platform === "linux" && shell("mount -t tmpfs -o size=1m none /tmp").status === 0;

test(
  "a disk that is full: one error that names file and bytes, and the older checkpoint",
  {
    skip: mounts ? false : "UNRUN: no file system can be mounted here",
  },
  () =>
    withFolder({}, async (dir) => {
      const src = new URL("../../src/train/disk/", import.meta.url);
      const script = `
      import { readdirSync } from "node:fs";
      import { latestCheckpoint, writeCheckpoint } from ${JSON.stringify(new URL("checkpoint.ts", src).href)};
      import { saveSafetensors } from ${JSON.stringify(new URL("save.ts", src).href)};
      const dir = process.argv[2];
      const state = (step) => ({ step, cursor: 0, settings: {}, data: "" });
      const tensor = (rows) => ({ name: "w", dtype: "F32", shape: [rows, 1024], read() {} });
      const say = (error) => console.log(error.code, error.message);
      await writeCheckpoint(dir, state(1), [tensor(40)]);
      await writeCheckpoint(dir, state(2), [tensor(400)]).catch(say);
      await saveSafetensors(dir + "/model.safetensors", [tensor(400)]).catch(say);
      console.log(readdirSync(dir).join(), (await latestCheckpoint(dir)).checkpoint.state.step);
      await writeCheckpoint(dir, state(3), [tensor(40)]);`;
      writeFileSync(join(dir, "full.mts"), script);
      mkdirSync(join(dir, "disk"));
      const child = shell(
        'mount -t tmpfs -o size=1m none "$2/disk" && "$1" "$2/full.mts" "$2/disk"',
        process.execPath,
        dir,
      );
      assert.equal(child.status, 0, child.stderr);
      const [checkpoint, model, there] = child.stdout.split("\n");
      assert.match(
        checkpoint,
        /^no-memory .*disk\/step-000002: the disk is full: it takes 1638\d{3} bytes, \d+ are free; make room/,
      );
      assert.match(model, /^no-memory .*disk\/model\.safetensors: the disk is full: it takes 1638\d{3} bytes/);
      assert.equal(there, "step-000001 1");
    }),
);
