// The model that learns: forward it is the engine's; backward, what moving its weights a little says.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { TrainBatch } from "../../src/train/batch.ts";
import type { Loss } from "../../src/train/lossRows.ts";
import { devices, gaussians } from "../device/devices.ts";
import { bits, largestDifference } from "../support/compare.ts";
import { feed } from "../support/feed.ts";
import { logProbability, savedRunner } from "../support/saved.ts";
import {
  documentBatch,
  type Form,
  gatedForms,
  gradientsOf,
  learner,
  logitsOf,
  lossOf,
  plainForms,
  randomLowRank,
  randomParameters,
  type StepOptions,
} from "../support/student.ts";

const LENGTHS = [9, 1, 6, 7];
const batchOf = () => documentBatch(LENGTHS, 2, 14, 3, (index, rows) => (index === 2 ? rows >> 1 : 0));
const LOSSES: Record<string, Loss> = {
  next: { kind: "next" },
  reverse: { kind: "distill", direction: "reverse" },
  forward: { kind: "distill", direction: "forward" },
};
const forms = { ...plainForms, ...gatedForms };
const gatesOf = (form: Form) => (form.json.dms_window_size === undefined ? null : "soft");
const rank = 3;

/** Each document's rows and tokens. */
const documentsOf = ({ documents, documentCount, window, ids }: TrainBatch) =>
  Array.from({ length: documentCount }, (_, d) => [...documents.subarray(3 * d, 3 * d + 2)])
    .filter(([row]) => window[row] >= 0)
    .map(([row, rows]) => ({ row, rows, ids: [...ids.subarray(row, row + rows)] }));

/** A batch that holds nothing but these tokens. */
function aloneBatch(ids: readonly number[]): TrainBatch {
  const batch = documentBatch([ids.length], 1, ids.length, 0);
  batch.ids.set(ids);
  batch.targets.set([...ids.slice(1), 0]);
  return batch;
}

for (const candidate of devices)
  describe(`on ${candidate.name}`, () => {
    for (const [name, form] of Object.entries(plainForms))
      test(`${name}: logits and losses are the engine's`, async () => {
        const device = candidate.open();
        const parameters = await randomParameters(device, form, 11);
        const batch = documentBatch([30, 1, 12, 25], 2, 48, 5);
        const student = learner(device, parameters, batch);
        const sum = await lossOf(student, { loss: LOSSES.next, gates: null });
        const logits = await logitsOf(student);
        const { vocabulary } = parameters.config;
        const runner = await savedRunner(device, parameters, form, "full", 48);
        let expected = 0;
        for (const { row, rows, ids } of documentsOf(batch)) {
          const set = runner.open();
          const engine = await feed(runner, { set, kind: "chunk", ids, from: 0, count: rows });
          runner.sets.close(set);
          engine.forEach((wanted, i) => {
            const off = largestDifference(logits.subarray((row + i) * vocabulary, (row + i + 1) * vocabulary), wanted);
            assert.ok(off < 2e-4, `row ${i} of ${rows}: logits off by ${off}`);
            if (i + 1 < rows) expected -= logProbability(wanted, ids[i + 1]);
          });
        }
        assert.ok(Math.abs(sum - expected) < 1e-4 * expected, `losses sum to ${sum}, the engine's to ${expected}`);
        device.close();
      });

    for (const [name, form] of Object.entries(forms))
      test(`${name}: a document's bits do not depend on what is packed beside it`, async () => {
        const device = candidate.open();
        const parameters = await randomParameters(device, form, 12);
        const options: StepOptions = { loss: LOSSES.next, gates: gatesOf(form) };
        const batch = documentBatch([50, 1, 33, 20], 2, 60, 3);
        const packed = learner(device, parameters, batch);
        await lossOf(packed, options);
        const logits = await logitsOf(packed);
        const { vocabulary } = parameters.config;
        for (const { row, rows, ids } of documentsOf(batch)) {
          const alone = learner(device, parameters, aloneBatch(ids));
          packed.attention.layers.forEach(({ noise: from }, l) => {
            const { noise } = alone.attention.layers[l];
            if (!options.gates) return;
            noise.host.set(from.host.subarray(row * parameters.config.kvHeads).subarray(0, noise.length));
            noise.wrote(0, noise.length);
          });
          await lossOf(alone, options);
          const own = logits.subarray(row * vocabulary, (row + rows) * vocabulary);
          assert.deepEqual(bits(await logitsOf(alone)), bits(own), `document of ${rows} at row ${row}`);
        }
        device.close();
      });

    for (const [name, form] of Object.entries(forms))
      test(`${name}: layers computed again give the bits of those that were kept`, async () => {
        const device = candidate.open();
        const batch = batchOf();
        const parameters = await randomParameters(device, form, 13);
        const teacher = await randomParameters(device, form, 14);
        const pull = gaussians(seeded(15), batch.rows);
        for (const bf16 of [false, true])
          for (const loss of Object.values(LOSSES)) {
            const step = { loss, gates: gatesOf(form), pull } as const;
            const kept = await gradientsOf(learner(device, parameters, batch, { teacher, bf16 }), step);
            const again = await gradientsOf(
              learner(device, parameters, batch, { teacher, bf16, keeps: "inputs" }),
              step,
            );
            assert.equal(again.loss, kept.loss);
            for (const [of, gradient] of kept.gradients)
              assert.deepEqual(bits(again.gradients.get(of)!), bits(gradient), of);
          }
        device.close();
      });
  });

const [oracle, ...others] = devices;
for (const [name, form] of Object.entries(forms))
  for (const how of ["", ", low-rank changes", ", gates at rest", ", immediate eviction"]) {
    // A borrowed channel is cut out of queries whether gates act or not; others leave nothing behind.
    if (how.endsWith("at rest") && form.json.dms_separate_alpha !== false) continue;
    // Where decisions come from is another matter than when they act.
    if (how.endsWith("eviction") && form.json.dms_separate_alpha !== true) continue;
    describe(`${name}${how}`, () => {
      const lowRank = how.startsWith(", low");
      const gates = how.endsWith("at rest") ? null : gatesOf(form);
      const window = how.endsWith("eviction") ? 0 : 3;
      const batch = batchOf();
      const pull = gates ? gaussians(seeded(16), batch.rows) : undefined;
      const stepOf = (loss: Loss): StepOptions => ({ loss, gates, pull });
      async function made(candidate = oracle) {
        const device = candidate.open();
        const parameters = await randomParameters(device, form, 1);
        const teacher = await randomParameters(device, form, 2);
        if (lowRank) await randomLowRank(parameters, rank, 0.5, 4);
        return { device, parameters, student: learner(device, parameters, batch, { teacher, rank, window }) };
      }

      for (const [which, loss] of Object.entries(LOSSES))
        test(`${which}: gradients are slopes of the loss`, async () => {
          const { parameters, student } = await made();
          const step = stepOf(loss);
          const { gradients } = await gradientsOf(student, step);
          const random = seeded(17);
          for (const p of parameters.trained) {
            const gradient = gradients.get(p.name)!;
            const size = Math.hypot(...gradient);
            assert.ok(size > 0.02, `${p.name}: a gradient of ${size} says nothing`);
            const values = await parameters.read(p);
            for (let direction = 0; direction < 2; direction++) {
              const along = gaussians(random, values.length);
              // Wide enough that the losses' rounding is little of what they move.
              const slope = await slopeOf(0.02 * (Math.hypot(...values) / Math.sqrt(values.length)), async (t) => {
                await parameters.write(
                  p,
                  values.map((x, i) => x + t * along[i]),
                );
                return lossOf(student, step);
              });
              const expected = gradient.reduce((sum, g, i) => sum + g * along[i], 0);
              const off = Math.abs(slope - expected);
              assert.ok(off <= 5e-3 * size, `${p.name}: slope ${slope}, the gradient says ${expected}`);
            }
            await parameters.write(p, values);
          }
        });

      for (const candidate of others)
        test(`on ${candidate.name}: losses and gradients as on the reference`, async () => {
          const [own, its] = [await made(candidate), await made()];
          for (const loss of Object.values(LOSSES)) {
            const [got, wanted] = [
              await gradientsOf(own.student, stepOf(loss)),
              await gradientsOf(its.student, stepOf(loss)),
            ];
            assert.ok(Math.abs(got.loss - wanted.loss) <= 1e-5 * wanted.loss, `${got.loss}, expected ${wanted.loss}`);
            assert.deepEqual([...got.gradients.keys()], [...wanted.gradients.keys()]);
            for (const [of, gradient] of wanted.gradients) {
              const off = Math.hypot(...got.gradients.get(of)!.map((g, i) => g - gradient[i]));
              assert.ok(off <= 1e-4 * Math.hypot(...gradient), `${of}: off by ${off} of ${Math.hypot(...gradient)}`);
            }
          }
          own.device.close();
        });
    });
  }

/** By central differences, with the error's first term taken out (Richardson). */
async function slopeOf(step: number, value: (t: number) => Promise<number>): Promise<number> {
  const central = async (h: number) => ((await value(h)) - (await value(-h))) / (2 * h);
  return (4 * (await central(step / 2)) - (await central(step))) / 3;
}

describe("what a student is taught", () => {
  for (const candidate of devices)
    for (const [name, form] of Object.entries(gatedForms))
      test(`on ${candidate.name}, ${name}: the words of the model without gates`, async () => {
        const device = candidate.open();
        const batch = batchOf();
        const parameters = await randomParameters(device, form, 31);
        const json = Object.fromEntries(Object.entries(form.json).filter(([key]) => !key.startsWith("dms_")));
        const plain = await randomParameters(device, { json }, 32);
        const named = new Map(parameters.all.map((p) => [p.name, p]));
        for (const p of plain.all) await plain.write(p, await parameters.read(named.get(p.name)!));
        const original = learner(device, plain, batch);
        await lossOf(original, { loss: LOSSES.next, gates: null });
        const teacher = { config: plain.config, weights: parameters.weights };
        const student = learner(device, parameters, batch, { teacher });
        const got = await lossOf(student, { loss: LOSSES.reverse, gates: "soft" });
        const [own, its] = [await logitsOf(student), await logitsOf(original)];
        const { vocabulary } = parameters.config;
        let expected = 0;
        for (const [row, weight] of batch.weights.entries()) {
          const logs = [own, its].map((logits) => {
            const of = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
            return Array.from(of, (_, token) => logProbability(of, token));
          });
          logs[0].forEach((log, token) => {
            expected += weight * Math.exp(log) * (log - logs[1][token]);
          });
        }
        assert.ok(expected > 0.02, "gates change something");
        assert.ok(Math.abs(got - expected) < 1e-4 * expected, `${got}, expected ${expected}`);
        device.close();
      });
  for (const candidate of devices)
    test(`on ${candidate.name}: one with borrowed gates does without their channels, as its student does`, async () => {
      const device = candidate.open();
      const parameters = await randomParameters(device, gatedForms["borrowed neurons"], 33);
      const student = learner(device, parameters, batchOf(), { teacher: parameters });
      assert.equal(await lossOf(student, { loss: LOSSES.reverse, gates: null }), 0);
      device.close();
    });
});

describe("low-rank changes", () => {
  for (const candidate of devices)
    test(`on ${candidate.name}: merged values are base + scale b a, and their teacher stays as it was`, async () => {
      const device = candidate.open();
      const form = gatedForms["gates with a bias, tied"];
      const parameters = await randomParameters(device, form, 21);
      const before = new Map<string, Float32Array>();
      for (const p of parameters.all) before.set(p.name, await parameters.read(p));
      const scale = 0.5;
      await randomLowRank(parameters, rank, scale, 22);
      const pass = device.begin();
      const student = learner(device, parameters, batchOf(), { rank });
      student.merge(pass);
      student.merge(pass); // of a merged one the same again
      await device.run(pass);
      let changed = 0;
      for (const p of parameters.all) {
        const [base, merged] = [before.get(p.name)!, await parameters.read(p)];
        if (!p.low) {
          assert.deepEqual(bits(merged), bits(base), p.name);
          continue;
        }
        changed++;
        const [a, b] = [await parameters.read(p.low.a), await parameters.read(p.low.b)];
        for (let i = 0; i < merged.length; i++) {
          const [row, col] = [Math.floor(i / p.cols), i % p.cols];
          let sum = 0;
          for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * p.cols + col];
          const expected = base[i] + scale * sum;
          assert.ok(Math.abs(merged[i] - expected) < 1e-6 * (1 + Math.abs(expected)), `${p.name}[${row}, ${col}]`);
        }
        assert.ok(largestDifference(merged, base) > 0.05, `${p.name} changed`);
        const untouched = new Float32Array(base.length);
        await device.read(p.low.base, 0, untouched);
        assert.deepEqual(bits(untouched), bits(base), p.name);
      }
      assert.equal(changed, 7 * parameters.config.layers);
      device.close();
    });

  test("gradients go to gates and low-rank factors alone", async () => {
    const device = oracle.open();
    const parameters = await randomParameters(device, gatedForms["gates per head"], 23);
    await randomLowRank(parameters, rank, 1, 24);
    const names = parameters.trained.map(({ name }) => name);
    assert.ok(names.every((name) => /dms_proj_alpha|\.lora_[AB]\.weight$/.test(name)));
    assert.equal(names.length, parameters.config.layers * (2 + 7 * 2));
    assert.ok(names.includes("model.layers.1.mlp.down_proj.lora_A.weight"));
  });

  test("a student that learns from tokens has no teacher to ask", async () => {
    const device = oracle.open();
    const parameters = await randomParameters(device, plainForms.qwen2, 25);
    const student = learner(device, parameters, batchOf());
    assert.throws(() => student.teach(device.begin()), /expected a teacher/);
  });
});
