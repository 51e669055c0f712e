// A retrofit of the bundled model, a few steps long: what it saves loads, says how it was made, and can be gone on
// with.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { inspect } from "../../src/model/inspect.ts";
import { Safetensors } from "../../src/model/safetensors.ts";
import { openSource } from "../../src/model/source.ts";
import { load, openDevice } from "../../src/request/session.ts";
import type { Pieces } from "../../src/train/data/pieces.ts";
import type { JournalEntry } from "../../src/train/disk/journal.ts";
import { retrofit } from "../../src/train/retrofit.ts";
import type { GateMaker, RetrofitAsked, RetrofitOptions, RetrofitSettings } from "../../src/train/retrofitOptions.ts";
import { TRAIN_SETTINGS } from "../../src/train/settings.ts";

const MODEL = fileURLToPath(new URL("../../models/beads", import.meta.url));
const ABACUS = fileURLToPath(new URL("../../models/abacus", import.meta.url));
const LENGTH = 48;

/** Tokens at random, a period of which comes again: something that attention can learn. */
const pieces = (seed: number): Pieces => ({
  description: "periods",
  fingerprint: `periods ${seed}`,
  count: Number.POSITIVE_INFINITY,
  at(index) {
    const random = seeded(seed, 1, index);
    const period = Array.from({ length: 7 + random.below(6) }, () => random.below(500));
    return { ids: Int32Array.from({ length: LENGTH }, (_, i) => period[i % period.length]), learn: null };
  },
});

const SETTINGS: RetrofitSettings = {
  loss: { kind: "distill", direction: "reverse" },
  train: "lora",
  gates: "own",
  per: "head",
  window: 8,
  shift: 1,
  trigger: "every",
  tau: 0.1,
  alphaScale: 100,
  alphaOffset: 5,
  ramp: { from: 1, cr: 4, perUnit: 1 },
  sparsityWeight: 1,
  rank: 4,
  loraScale: 2,
};

const settings = { ...TRAIN_SETTINGS, steps: 4, windows: 2, length: LENGTH, heldOutWindows: 2, evaluateEach: 2 };

const folders = mkdtempSync(join(tmpdir(), "hyperthink-retrofit-"));
after(() => rmSync(folders, { recursive: true }));
let made = 0;

/** What nobody asked for. */
const BARE = {
  ...{ gates: undefined, per: undefined, window: undefined, shift: undefined, tau: undefined },
  ...{ alphaScale: undefined, alphaOffset: undefined, ramp: { cr: 4, perUnit: 1 } },
};

type Given = Partial<Omit<RetrofitOptions, "retrofit">> & { retrofit?: Partial<RetrofitAsked> };

/** Runs one and returns its folder and its journal's entries. */
async function run({ retrofit: more, ...given }: Given = {}, threads = 1, device?: "reference") {
  const out = given.out ?? join(folders, `run${made++}`);
  const entries: JournalEntry[] = [];
  await retrofit(
    {
      ...{ model: MODEL, adapters: [], earlier: null, teacher: null, train: pieces(1), test: pieces(2), start: null },
      settings,
      ...{ achieve: [], saveEach: 0, dtype: "F32" },
      ...given,
      out,
      retrofit: { ...SETTINGS, ...more },
      onEntry(entry) {
        entries.push(entry);
        return undefined;
      },
    },
    () => openDevice(device, threads),
  );
  return { out, entries };
}

const recipeOf = (folder: string) => JSON.parse(readFileSync(join(folder, "training.json"), "utf8"));
const bytesOf = (folder: string, name = "model.safetensors") => readFileSync(join(folder, name));

async function tensorsOf(folder: string): Promise<Map<string, number[]>> {
  await using file = await Safetensors.open(await openSource(folder));
  return new Map([...file.tensors].map(([name, { shape }]) => [name, shape]));
}

describe("what a retrofit saves", () => {
  test("gates and a LoRA: names as the public trainer and PEFT have them; it loads, and inspect tells the recipe", async () => {
    const { out, entries } = await run();
    assert.deepEqual(await tensorsOf(out), new Map(gateShapes()));
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    assert.deepEqual(config, {
      dms_alpha_scale: 100,
      dms_initial_alpha_offset: 5,
      dms_window_size: 8,
      dms_separate_alpha: true,
      dms_alpha_per: "head",
      dms_label_shift: 1,
      dms_tau: 0.1,
      dms_cr: Math.round(entries.at(-1)!.heldOutCr!),
    });
    const lora = JSON.parse(readFileSync(join(out, "adapter_config.json"), "utf8"));
    assert.deepEqual([lora.peft_type, lora.r, lora.lora_alpha, lora.target_modules.length], ["LORA", 4, 8, 7]);
    await using session = await load({ model: MODEL, adapter: out });
    assert.deepEqual([session.config.dms?.window, session.config.dms?.shift], [8, 1]);
    const { recipes, loras } = await inspect(MODEL, { adapter: out, freeBytes: 1e9 });
    assert.equal(recipes[0].settings.kind, "retrofit");
    assert.equal(recipes[0].settings["ramp.cr"], 4);
    assert.equal(loras[0].ranks[0], 4);
    // Asked for 3 of 4 decisions at once, gates give way; nothing but the gates' start was the model's own before.
    assert.equal(entries[0].heldOut, 0);
    assert.ok(entries.at(-1)!.heldOutCr! > 1.01 && entries.at(-1)!.heldOut! > 0, JSON.stringify(entries.at(-1)));
    assert.ok(existsSync(join(out, "training.json")) && !existsSync(join(out, "checkpoints")));
  });

  test("gates alone leave the model as it is, a decision a layer", async () => {
    const { out } = await run({ retrofit: { train: "gates", per: "layer", shift: 0 } });
    assert.ok(!existsSync(join(out, "adapter_model.safetensors")));
    await using session = await load({ model: MODEL, adapter: out });
    assert.deepEqual([session.config.dms?.perLayer, session.config.dms?.shift], [true, 0]);
  });

  test("all weights: a model folder with its tokenizer, whose teacher stood apart", async () => {
    const { out, entries } = await run({
      retrofit: { train: "full", loss: { kind: "distill", direction: "forward" } },
    });
    await using session = await load({ model: out });
    assert.equal(session.config.dms?.borrowed, false);
    assert.ok((await session.tokenizer.encode("jug", { special: false })).length > 0);
    assert.ok(entries.at(-1)!.heldOut! > 0);
  });

  test("borrowed channels, by the tokens that follow", async () => {
    const { out, entries } = await run({
      retrofit: { train: "full", gates: "borrowed", loss: { kind: "next" } },
      settings: { ...settings, steps: 12, optimizer: { ...settings.optimizer, rate: 3e-3 } },
    });
    await using session = await load({ model: out });
    assert.equal(session.config.dms?.borrowed, true);
    assert.equal((await tensorsOf(out)).size, (await tensorsOf(MODEL)).size);
    // What gates come from is not rounded, though the rest may be.
    const rounded = await run({
      retrofit: { train: "full", gates: "borrowed", loss: { kind: "next" } },
      ...{ settings: { ...settings, steps: 1 }, dtype: "BF16" },
    });
    await using file = await Safetensors.open(await openSource(rounded.out));
    for (const [name, { dtype }] of file.tensors) assert.equal(dtype, name.includes("q_proj") ? "F32" : "BF16", name);
    assert.ok(entries.at(-1)!.heldOutCr! > 1.01, JSON.stringify(entries.at(-1)));
  });

  test("a family: at each achieved ratio, and each so many steps; the last ratio ends the run", async () => {
    const { out, entries } = await run({
      ...{ achieve: [1.02, 1.05], saveEach: 2 },
      retrofit: { train: "gates" },
      settings: { ...settings, steps: 8, evaluateEach: 1 },
    });
    const last = entries.at(-1)!;
    assert.ok(last.heldOutCr! >= 1.05 && last.step < 8, JSON.stringify(last));
    for (const name of ["cr1.02", "cr1.05", "step-2"]) {
      await using session = await load({ model: MODEL, adapter: join(out, name) });
      assert.equal(session.config.dms?.window, 8);
    }
  });

  test("ratios that it did not reach are told, in its recipe too", async () => {
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    const { out, entries } = await run({ retrofit: { train: "gates" }, achieve: [1.01, 50, 60], note });
    assert.match(
      notes.join("\n"),
      /--achieve: 50, 60 not reached: the run ends where held-out text achieves 1\.\d\d; /,
    );
    const reachedIn = (folder: string) => JSON.parse(readFileSync(join(folder, "training.json"), "utf8")).reached;
    assert.deepEqual(reachedIn(out), { ...entries.at(-1), missed: [50, 60] });
    assert.ok(!("missed" in reachedIn(join(out, "cr1.01"))));
  });

  test("a form that is saved by steps names the ratio that it achieved; without held-out text the nominal one", async () => {
    const crOf = (folder: string) => JSON.parse(readFileSync(join(folder, "config.json"), "utf8")).dms_cr;
    const given = { saveEach: 3, retrofit: { train: "gates", ramp: { from: 1, cr: 3.5, perUnit: 1 } } } as const;
    const { out, entries } = await run({ ...given, settings: { ...settings, steps: 4, evaluateEach: 4 } });
    const third = entries.find(({ step }) => step === 3)!;
    assert.ok(third.heldOutCr! >= 1 && third.heldOut! >= 0);
    assert.equal(recipeOf(join(out, "step-3")).reached.heldOutCr, third.heldOutCr);
    assert.equal(crOf(join(out, "step-3")), Math.round(third.heldOutCr!));
    const none = await run({ ...given, settings: { ...settings, steps: 4, heldOutWindows: 0 } });
    assert.deepEqual([crOf(join(none.out, "step-3")), crOf(none.out)], [4, 4]); // 3.5, 4
  });

  test("a ratio that is there before the first step ends the run there", async () => {
    const { out } = await run({ retrofit: { train: "gates" }, settings: { ...settings, steps: 8 } });
    const { out: next, entries } = await run({ earlier: out, retrofit: { train: "gates" }, achieve: [1.01] });
    assert.deepEqual([entries.length, entries[0].step], [1, 0]);
    assert.ok(bytesOf(join(next, "cr1.01")).equals(bytesOf(out)) && bytesOf(next).equals(bytesOf(out)));
  });

  test("a nominal ratio that so few steps do not reach is told", async () => {
    const notes: string[] = [];
    await run({ retrofit: { ramp: { from: 1, cr: 4, perUnit: 2 } }, note: (text) => notes.push(text) });
    assert.match(notes.join("\n"), /the nominal CR ends at 3\.00 after 4 steps, not at 4: that takes 6 steps/);
  });

  test("an optimizer that nothing learns by is told", async () => {
    const notes: string[] = [];
    const muon = { ...settings, steps: 1, optimizer: { ...settings.optimizer, matrices: "muon" } as const };
    const note = (text: string) => notes.push(text);
    await run({ settings: muon, note, retrofit: { train: "lora" } });
    assert.match(notes.join("\n"), /--optimizer muon changes nothing: .* --train lora has none/);
    notes.length = 0;
    await run({ settings: muon, note, retrofit: { train: "full" } });
    assert.doesNotMatch(notes.join("\n"), /muon/);
  });

  test("immediate eviction and a random trigger", async () => {
    const { entries } = await run({ retrofit: { window: 0, trigger: "random" } });
    assert.ok(entries.at(-1)!.heldOutCr! > 1);
  });
});

describe("going on", () => {
  test("stopped at any step it ends with the same bits, on one thread or two", async () => {
    const whole = await run();
    const out = join(folders, "stopped");
    for (const step of [1, 3]) {
      const controller = new AbortController();
      const stops = retrofitStopped(out, step, controller);
      await assert.rejects(stops, (error) => error instanceof HyperthinkError && error.code === "aborted");
    }
    await run({ out }, 2);
    for (const name of ["model.safetensors", "adapter_model.safetensors"])
      assert.ok(bytesOf(out, name).equals(bytesOf(whole.out, name)), name);
  });

  async function retrofitStopped(out: string, step: number, controller: AbortController): Promise<void> {
    const given: Given = { out, signal: controller.signal };
    const options = { ...given, train: { ...pieces(1), at: counted(step, controller) } };
    await run(options);
  }
  /** The pieces, which stop the run where those of a step are read. */
  const counted = (step: number, controller: AbortController) => (index: number) => {
    if (index >= 2 * (step - 1) && index < 1e6) controller.abort();
    return pieces(1).at(index);
  };

  test("with an earlier retrofit's gates and LoRA", async () => {
    const { out } = await run();
    const { entries, out: next } = await run({ earlier: out });
    const reached = JSON.parse(readFileSync(join(out, "training.json"), "utf8")).reached;
    assert.ok(Math.abs(entries[0].heldOut! - reached.heldOut) < 1e-5, `${entries[0].heldOut} ${reached.heldOut}`);
    assert.equal(entries[0].heldOutCr, reached.heldOutCr);
    assert.ok(!bytesOf(next).equals(bytesOf(out)));
  });

  test("gates that learn on keep window, tau and ratio where nothing else is asked, and their form in any case", async () => {
    const form = { train: "gates", shift: 0, per: "layer", window: 5, tau: 0.3 } as const;
    const first = await run({ retrofit: form });
    const { targetCr } = recipeOf(first.out).reached;
    const options = { earlier: first.out, retrofit: { ...BARE, train: "gates" } } as const;
    const next = recipeOf((await run(options)).out);
    assert.deepEqual([next.window, next.tau, next.shift, next.per, next.alphaScale], [5, 0.3, 0, "layer", 100]);
    assert.equal(next.ramp.from, Math.min(4, targetCr));
    const other = await run({
      ...options,
      retrofit: { ...options.retrofit, window: 8, tau: 0.1, ramp: SETTINGS.ramp },
    });
    const { window, tau, ramp } = recipeOf(other.out);
    assert.deepEqual([window, tau, ramp.from], [8, 0.1, 1]);
    for (const [more, words] of [
      [{ per: "head" }, /--per head: expected layer, as the gates of .* have it, or no --per/],
      [{ shift: 1 }, /--shift 1: expected 0/],
      [{ gates: "borrowed", train: "full" }, /--gates borrowed: expected own/],
      [{ alphaScale: 10 }, /--alpha-scale 10: expected 100/],
      [{ alphaOffset: 4 }, /--alpha-offset 4: expected 5/],
    ] as const)
      await assert.rejects(run({ ...options, retrofit: { ...options.retrofit, ...more } }), (error) =>
        words.test((error as Error).message),
      );
  });

  test("gates to begin with are made once a run makes sense, and no more where it goes on", async () => {
    const { made, maker } = gates();
    const refused = async (given: Given, words: RegExp) =>
      assert.rejects(run({ start: maker, ...given }), (error) => words.test((error as Error).message));
    await refused({ retrofit: { rank: 0 } }, /--rank/);
    await refused({ settings: { ...settings, length: 1 << 15 } }, /length: expected at most the model's context/);
    await refused({ memory: 1e6 }, /this run takes about/);
    await refused({ memory: 1e12, start: gates(1e13).maker }, /the fit of a surrogate takes about 9313\.2 GiB/);
    assert.equal(made.times, 0);
    const out = join(folders, "made-once");
    const controller = new AbortController();
    const train = { ...pieces(1), at: counted(3, controller) };
    await assert.rejects(run({ out, start: maker, train, signal: controller.signal }), /stopped after step/);
    const other = { ...maker, settings: { scores: "kvzip+" } };
    await assert.rejects(run({ out, start: other }), /start\.scores was "kvzip", now "kvzip\+"/);
    await run({ out, start: maker });
    assert.equal(made.times, 1);
    assert.deepEqual(recipeOf(out).start, { scores: "kvzip" });
  });

  test("another device is refused: its bits are others", async () => {
    const out = join(folders, "other-device");
    const controller = new AbortController();
    const train = { ...pieces(1), at: counted(1, controller) };
    await assert.rejects(run({ out, train, signal: controller.signal }), /stopped after step 1/);
    await assert.rejects(run({ out }, 1, "reference"), /device was "cpu", now "reference"/);
  });

  test("what does not fit is refused by name", async () => {
    const { out } = await run();
    const refused = async (given: Given, words: RegExp) =>
      assert.rejects(run(given), (error) => error instanceof HyperthinkError && words.test(error.message));
    await refused({ earlier: out, retrofit: { rank: 8 } }, /rank 8 .* got rank 4/);
    await refused({ earlier: out, retrofit: { train: "gates" } }, /--train lora/);
    await refused({ earlier: out, adapters: [out] }, /have gates each/);
    await refused({ retrofit: { gates: "borrowed" } }, /--train lora: expected full, as these gates are borrowed/);
    await refused({ retrofit: { ramp: { from: 1, cr: 0.5, perUnit: 1 } } }, /--cr: expected a ratio from 1/);
    await refused({ retrofit: { rank: 0 } }, /--rank/);
    for (const perUnit of [0, -1, 0.5, Number.NaN])
      await refused({ retrofit: { ramp: { from: 1, cr: 4, perUnit } } }, /--cr-steps: expected a whole number from 1/);
    for (const sparsityWeight of [-1, Number.NaN])
      await refused({ retrofit: { sparsityWeight } }, /--sparsity: expected a number from 0/);
    await refused(
      { achieve: [2], settings: { ...settings, heldOutWindows: 0 } },
      /--achieve: expected --held-out from 1/,
    );
    await refused(
      { teacher: ABACUS },
      /--teacher .*: expected a model of the student's form, whose hidden is 128, got 192/,
    );
    await refused({ earlier: out, start: gates().maker }, /a model without gates, .* has them already/);
    await refused({ memory: 1e6 }, /this run takes about .* this machine has/);
    await refused({ settings: { ...TRAIN_SETTINGS, steps: 0 } }, /steps: expected/);
  });
});

/** Who makes closed gates of all heads, as large as the model's. */
function gates(bytes = 1e6) {
  const made = { times: 0 };
  const maker: GateMaker = {
    settings: { scores: "kvzip" },
    estimate: () => ({ bytes, flops: 1e6, sums: 1e6 }),
    async make() {
      made.times++;
      const zeros = (length: number) => Array.from({ length: 4 }, () => new Float32Array(length));
      return { proj: zeros(4 * 128), bias: zeros(4) };
    },
  };
  return { made, maker };
}

function gateShapes(): [string, number[]][] {
  return [0, 1, 2, 3].flatMap((l): [string, number[]][] => [
    [`model.layers.${l}.self_attn.dms_proj_alpha.weight`, [4, 128]],
    [`model.layers.${l}.self_attn.dms_proj_alpha_norm.weight`, [128]],
  ]);
}
