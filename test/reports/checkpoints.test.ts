// Reports by users of other loaders, tried on this one. LOG.md has the list.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { load } from "../../src/request/session.ts";
import { bf16, f32, llamaConfig, llamaTensors, safetensors, type Tensors, withFolder } from "../support/checkpoint.ts";

const parsed = (change: object): ModelConfig => parseConfig({ ...llamaConfig, ...change });
const fails = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError, String(error));
  assert.match(error.message, message);
  return true;
};

describe("keys that are null are as keys that are not there", () => {
  const plain = parsed({});
  const cases: [report: string, change: object][] = [
    ["llama.cpp#2793, LightLLM#359", { rope_scaling: null }],
    ["vllm#36109", { rope_scaling: { type: "default", factor: null } }],
    ["TorchSpec#103", { rope_scaling: { rope_type: null, type: null, factor: null } }],
    ["TorchSpec#103, transformers 5", { rope_parameters: { rope_type: null, rope_theta: 10000 }, rope_theta: null }],
    ["vllm-fork#1294, vllm#148", { head_dim: null }],
    ["whatever else Python wrote null for", { attention_bias: null, sliding_window: null, layer_types: null }],
  ];
  for (const [report, change] of cases) test(report, () => assert.deepEqual(parsed(change), plain));
  test("limits and norms", () => {
    const { normEps, contextLength } = parsed({ rms_norm_eps: null, max_position_embeddings: null });
    assert.deepEqual([normEps, contextLength], [1e-6, 2048]);
  });
});

test("candle#2358, TGI#2254: a head_dim that is not hidden / heads", () => {
  const { headDim, frequencies } = parsed({ head_dim: 8 });
  assert.deepEqual([headDim, frequencies.length], [8, 4]);
});

test("MarinFold#198: rope_parameters alone give theta and scaling", () => {
  const scaled = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const rope = { ...scaled, original_max_position_embeddings: 64, rope_theta: 500_000 };
  const { rope_theta: _, ...bare } = llamaConfig;
  const [first, last] = parseConfig({ ...bare, rope_parameters: rope }).frequencies;
  assert.equal(first, 1);
  assert.equal(last, Math.fround(500_000 ** -0.5 / 8));
});

describe("folders", () => {
  const all = llamaTensors();
  const names = Object.keys(all);
  const part = (from: number, to?: number): Uint8Array =>
    safetensors(Object.fromEntries(names.slice(from, to).map((name) => [name, all[name]])));
  const shard = (n: number) => `model-0000${n}-of-00002.safetensors`;
  const map = Object.fromEntries(names.map((name, i) => [name, shard(i < 6 ? 1 : 2)]));
  const folder = { "config.json": llamaConfig, [shard(1)]: part(0, 6), [shard(2)]: part(6) };
  const index = (weight_map: object) => ({ "model.safetensors.index.json": { metadata: {}, weight_map } });
  const opens = (files: Record<string, string | Uint8Array | object>) =>
    withFolder(files, async (path) => (await load({ model: path, device: "reference" })).close());
  const whole = (tensors: Tensors, config: object = {}) => ({
    "config.json": { ...llamaConfig, ...config },
    "model.safetensors": safetensors(tensors),
  });

  test("sglang#35107, FreeToken#336: files that the index does not name are not read", () =>
    opens({
      ...folder,
      ...index(map),
      "consolidated.safetensors": part(0),
      "model-00001-of-00008.safetensors": part(2),
    }));
  test("sglang#32279, club-3090#1042: a missing shard is named before anything loads", () => {
    const { [shard(2)]: _, ...lacking } = folder;
    return assert.rejects(opens({ ...lacking, ...index(map) }), fails(/model-00002-of-00002\.safetensors/));
  });
  test("CoSER#3, mlx-vlm#1827: a stale index is told by the file that it names", () => {
    const stale = index({ "model.norm.weight": "model-00001-of-00030.safetensors" });
    return assert.rejects(opens({ ...folder, ...stale }), fails(/model-00001-of-00030\.safetensors/));
  });
  test("huggingface_hub#4728: an index may name a tensor that nobody needs and no shard has", () =>
    opens({ ...folder, ...index({ ...map, "mtp.fc.weight": shard(2) }) }));
  test("sglang#30594: no dtype in config.json: the tensors' own", () => opens(whole(llamaTensors(bf16))));
  test("vectors in float32 beside matrices in bfloat16", () =>
    opens(whole({ ...llamaTensors(bf16), "model.norm.weight": all["model.norm.weight"] })));
  test("sglang-jax#578, ANEForge#253: biases that the config asks for and the file lacks are named, never dropped", async () => {
    const at = "model.layers.0.self_attn";
    const bias = (name: string, n: number) => ({ [`${at}.${name}_proj.bias`]: f32([n], new Float32Array(n)) });
    const biased = { ...all, ...bias("q", 8), ...bias("k", 4), ...bias("v", 4) };
    await assert.rejects(opens(whole(biased, { attention_bias: true })), fails(/missing: .*o_proj\.bias/));
    await assert.rejects(opens(whole(biased)), fails(/unknown: .*q_proj\.bias/));
    await opens(whole(biased, { model_type: "qwen2" }));
  });
  test("ReconVLA#7: an embedding of another size than vocab_size is told with both", () =>
    assert.rejects(
      opens(whole(all, { vocab_size: 20 })),
      fails(/embed_tokens.*expected shape \[20,8\], got \[16,8\]/),
    ));
});
