import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { applyAdapter, parseConfig } from "../../src/model/config.ts";
import { llamaConfig } from "../support/checkpoint.ts";

const parse = (change: object, generation?: unknown) => parseConfig({ ...llamaConfig, ...change }, generation);
const throws = (work: () => unknown, code: string, message: RegExp) =>
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof HyperthinkError);
    assert.match(error.message, message);
    assert.equal(error.code, code);
    return true;
  });

describe("architectures", () => {
  for (const [change, expected] of [
    [{ model_type: "qwen3", architectures: ["Qwen3ForCausalLMDMS"] }, "qwen3"],
    [{ model_type: null, architectures: ["Qwen3ForCausalLMDMS"] }, "qwen3"],
    [{ model_type: "qwen3_dms", architectures: ["Qwen3ForCausalLMDMS"] }, "qwen3"],
    [{ model_type: undefined, architectures: ["LlamaForCausalLM"] }, "llama"],
    [{ model_type: "qwen2", architectures: null }, "qwen2"],
  ] as const)
    test(JSON.stringify(change), () => assert.equal(parse(change).architecture, expected));
  for (const change of [
    { model_type: "qwen3_moe", architectures: ["Qwen3MoeForCausalLM"] },
    { model_type: "mistral", architectures: ["LlamaForCausalLM"] }, // another class's name proves nothing
    { model_type: "qwen3_dms", architectures: ["Qwen3MoeForCausalLM"] },
    { model_type: null, architectures: null },
  ])
    test(`${JSON.stringify(change)} is refused`, () =>
      throws(() => parse(change), "unsupported", /architecture .*expected model_type llama, qwen2 or qwen3/));
});

test("a folder of gates alone is told from a model", () =>
  throws(() => parseConfig({ dms_window_size: 16 }), "bad-model", /gates, not a model: .* this folder as --adapter/));

test("biases and head norms follow the architecture", () => {
  const of = (change: object) => {
    const { biases, headNorm } = parse(change);
    return [biases.qkv, biases.output, biases.mlp, headNorm].map(Number).join("");
  };
  assert.equal(of({}), "0000");
  assert.equal(of({ attention_bias: true, mlp_bias: true }), "1110");
  assert.equal(of({ model_type: "qwen2" }), "1000");
  assert.equal(of({ model_type: "qwen3" }), "0001");
  assert.equal(of({ model_type: "qwen3", attention_bias: true, mlp_bias: true }), "1101");
});

test("sizes that are left out", () => {
  const { kvHeads, headDim } = parse({ num_key_value_heads: null, head_dim: null });
  assert.deepEqual({ kvHeads, headDim }, { kvHeads: 2, headDim: 4 });
  assert.equal(parse({ head_dim: 6 }).headDim, 6);
  throws(() => parse({ head_dim: null, hidden_size: 9 }), "bad-model", /hidden_size \(9\).*num_attention_heads \(2\)/);
});

test("end ids of both files are united", () => {
  assert.deepEqual(parse({ eos_token_id: 2 }, { eos_token_id: [5, 2] }).eosIds, [2, 5]);
  assert.deepEqual(parse({ eos_token_id: [3, 4] }, null).eosIds, [3, 4]);
  assert.deepEqual(parse({ eos_token_id: null }, { eos_token_id: 7 }).eosIds, [7]);
  throws(() => parse({ eos_token_id: "</s>" }), "bad-model", /eos_token_id: expected a token id.*got "<\/s>"/);
  throws(() => parse({}, { eos_token_id: 1.5 }), "bad-model", /generation_config\.json: eos_token_id.*1\.5/);
});

describe("RoPE", () => {
  const plain = (theta: number, dim: number) =>
    Float32Array.from({ length: dim / 2 }, (_, i) => theta ** ((-2 * i) / dim));
  test("both spellings, and the one that lists layer types", () => {
    const expected = plain(500000, 4);
    for (const rope of [
      { rope_theta: 500000 },
      { rope_theta: 500000, rope_scaling: null },
      { rope_theta: undefined, rope_parameters: { rope_type: "default", rope_theta: 500000 } },
      { rope_theta: 1, rope_parameters: { rope_theta: 500000 } },
      { rope_theta: undefined, rope_parameters: { full_attention: { rope_type: "default", rope_theta: 500000 } } },
    ])
      assert.deepEqual(parse(rope).frequencies, expected);
    assert.deepEqual(parse({ rope_theta: undefined }).frequencies, plain(10000, 4));
  });

  // Frequencies of Llama 3.2 1B by transformers' rule, worked out with 50 decimal
  // digits: unscaled, blended, divided by 32.
  test("llama3", () => {
    const settings = { factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
    for (const rope of [
      { rope_theta: 500000, rope_scaling: { ...settings, rope_type: "llama3" } },
      { rope_theta: 500000, rope_scaling: { ...settings, type: "llama3" } },
      { rope_parameters: { ...settings, rope_type: "llama3", rope_theta: 500000 } },
    ]) {
      const { frequencies } = parse({ head_dim: 64, ...rope });
      for (const [i, expected] of LLAMA_3_2) assert.equal(frequencies[i], Math.fround(expected), `frequency ${i}`);
    }
  });

  for (const type of ["yarn", "linear", "dynamic", "longrope", "su"])
    test(`${type} is refused by name`, () => {
      for (const key of ["rope_type", "type"])
        throws(() => parse({ rope_scaling: { [key]: type, factor: 4 } }), "unsupported", new RegExp(`"${type}"`));
    });

  test("settings that make no sense", () => {
    const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 };
    throws(() => parse({ rope_scaling: llama3 }), "bad-model", /original_max_position_embeddings/);
    throws(
      () => parse({ rope_scaling: { ...llama3, original_max_position_embeddings: 8192 } }),
      "bad-model",
      /high_freq_factor \(4\)/,
    );
    throws(() => parse({ rope_theta: "10000" }), "bad-model", /rope_theta.*got "10000"/);
    throws(() => parse({ partial_rotary_factor: 0.5 }), "unsupported", /partial_rotary_factor 0\.5/);
    throws(
      () => parse({ rope_parameters: { partial_rotary_factor: 0.5 } }),
      "unsupported",
      /partial_rotary_factor 0\.5/,
    );
    throws(() => parse({ rope_scaling: { factor: 4 } }), "bad-model", /a factor \(4\) and no rope_type/);
  });
});

test("a sliding window is refused where it is in use", () => {
  const window = { use_sliding_window: true, sliding_window: 4096 };
  throws(() => parse(window), "unsupported", /sliding_window 4096/);
  parse({ ...window, use_sliding_window: false });
  parse({ ...window, max_window_layers: 28 }); // slides from layer 28 on: there are none
  parse({ ...window, layer_types: ["full_attention"] });
  throws(() => parse({ layer_types: ["sliding_attention"] }), "unsupported", /sliding_attention/);
});

test("quantised checkpoints are refused by their method", () =>
  throws(() => parse({ quantization_config: { quant_method: "bitsandbytes" } }), "unsupported", /bitsandbytes/));

describe("absurd values", () => {
  for (const key of ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"])
    for (const value of [0, -1, 1e12, Number.NaN, 1.5, "64", null, [64]])
      test(`${key} ${value}`, () =>
        throws(() => parse({ [key]: value }), "bad-model", new RegExp(`${key}: .*expected`)));
  test("the value that came is told", () => {
    throws(() => parse({ hidden_size: Number.NaN }), "bad-model", /got NaN/);
    throws(() => parse({ hidden_size: undefined }), "bad-model", /got nothing/);
  });
  for (const json of [null, 7, "x", []])
    test(`config ${JSON.stringify(json)}`, () => throws(() => parseConfig(json), "bad-model", /config\.json/));
});

describe("DMS", () => {
  test("no keys, no gates", () => assert.equal(parse({}).dms, null));
  test("defaults are the reference's", () =>
    assert.deepEqual(parse({ dms_tau: 0.1 }).dms, {
      scale: 100,
      offset: 5,
      window: 512,
      borrowed: true,
      perLayer: false,
      shift: 1,
      cr: 8,
    }));
  test("every key", () =>
    assert.deepEqual(
      parse({
        dms_alpha_scale: 10,
        dms_initial_alpha_offset: -1,
        dms_window_size: 0,
        dms_separate_alpha: true,
        dms_alpha_per: "layer",
        dms_label_shift: 0,
        dms_cr: 4,
      }).dms,
      { scale: 10, offset: -1, window: 0, borrowed: false, perLayer: true, shift: 0, cr: 4 },
    ));
  test("disabled eviction: no logit reaches the offset, in float32 too", () => {
    const dms = parse({ dms_disable_eviction: true }).dms;
    assert.ok(dms && Math.fround(1e6 * dms.scale - dms.offset) < 0 && Number.isFinite(Math.fround(dms.offset)));
    assert.equal(dms.cr, 1);
  });
  test("an adapter's gates are separate, said or not", () => {
    const base = parse({});
    assert.equal(applyAdapter(base, { dms_window_size: 16 }).dms?.borrowed, false);
    assert.equal(applyAdapter(base, { dms_window_size: 16, dms_separate_alpha: true }).dms?.window, 16);
    throws(() => applyAdapter(base, { dms_separate_alpha: false }), "bad-model", /dms_separate_alpha true/);
    throws(() => applyAdapter(base, {}), "bad-model", /expected dms_\* keys/);
    throws(() => applyAdapter(parse({ dms_cr: 2 }), { dms_cr: 4 }), "bad-model", /gates of its own/);
  });
});

const LLAMA_3_2: [number, number][] = [
  [0, 1.0],
  [7, 0.05666962144529105],
  [14, 0.003211445994752591],
  [15, 0.0012905479282092638],
  [17, 9.708287802627673e-5],
  [18, 1.9461638184831125e-5],
  [31, 9.41830672543491e-8],
];
