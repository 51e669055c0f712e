// A training run from its first step to the saved model: whatever stops it, it ends with the same bits.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { RECIPE } from "../../src/model/recipe.ts";
import { CHECKPOINTS, latestCheckpoint } from "../../src/train/disk/checkpoint.ts";
import { JOURNAL, type JournalEntry, readJournal } from "../../src/train/disk/journal.ts";
import { checkSettings, type TrainSettings } from "../../src/train/settings.ts";
import { withFolder } from "../support/checkpoint.ts";
import { countingPieces, type TinyRetrofit, type TinyRun, tinyPretrain, tinyRetrofit, tinySettings } from "./runs.ts";

const { steps } = tinySettings;
const inFolder = (work: (out: string) => Promise<void>) => withFolder({}, (dir) => work(join(dir, "out")));

/** All that a run leaves, but for the times of its steps. */
async function resultOf(out: string): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {};
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const name = relative(out, file);
    if (entry.name.endsWith(".safetensors")) result[name] = readFileSync(file).toString("base64");
    else if (entry.name === JOURNAL) result[name] = (await readJournal(file)).map(({ seconds: _, ...line }) => line);
    else result[name] = readFileSync(file, "utf8").replace(/"seconds": [\d.]+/, "");
  }
  return result;
}

const journalOf = (result: Record<string, unknown>) => result[JOURNAL] as JournalEntry[];

type Start = (out: string, options: TinyRun) => Promise<void>;
async function whole(options: TinyRun = {}, start: Start = tinyPretrain): Promise<Record<string, unknown>> {
  return withFolder({}, async (dir) => {
    await start(join(dir, "out"), options);
    return resultOf(join(dir, "out"));
  });
}

/** Runs until after `step` steps; 0: until after the first. */
async function stopAfter(out: string, step: number, options: TinyRun = {}, start: Start = tinyPretrain): Promise<void> {
  const stop = new AbortController();
  const onEntry: TinyRun["onEntry"] = (entry) => {
    if (entry.step === step) stop.abort();
    return undefined;
  };
  await assert.rejects(start(out, { ...options, onEntry, signal: stop.signal }), isError("aborted", /stopped/));
  const { checkpoint } = await latestCheckpoint(join(out, CHECKPOINTS));
  assert.equal(checkpoint!.state.step, Math.max(1, step), "a run that is stopped saves what it did");
}

const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

const variants: Record<string, Partial<TrainSettings>> = {
  "muon, bf16 products": {},
  "adamw, float32 products, layers computed again": {
    ...{ bf16: false, recompute: true, accumulate: 1 },
    optimizer: { ...tinySettings.optimizer, matrices: "adamw", decay: 0.1 },
  },
};

for (const [name, settings] of Object.entries(variants))
  describe(name, () => {
    test("one thread and two end with the same bits, and something was learned", async () => {
      const [one, two] = [await whole({ settings, threads: 1 }), await whole({ settings, threads: 2 })];
      assert.deepEqual(two, one);
      const losses = journalOf(one).flatMap(({ heldOut }) => heldOut ?? []);
      assert.ok(losses.at(-1)! < losses[0] - 0.5, `held-out losses ${losses}`);
      assert.deepEqual(Object.keys(one).sort(), ["config.json", JOURNAL, "model.safetensors", RECIPE].sort());
      assert.deepEqual(
        journalOf(one).map(({ step }) => step),
        Array.from({ length: steps + 1 }, (_, i) => i),
      );
    });

    test("stopped at any steps, it goes on to the same bits, with other threads too", async () => {
      const expected = await whole({ settings });
      const random = seeded(1);
      for (let round = 0; round < 4; round++)
        await inFolder(async (out) => {
          for (let at = random.below(3); at < steps; at += 1 + random.below(8)) {
            await stopAfter(out, at, { settings, threads: 1 + random.below(2) });
          }
          const notes: string[] = [];
          await tinyPretrain(out, { settings, threads: 2, note: (text) => notes.push(text) });
          assert.match(notes.join("\n"), /^going on after step \d+ of .*step-0000\d\d$/);
          assert.deepEqual(await resultOf(out), expected);
        });
    });
  });

test("it goes on from the checkpoint before, where the newest is damaged", () =>
  inFolder(async (out) => {
    const expected = await whole();
    await stopAfter(out, 7);
    const dir = join(out, CHECKPOINTS);
    assert.deepEqual(readdirSync(dir).sort(), ["step-000006", "step-000007"]);
    rmSync(join(dir, "step-000007", "state.safetensors"));
    const notes: string[] = [];
    await tinyPretrain(out, { note: (text) => notes.push(text) });
    assert.match(notes.join("\n"), /step-000007 is damaged .*\ngoing on after step 6/s);
    assert.deepEqual(await resultOf(out), expected);
  }));

test("a run is not gone on with under other settings, or other data, and stays as it was", () =>
  inFolder(async (out) => {
    await stopAfter(out, 8);
    const other = async (options: TinyRun, message: RegExp) => {
      const before = readFileSync(join(out, JOURNAL), "utf8");
      await assert.rejects(tinyPretrain(out, options), isError("bad-argument", message));
      assert.equal(readFileSync(join(out, JOURNAL), "utf8"), before);
    };
    const { optimizer } = tinySettings;
    await other({ settings: { optimizer: { ...optimizer, rate: 0.5 } } }, /optimizer\.rate was 0\.01, now 0\.5/);
    await other({ settings: { steps: 21 } }, /steps was 20, now 21/);
    await other({ settings: { seed: 9, bf16: false } }, /seed was 0, now 9; bf16 was true, now false/);
    await other({ train: countingPieces(3) }, /the data differ \(fingerprint/);
    await other({ from: { seed: 2, deviation: 0.1, lookBack: [1] } }, /from\.seed was 1, now 2/);
    await other({ dtype: "BF16" }, /dtype was "F32", now "BF16"/);
    await tinyPretrain(out);
    assert.deepEqual(await resultOf(out), await whole());
  }));

describe("a rate that no model stands", () => {
  const absurd = { ...tinySettings.optimizer, rate: 1e30, muonRate: 1e30 };
  const advice = /begin another in a new folder with a lower rate, more warm-up steps or a smaller clip/;

  test("ends the run with what to try, and its last checkpoint stands", () =>
    inFolder(async (out) => {
      // The first step's change is what spoils the second.
      const settings = { optimizer: absurd, checkpointEach: 1, evaluateEach: 10 };
      await assert.rejects(tinyPretrain(out, { settings }), isError("bad-model", advice));
      await assert.rejects(tinyPretrain(out, { settings }), isError("bad-model", /^step 2: expected numbers, got /));
      const { checkpoint, notes } = await latestCheckpoint(join(out, CHECKPOINTS));
      assert.deepEqual([checkpoint!.state.step, notes], [1, []]);
      assert.deepEqual(
        (await readJournal(join(out, JOURNAL))).map(({ step }) => step),
        [0, 1],
      );
      assert.ok(!existsSync(join(out, "model.safetensors")));
    }));

  test("is found by an evaluation, or when it would be saved", () =>
    inFolder(async (out) => {
      const infinite = { ...absurd, matrices: "adamw", rate: 1e40 } as const; // beyond float32
      const run = (settings: Partial<TrainSettings>) =>
        tinyPretrain(out, { settings: { optimizer: infinite, ...settings } });
      await assert.rejects(
        run({ evaluateEach: 1 }),
        isError("bad-model", /^held-out text: expected numbers, got a loss of NaN/),
      );
      await assert.rejects(
        run({ evaluateEach: 10, checkpointEach: 1 }),
        isError("bad-model", /^tensor .*: expected a finite number to save, got .*lower rate/),
      );
      assert.deepEqual(readdirSync(join(out, CHECKPOINTS)), []);
    }));
});

test("a saved model is begun from as it ended", () =>
  inFolder(async (out) => {
    await tinyPretrain(out);
    const last = (await readJournal(join(out, JOURNAL))).at(-1)!;
    const next = `${out}-next`;
    await tinyPretrain(next, { from: out, settings: { steps: 1 } });
    const [first] = await readJournal(join(next, JOURNAL));
    assert.equal(first.heldOut, last.heldOut);
  }));

test("settings that make no sense are refused by name", () => {
  const wrong: [Partial<TrainSettings>, RegExp][] = [
    [{ steps: 0 }, /^--steps: expected a whole number from 1, got 0/],
    [{ windows: 1.5 }, /^--windows: /],
    [{ accumulate: -1 }, /^--accumulate: /],
    [{ evaluateEach: 0 }, /^--evaluate-each: /],
    [{ checkpointEach: Number.NaN }, /^--checkpoint-each: /],
    [{ heldOutWindows: -1 }, /^--held-out: expected a whole number from 0/],
    [{ seed: 0.5 }, /^--seed: /],
    [{ length: 1 }, /^--length: expected windows of 2 tokens or more, got 1/],
    [{ windows: 1 << 12, length: 1 << 12 }, /^--windows x --length: expected at most .* accumulate/],
    [{ schedule: { ...tinySettings.schedule, warmup: -1 } }, /^--warmup: /],
    [{ schedule: { ...tinySettings.schedule, last: 2 } }, /^--last: expected a number from 0 to 1, got 2/],
    [{ optimizer: { ...tinySettings.optimizer, beta2: -0.1 } }, /^beta2: /],
    [{ optimizer: { ...tinySettings.optimizer, rate: Number.NaN } }, /^--rate: expected a number from 0, got NaN/],
    [{ optimizer: { ...tinySettings.optimizer, gateRate: -1 } }, /^--gate-rate: /],
    [{ optimizer: { ...tinySettings.optimizer, clip: Number.POSITIVE_INFINITY } }, /^--clip: /],
  ];
  checkSettings(tinySettings, 1 << 20);
  for (const [settings, message] of wrong)
    assert.throws(() => checkSettings({ ...tinySettings, ...settings }, 1 << 20), isError("bad-argument", message));
});

describe("a retrofit", () => {
  const base = mkdtempSync(join(tmpdir(), "hyperthink-"));
  before(() => tinyPretrain(base));
  after(() => rmSync(base, { recursive: true }));
  const started =
    (options: TinyRetrofit): Start =>
    (out, more) =>
      tinyRetrofit(base, out, { ...more, ...options } as TinyRetrofit);

  const variants: Record<string, TinyRetrofit> = {
    "gates and LoRA, until a ratio is achieved": { achieve: [1.1, 1.15, 1.6], saveEach: 3 },
    "all weights, borrowed neurons": { retrofit: { train: "full", gates: "borrowed", trigger: "every" } },
    "gates alone, next tokens": { retrofit: { train: "gates", loss: { kind: "next" }, per: "layer", shift: 0 } },
  };
  for (const [name, options] of Object.entries(variants))
    test(`${name}: threads, and where it stopped, change no bit`, async () => {
      const start = started(options);
      const expected = await whole({}, start);
      const lines = journalOf(expected);
      assert.ok(lines.at(-1)!.heldOutCr! > 1.2, `gates evict: ${lines.at(-1)!.heldOutCr}`);
      assert.deepEqual(await whole({ threads: 2 }, start), expected);
      const done = lines.at(-1)!.step;
      for (const at of [[1, 7], [6], [8, done - 1]])
        await inFolder(async (out) => {
          for (const step of at) if (step < done) await stopAfter(out, step, {}, start);
          await start(out, {});
          assert.deepEqual(await resultOf(out), expected);
        });
    });

  test("ends once all ratios are achieved, each in a folder as it was when it came", async () => {
    const expected = await whole({}, started({ achieve: [1.1, 1.15, 1.6], saveEach: 3 }));
    const lines = journalOf(expected);
    const reached = (ratio: number) => lines.find(({ heldOutCr }) => Number(heldOutCr ?? 0) >= ratio)!.step;
    assert.equal(lines.at(-1)!.step, reached(1.6));
    assert.ok(reached(1.1) < reached(1.6) && reached(1.1) === reached(1.15) && reached(1.6) < steps);
    for (const ratio of [1.1, 1.15, 1.6]) {
      const recipe = JSON.parse((expected[join(`cr${ratio}`, RECIPE)] as string).replace(/,\s*\}/, "}"));
      assert.equal(recipe.reached.step, reached(ratio));
    }
    assert.ok("step-3/adapter_model.safetensors" in expected && "step-3/model.safetensors" in expected);
    assert.equal(expected["model.safetensors"], expected["cr1.6/model.safetensors"]);
    assert.notEqual(expected["model.safetensors"], expected["cr1.1/model.safetensors"]);
  });

  test("is not gone on with from other weights in the same place, nor to other ends", () =>
    inFolder(async (out) => {
      await stopAfter(out, 6, {}, started({}));
      const other = (options: TinyRetrofit, message: RegExp) =>
        assert.rejects(tinyRetrofit(base, out, options), isError("bad-argument", message));
      await other({ achieve: [2] }, /achieve was \[\], now \[2\]/);
      await other({ saveEach: 5 }, /saveEach was 0, now 5/);
      const file = join(base, "model.safetensors");
      const bytes = readFileSync(file);
      const changed = Buffer.from(bytes);
      changed[bytes.length - 2] ^= 1;
      writeFileSync(file, changed);
      try {
        await other({}, /weights was \["[0-9a-f]+.*, now \["/);
      } finally {
        writeFileSync(file, bytes);
      }
      await tinyRetrofit(base, out);
    }));

  test("killed at any moment, it ends with the bits of a run that was not", () =>
    inFolder(async (out) => {
      const most = 80;
      await killed(out, most, 3, base);
      const start = started({ settings: { steps: most } });
      assert.deepEqual(await resultOf(out), await whole({}, start));
    }));
});

test("what a kill leaves beside files is gone when the run goes on", () =>
  inFolder(async (out) => {
    await stopAfter(out, 4);
    writeFileSync(join(out, "model.safetensors.tmp-17"), "half of one");
    writeFileSync(join(out, "notes.txt"), "a user's");
    await tinyPretrain(out);
    assert.deepEqual(
      readdirSync(out).sort(),
      ["config.json", JOURNAL, "model.safetensors", "notes.txt", RECIPE].sort(),
    );
  }));

test("killed at any moment, it ends with the bits of a run that was not", () =>
  inFolder(async (out) => {
    await killed(out, 150, 5);
    assert.deepEqual(await resultOf(out), await whole({ settings: { steps: 150 } }));
  }));

/** A run of so many steps that is killed so many times, each time within 20 steps or so. */
async function killed(out: string, most: number, kills: number, model?: string): Promise<void> {
  const program = fileURLToPath(new URL("runs.ts", import.meta.url));
  const random = seeded(2);
  for (let i = 0; i <= kills; i++) {
    const args = [program, out, String(1 + (i % 2)), String(most), ...(model ? [model] : [])];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const exit = once(child, "exit");
    const wanted = 1 + random.below(20);
    let told = 0;
    for await (const _ of createInterface({ input: child.stdout })) {
      if (++told !== wanted || i === kills) continue;
      await sleep(8 * random.next()); // in a later step, a checkpoint or an evaluation
      child.kill("SIGKILL");
    }
    assert.deepEqual(await exit, i === kills ? [0, null] : [null, "SIGKILL"]);
  }
}
