import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { erf } from "../../src/base/erf.ts";
import { mean } from "../../src/base/mean.ts";
import { seeded } from "../../src/base/rng.ts";
import type { Device } from "../../src/device/device.ts";
import { Judge } from "../../src/train/fit/judge.ts";
import { mlpLearner, widthOf } from "../../src/train/fit/learner.ts";
import { MLP, MlpTrainer } from "../../src/train/fit/mlp.ts";
import { Ridge } from "../../src/train/fit/ridge.ts";
import { Sample } from "../../src/train/fit/sample.ts";
import { type LayerSurrogate, Predictor } from "../../src/train/fit/surrogate.ts";
import { allDevices, gaussians } from "../device/devices.ts";

const [hidden, kvHeads, rows] = [32, 2, 3000];

/** Features whose scores no linear map tells: how large a channel is, and whether two have one sign. */
function nonlinear(seed: number) {
  const x = gaussians(seeded(seed), rows * hidden).map((value, i) => (i % hidden === 5 ? 7 : value * 3 + (i % hidden)));
  const y = Float32Array.from({ length: rows * kvHeads }, (_, i) => {
    const [a, b] = [0, 1].map((c) => (x[Math.floor(i / kvHeads) * hidden + c] - c) / 3);
    return i % kvHeads === 0 ? Math.abs(a) - 6 : 4 * Math.max(a, b) + b;
  });
  return { x, y };
}

/** R^2 of a surrogate's predictions, by head. */
async function explained(device: Device, surrogate: LayerSurrogate, { x, y }: ReturnType<typeof nonlinear>) {
  const width = surrogate.inner?.bias.length ?? 0;
  const judge = new Judge({ layers: 1, kvHeads });
  judge.add(0, y, await new Predictor(device, { hidden, kvHeads, width }, rows).predict(surrogate, x, rows));
  return mean(judge.explained);
}

describe("an MLP", () => {
  const devices = allDevices.slice(2).map((candidate) => candidate.open());
  const [device] = devices;
  after(() => {
    for (const device of devices) device.close();
  });
  const shape = { hidden, kvHeads, width: 8 };

  test("learns what a ridge cannot, the same bits on any threads", { skip: !device }, async () => {
    const [train, test] = [nonlinear(1), nonlinear(2)];
    const ridge = new Ridge(hidden, kvHeads);
    ridge.add(train.x, train.y, rows);
    const linear = await explained(device, { inner: null, out: ridge.solve(1e-3) }, test);
    assert.ok(linear > 0.3 && linear < 0.6, `a ridge explains ${linear}`);
    const found: LayerSurrogate[] = [];
    for (const device of devices) {
      const trainer = new MlpTrainer(device, shape, rows, { ...MLP, batch: 100 });
      found.push(await trainer.train(0, train.x, train.y));
    }
    const bent = await explained(device, found[0], test);
    assert.ok(bent > 0.95, `an MLP explains ${bent}`);
    for (const other of found) assert.deepEqual(other, found[0]);
    const another = new MlpTrainer(device, shape, rows, { ...MLP, batch: 100, seed: 1 });
    assert.notDeepEqual(await another.train(0, train.x, train.y), found[0]);
  });

  test("a step moves each weight by the rate against its gradient", { skip: !device }, async () => {
    const data = nonlinear(3);
    const weightsAfter = async (rate: number) =>
      new MlpTrainer(device, shape, rows, { ...MLP, epochs: 1, batch: rows, rate, decay: 0 }).train(0, data.x, data.y);
    const [before, after] = [await weightsAfter(0), await weightsAfter(1e-3)];
    const lossOf = async (surrogate: LayerSurrogate) => 1 - (await explained(device, surrogate, data));
    assert.ok((await lossOf(after)) < (await lossOf(before)));
    // AdamW's first step is the gradient's sign times the rate, here in units of what was normalised.
    let same = 0;
    const nudge = 1e-3;
    for (let i = 0; i < 40; i++) {
      const at = 6 * i + (i % 5);
      const moved = (sign: number): LayerSurrogate => {
        const weight = before.inner!.weight.slice();
        const bias = before.inner!.bias.slice();
        const channel = at % hidden;
        weight[at] += sign * nudge;
        bias[Math.floor(at / hidden)] -= sign * nudge * channel; // channels are normalised: they have means
        return { inner: { weight, bias }, out: before.out };
      };
      const slope = (await lossOf(moved(1))) - (await lossOf(moved(-1)));
      const change = after.inner!.weight[at] - before.inner!.weight[at];
      if (Math.sign(change) === -Math.sign(slope)) same++;
    }
    assert.ok(same >= 36, `${same} of 40 move downhill`);
  });

  test("is predicted as by hand", async () => {
    for (const candidate of allDevices) {
      const device = candidate.open();
      const random = seeded(4);
      const inner = { weight: gaussians(random, 3 * 4), bias: gaussians(random, 3) };
      const out = { weight: gaussians(random, 2 * 3), bias: gaussians(random, 2) };
      const x = gaussians(random, 5 * 4);
      const wanted = Array.from({ length: 5 * 2 }, (_, i) => {
        const [r, o] = [Math.floor(i / 2), i % 2];
        let y = out.bias[o];
        for (let w = 0; w < 3; w++) {
          let z = inner.bias[w];
          for (let c = 0; c < 4; c++) z += inner.weight[w * 4 + c] * x[r * 4 + c];
          y += (out.weight[o * 3 + w] * z * (1 + erf(z / Math.SQRT2))) / 2;
        }
        return y;
      });
      const predictor = new Predictor(device, { hidden: 4, kvHeads: 2, width: 3 }, 9);
      const got = await predictor.predict({ inner, out }, x, 5);
      device.close();
      assert.equal(got.length, wanted.length);
      wanted.forEach((w, i) => {
        assert.ok(Math.abs(got[i] - w) < 1e-5 * (1 + Math.abs(w)), `${candidate.name}: ${got[i]}, expected ${w}`);
      });
    }
  });

  test("its hidden layer is an eighth of the input, its learner has a layer of each", { skip: !device }, async () => {
    assert.deepEqual([4096, 576, 7].map(widthOf), [512, 72, 1]);
    const config = { hidden, kvHeads, layers: 2 } as Parameters<typeof mlpLearner>[1];
    const learner = mlpLearner(device, config, 2, 100);
    const done: number[] = [];
    for (const prompt of [0, 1])
      for (const layer of [0, 1]) {
        const { x, y } = nonlinear(10 * prompt + layer);
        learner.add({ layer, rows: 100, x, y }, prompt);
      }
    const [{ layers }] = await learner.finish((layers) => done.push(layers));
    assert.deepEqual(done, [1, 2]);
    assert.deepEqual(
      layers.map(({ inner, out }) => [inner!.weight.length, inner!.bias.length, out.weight.length, out.bias.length]),
      Array(2).fill([4 * hidden, 4, 2 * 4, 2]),
    );
  });
});

describe("a sample of rows", () => {
  const numbers = (prompt: number, layer: number) => ({
    ...{ layer, rows: 50 },
    x: Float32Array.from({ length: 50 * 3 }, (_, i) => prompt * 64 + Math.floor(i / 3)),
    y: Float32Array.from({ length: 50 }, (_, i) => prompt * 64 + i + layer / 2),
  });
  const sizes = { hidden: 3, kvHeads: 1, layers: 2 };
  const fill = (mostBytes: number, seed = 0) => {
    const sample = new Sample(sizes, 2, 50, seed, mostBytes);
    for (const prompt of [0, 1]) for (const layer of [0, 1]) sample.add(numbers(prompt, layer), prompt);
    return sample;
  };

  test("is all of them where they fit, features as bf16 keeps them", () => {
    const sample = fill(1 << 20);
    assert.equal(sample.rows, 100);
    const { x, y } = sample.layer(1);
    assert.deepEqual(
      [...y].sort((a, b) => a - b),
      [0, 1].flatMap((prompt) => [...numbers(prompt, 1).y]),
    );
    y.forEach((score, r) => {
      assert.deepEqual([...x.subarray(3 * r, 3 * r + 3)], Array(3).fill(score - 0.5));
    });
  });

  test("is bounded, and of each prompt as many, the same ones in every layer", () => {
    const sample = fill(2 * 2 * 10 * 10); // layers, prompts, bytes of a row, rows
    assert.equal(sample.rows, 20);
    const [first, second] = [sample.layer(0).y, sample.layer(1).y];
    assert.deepEqual(
      [...second],
      [...first].map((score) => score + 0.5),
    );
    assert.equal(first.filter((score) => score < 64).length, 10);
    assert.equal(new Set(first).size, 20);
    assert.notDeepEqual([...fill(400, 1).layer(0).y], [...first]);
  });
});
