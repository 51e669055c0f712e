import assert from "node:assert/strict";
import { test } from "node:test";
import { qwen3_06b, syntheticGates, syntheticWeights } from "../../bench/synthetic.ts";
import { reference } from "../../src/device/reference.ts";
import { fit, inspect } from "../../src/model/inspect.ts";
import { entries, tensorTable } from "../../src/model/names.ts";
import { bf16, f32, llamaConfig, llamaTensors, safetensors, withFolder } from "../support/checkpoint.ts";
import { tinyConfig } from "../support/tiny.ts";

test("Qwen3-0.6B has the parameters that its card tells: 0.6 billion, 0.44 without the embedding", () => {
  const config = qwen3_06b();
  const count = entries(tensorTable(config)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  assert.equal(count, 596049920);
  assert.equal(count - config.vocabulary * config.hidden, 440467456);
});

test("random gates doom the share that was asked for", async () => {
  for (const cr of [2, 4, 8]) {
    const device = reference();
    const config = { ...tinyConfig({ seed: 0 }), hidden: 64, dms: syntheticGates(cr, 16) };
    const { layers } = syntheticWeights(device, config, { weights: "f32", seed: 3 });
    const x = syntheticWeights(device, { ...config, vocabulary: 4000 }, { weights: "f32", seed: 4 }).embed;
    const rows = 4000;
    const [ids, h, z] = [device.i32(rows), device.hidden(rows * 64), device.hidden(rows * config.kvHeads)];
    ids.host.forEach((_, i) => {
      ids.host[i] = i;
    });
    const pass = device.begin();
    const { alpha } = layers[0];
    pass.embed({ out: h, table: x, ids, rows });
    pass.norm({ out: h, x: h, weight: alpha!.norm, rows, dim: 64, eps: config.normEps });
    pass.matmul({ out: z, x: h, w: alpha!.proj, rows, bias: null, add: false });
    const { kvHeads, dms } = config;
    pass.decide({ z, raw: z, rows, kvHeads, scale: dms.scale, offset: dms.offset, perLayer: false });
    await device.run(pass);
    const decisions = new Float32Array(rows * config.kvHeads);
    await device.read(z, 0, decisions);
    const share = decisions.filter((value) => value > 0).length / decisions.length;
    // A gate's row of 64 random numbers has a length within a fifth of 1, which moves its share.
    assert.ok(Math.abs(share - (1 - 1 / cr)) < 0.08, `CR ${cr}: ${share}`);
  }
});

test("inspect counts what the engine keeps", async () => {
  const alpha = "model.layers.0.self_attn.dms_proj_alpha";
  const tensors = {
    ...llamaTensors(bf16),
    "lm_head.weight": llamaTensors(bf16)["model.embed_tokens.weight"], // a copy of the tied head
    [`${alpha}.weight`]: f32([1, 8], new Array(8).fill(0)),
    [`${alpha}_norm.weight`]: f32([8], new Array(8).fill(1)),
  };
  const config = { ...llamaConfig, dms_separate_alpha: true };
  await withFolder({ "config.json": config, "model.safetensors": safetensors(tensors) }, async (folder) => {
    const facts = await inspect(folder, { freeBytes: 1 << 20 });
    const matrices = 16 * 8 + 8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 3 * 12 * 8;
    assert.equal(facts.parameters, matrices + 3 * 8 + 8 + 8);
    assert.equal(facts.weights, "bf16"); // as `load` would choose, whatever the gates' type
    assert.equal(facts.weightBytes, 2 * matrices + 4 * (3 * 8 + 8 + 8));
    assert.equal(facts.kvBytesPerToken, 2 * 4 * 2 + 4);
    assert.deepEqual(facts.dtypes, { BF16: 12, F32: 2 });
    assert.equal(facts.diskBytes, 2 * (matrices + 3 * 8 + 128) + 4 * 16);
    const keys = Math.floor(((1 << 20) - facts.weightBytes) / facts.kvBytesPerToken);
    assert.deepEqual(facts.fits[0], {
      cr: 1,
      tokens: keys,
      chains4k: Math.floor(keys / 4096),
      chains32k: Math.floor(keys / 32768),
    });
  });
});

test("what fits counts the window of doomed keys", () => {
  assert.deepEqual(fit(100_000, 1, 512), { cr: 1, tokens: 100_000, chains4k: 24, chains32k: 3 });
  assert.deepEqual(fit(100_000, 8, 0), { cr: 8, tokens: 800_000, chains4k: 195, chains32k: 24 });
  // 4096 tokens: 512 kept and 448 of the window; 32768: 4096 and 448.
  assert.deepEqual(fit(100_000, 8, 512), { cr: 8, tokens: 800_000, chains4k: 104, chains32k: 22 });
  assert.equal(fit(1000, 8, 512).chains4k, 1);
  assert.equal(fit(959, 8, 512).chains4k, 0);
});
