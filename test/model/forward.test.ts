// What training stands on: a workspace per layer, another attention, weights that are read back and written anew.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Device } from "../../src/device/device.ts";
import { type Attention, forward, type Model, type Tokens } from "../../src/model/forward.ts";
import { type Keeps, makeActivations } from "../../src/model/workspace.ts";
import { allDevices } from "../device/devices.ts";
import { bits, largestDifference } from "../support/compare.ts";
import { dense } from "../support/dense.ts";
import { randomTokens, tinyModel, tinyRaw } from "../support/tiny.ts";

const T = 20;
const OPTIONS = { seed: 9, window: 5, layers: 3 };

/** Attention of a single token to itself: its values, once per query head. */
function alone(device: Device, { config }: Model): Attention {
  const { queryHeads, kvHeads, headDim: dim } = config;
  const group = queryHeads / kvHeads;
  const index = device.i32(T * queryHeads);
  for (let i = 0; i < T * queryHeads; i++)
    index.host[i] = Math.floor(i / queryHeads) * kvHeads + Math.floor((i % queryHeads) / group);
  return { mix: (pass, _, { mixed, v }) => pass.gather({ out: mixed, x: v, index, count: T * queryHeads, dim }) };
}

/** Logits of T tokens. */
async function run(device: Device, model: Model, ids: readonly number[], keeps: Keeps): Promise<Float32Array> {
  const { config, weights } = model;
  const activations = makeActivations(device, config, weights, { rows: T, logitRows: T, keeps });
  const rows = () => {
    const buffer = device.i32(T);
    for (let i = 0; i < T; i++) buffer.host[i] = i;
    return buffer;
  };
  const tokens: Tokens = {
    rows: T,
    ids: rows(),
    positions: rows(),
    marks: null,
    wants: { gates: true, probe: false },
    places: null,
    self: rows(),
    logitRows: rows(),
    logitCount: T,
  };
  tokens.ids.host.set(ids);
  const pass = device.begin();
  forward(pass, model, tokens, activations, alone(device, model));
  await device.run(pass);
  const logits = new Float32Array(T * config.vocabulary);
  await device.read(activations.ends.logits, 0, logits);
  return logits;
}

for (const candidate of allDevices)
  describe(candidate.name, () => {
    test("another attention, over one workspace or one per layer", async () => {
      const raw = tinyRaw(OPTIONS);
      const ids = randomTokens(1, T, raw.config.vocabulary);
      const device = candidate.open();
      const model = tinyModel(device, OPTIONS, raw);
      const shared = await run(device, model, ids, "nothing");
      for (const keeps of ["inputs", "all"] as const)
        assert.deepEqual(bits(await run(device, model, ids, keeps)), bits(shared), keeps);
      const expected = dense(raw, ids, (_z, _l, _h, i, q) => i === q).logits;
      const V = raw.config.vocabulary;
      for (const [t, row] of expected.entries())
        assert.ok(largestDifference(shared.subarray(t * V, (t + 1) * V), row) < 2e-4, `token ${t}`);
      device.close();
    });

    for (const format of ["f32", "bf16"] as const)
      test(`a matrix of ${format} is read back and written anew`, async () => {
        const device = candidate.open();
        const model = tinyModel(device, { ...OPTIONS, weights: format });
        const { down } = model.weights.layers[1];
        const ids = randomTokens(1, T, model.config.vocabulary);
        const before = await run(device, model, ids, "nothing");
        const rows = new Float32Array(down.rows * down.cols);
        await device.readRows(down, 0, rows);
        device.writeRows(
          down,
          0,
          rows.map((x) => 2 * x),
        );
        const changed = await run(device, model, ids, "nothing");
        assert.ok(largestDifference(changed, before) > 0.01);
        device.writeRows(down, 0, rows);
        assert.deepEqual(bits(await run(device, model, ids, "nothing")), bits(before));
        device.close();
      });
  });
