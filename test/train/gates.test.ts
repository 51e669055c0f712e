// Gates while they learn: their noise, the term that asks for sparsity, and that the engine decides as they do.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { meterPass, newMeter } from "../../src/cache/meter.ts";
import { fillNoise, sparsityOf } from "../../src/train/gates.ts";
import { keptShare } from "../../src/train/keptShare.ts";
import { OPTIMIZER, Optimizer } from "../../src/train/optimizer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { bits } from "../support/compare.ts";
import { feed } from "../support/feed.ts";
import { logProbability, savedRunner } from "../support/saved.ts";
import { documentBatch, type Form, gatedForms, learner, randomParameters } from "../support/student.ts";

const LENGTHS = [40, 1, 17, 33, 24];
const WINDOW = 3;

for (const candidate of devices)
  describe(`hard gates on ${candidate.name}`, () => {
    for (const [name, form] of Object.entries(gatedForms))
      test(`${name}: decisions, keys and losses are the engine's`, async () => {
        let tried = 0;
        for (let seed = 1; tried < 2; seed++) {
          assert.ok(seed < 40, "too many seeds have a decision near the threshold");
          if (await agrees(candidate, form, seed)) tried++;
        }
      });
  });

/** False when a decision of this seed hangs on rounding. */
async function agrees(candidate: Candidate, form: Form, seed: number): Promise<boolean> {
  const device = candidate.open();
  const parameters = await randomParameters(device, form, seed);
  const { config } = parameters;
  const { layers, kvHeads } = config;
  const batch = documentBatch(LENGTHS, 2, 62, seed);
  const student = learner(device, parameters, batch, { window: WINDOW });
  const pass = device.begin();
  student.forward(pass, "hard");
  await device.run(pass);
  const z = Array.from({ length: layers }, () => new Float32Array(batch.rows * kvHeads));
  for (let l = 0; l < layers; l++) await student.readZ(l, z[l]);
  const decided = z.flatMap((of) => [...of].filter((_, i) => batch.window[Math.floor(i / kvHeads)] >= 0));
  if (decided.some((x) => Math.abs(x) < 0.01)) return false;
  const closed = decided.filter((x) => x > 0).length / decided.length;
  assert.ok(closed > 0.2 && closed < 0.8, `${closed} of all decisions evict: this seed shows little`);

  const runner = await savedRunner(device, parameters, form, "dms", Math.max(...LENGTHS));
  async function sameSigns(row: number, count: number): Promise<void> {
    const own = new Float32Array(count * kvHeads);
    for (let l = 0; l < layers; l++) {
      await device.read(runner.activations.layers[l].z, 0, own);
      const its = z[l].subarray(row * kvHeads, (row + count) * kvHeads);
      assert.deepEqual(own.map(Math.sign), its.map(Math.sign), `layer ${l}, from row ${row} on`);
    }
  }
  let [reads, full, loss, targets] = [0, 0, 0, 0];
  for (let d = 0; d < batch.documentCount; d++) {
    const document = batch.documents.subarray(3 * d, 3 * d + 3);
    const [row, rows] = document;
    if (batch.window[row] < 0) continue;
    const ids = [...batch.ids.subarray(row, row + rows)];
    const { kept } = keptShare(z, config, { ...batch, documents: document, documentCount: 1 }, WINDOW);

    const [prompt, decoded] = [newMeter(), newMeter()];
    const set = runner.open(rows);
    await feed(runner, { set, kind: "chunk", ids, from: 0, count: rows });
    meterPass(prompt, runner.table, set, "prefill", rows, rows);
    assert.equal(Math.round(prompt.prefillReads * layers * kvHeads), kept);
    await sameSigns(row, rows);
    runner.sets.close(set);

    const other = runner.open(rows);
    for (let from = 0; from < rows; from++) {
      const [logits] = await feed(runner, { set: other, kind: "steps", ids, from, count: 1 });
      meterPass(decoded, runner.table, other, "decode", 1, from + 1);
      await sameSigns(row + from, 1);
      if (from + 1 === rows) continue;
      loss -= logProbability(logits, ids[from + 1]);
      targets++;
    }
    assert.equal(Math.round(decoded.decodeReads * layers * kvHeads), kept);
    runner.sets.close(other);
    reads += kept;
    full += Math.round(decoded.fullReads * layers * kvHeads);
  }

  const share = keptShare(z, config, batch, WINDOW);
  assert.deepEqual(share, { kept: reads, full });
  assert.ok(share.full > 1.3 * share.kept, "evictions save something");
  const optimizer = new Optimizer(device, [], OPTIMIZER);
  const trainer = new Trainer(student, optimizer, { kind: "next" }, 0);
  const evaluation = await trainer.evaluate([batch], true);
  assert.equal(evaluation.tokens, targets);
  assert.ok(Math.abs(evaluation.loss - loss / targets) < 1e-3, `${evaluation.loss}, the engine's ${loss / targets}`);
  assert.equal(evaluation.cr, share.full / share.kept);
  const without = await trainer.evaluate([batch], false);
  assert.equal(without.cr, null);
  assert.ok(Math.abs(without.loss - evaluation.loss) > 1e-3, "gates change the loss");
  device.close();
  return true;
}

describe("noise", () => {
  const noise = (seed: number, step: number, layer: number, length = 20_000) => {
    const values = new Float32Array(length);
    fillNoise(values, seed, step, layer);
    return values;
  };
  const mean = (values: Float32Array, of: (x: number, i: number) => number) =>
    values.reduce((sum, x, i) => sum + of(x, i), 0) / values.length;

  test("is logistic", () => {
    const values = noise(1, 2, 3);
    const spread = Math.PI ** 2 / 3;
    assert.ok(Math.abs(mean(values, (x) => x)) < 4 * Math.sqrt(spread / values.length));
    assert.ok(Math.abs(mean(values, (x) => x * x) / spread - 1) < 0.05);
    assert.ok(Math.abs(mean(values, (x) => x ** 4) / spread ** 2 - 4.2) < 0.5, "as heavy in the tails");
    const sorted = values.toSorted();
    const off = sorted.map((x, i) => Math.abs(1 / (1 + Math.exp(-x)) - (i + 0.5) / sorted.length));
    assert.ok(Math.max(...off) < 1.63 / Math.sqrt(values.length), "Kolmogorov and Smirnov, 1%");
  });

  test("is of seed, step and layer alone, and differs where one of them does", () => {
    const values = noise(1, 2, 3);
    assert.deepEqual(bits(noise(1, 2, 3, 500)), bits(values.subarray(0, 500)));
    const spread = Math.PI ** 2 / 3;
    for (const other of [noise(2, 2, 3), noise(1, 3, 3), noise(1, 2, 4), noise(3, 2, 1)])
      assert.ok(Math.abs(mean(values, (x, i) => x * other[i])) < (4 * spread) / Math.sqrt(values.length));
    assert.ok(Math.abs(mean(values.subarray(1), (x, i) => x * values[i])) < (4 * spread) / Math.sqrt(values.length));
  });
});

describe("the sparsity term", () => {
  const kvHeads = 2;
  // Windows of 4 rows; the last row of each is padding, and the last window is nothing else.
  const window = Int32Array.from([0, 0, 0, -1, 1, 1, 1, -1, -1, -1, -1, -1]);
  const windows = 3;
  const random = seeded(9);
  const layers = 3;
  /** z with so many evicting decisions in each window, at random places; padding evicts. */
  function withClosed(counts: readonly number[]): Float32Array[] {
    const z = Array.from({ length: layers }, () => new Float32Array(window.length * kvHeads).fill(-1));
    counts.forEach((count, w) => {
      const places = z.flatMap((_, l) =>
        [...window.keys()].filter((r) => window[r] === w).flatMap((r) => [0, 1].map((h) => [l, r * kvHeads + h])),
      );
      for (let i = 0; i < count; i++) {
        const [[l, at]] = places.splice(random.below(places.length), 1);
        z[l][at] = 1;
      }
    });
    window.forEach((w, r) => {
      if (w < 0) for (const of of z) of.fill(1, r * kvHeads, (r + 1) * kvHeads);
    });
    return z;
  }
  const decisions = 3 * layers * kvHeads; // of a window

  test("is what a window lacks of the target, and pulls each of its decisions by its slope", () => {
    const [target, weight] = [0.5, 3];
    for (const counts of [
      [0, 18],
      [4, 8],
      [9, 10],
      [18, 17],
    ]) {
      const pull = new Float32Array(window.length).fill(7);
      const { fractions, loss } = sparsityOf(withClosed(counts), kvHeads, window, windows, target, weight, pull);
      assert.deepEqual([...fractions], [...counts.map((n) => n / decisions), target]);
      const lossOf = (closed: readonly number[]) =>
        closed.reduce((sum, n) => sum + Math.max(0, target - n / decisions), 0) / windows;
      assert.ok(Math.abs(loss - lossOf(counts)) < 1e-12);
      for (const [r, w] of window.entries()) {
        // One more bit of the window, as the term sees it: a small part of one, since the term has a corner.
        const more = counts.map((n, i) => (i === w ? n + 1e-3 : n));
        const slope = w < 0 ? 0 : (weight * (lossOf(more) - lossOf(counts))) / 1e-3;
        assert.ok(Math.abs(pull[r] - slope) < 1e-6, `row ${r}: pulled by ${pull[r]}, the slope is ${slope}`);
      }
    }
  });

  test("asks nothing of a window that evicts enough, or more", () => {
    for (const counts of [
      [9, 9],
      [18, 9],
    ]) {
      const pull = new Float32Array(window.length).fill(7);
      const { loss } = sparsityOf(withClosed(counts), kvHeads, window, windows, 0.5, 1, pull);
      assert.equal(loss, 0);
      assert.ok(pull.every((x) => x === 0));
    }
  });
});
