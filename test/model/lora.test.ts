// LoRAs in PEFT's layout: what lies on the device is W + scale B A, rounded once; what is no plain LoRA is refused.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { roundBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";
import type { Matrix } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";
import { openAdapters } from "../../src/model/adapters.ts";
import { parseConfig } from "../../src/model/config.ts";
import { inspect } from "../../src/model/inspect.ts";
import { loadConfig, loadWeights } from "../../src/model/load.ts";
import { loraNames, loraTargets } from "../../src/model/lora-match.ts";
import { modulePattern } from "../../src/model/pattern.ts";
import { openSource } from "../../src/model/source.ts";
import type { LayerWeights } from "../../src/model/weights.ts";
import { type LoadOptions, load, type Session } from "../../src/request/session.ts";
import { bf16, f32, llamaConfig, llamaTensors, safetensors, type Tensors, withFolder } from "../support/checkpoint.ts";

type Files = Parameters<typeof withFolder>[0];
type Make = typeof f32;

const AT = "model.layers.0";
const FIELDS: Record<string, keyof LayerWeights> = {
  "self_attn.q_proj": "q",
  "self_attn.k_proj": "k",
  "self_attn.v_proj": "v",
  "self_attn.o_proj": "o",
  "mlp.gate_proj": "gate",
  "mlp.up_proj": "up",
  "mlp.down_proj": "down",
};
const modules = Object.keys(FIELDS).map((name) => `${AT}.${name}`);
const untied = { ...llamaConfig, tie_word_embeddings: false };
const HEAD = "lm_head.weight";
const EMBEDDING = "model.embed_tokens.weight";

const gaussians = (count: number, seed: number): Float32Array => {
  const rng = seeded(seed);
  return Float32Array.from({ length: count }, () => rng.gaussian());
};
const model = (tensors: Tensors, config: object = llamaConfig): Files => ({
  "config.json": config,
  "model.safetensors": safetensors(tensors),
});
/** A model with a head of its own. */
const headed = (make?: Make): Tensors => ({ ...llamaTensors(make), [HEAD]: (make ?? f32)([16, 8], gaussians(128, 7)) });

const plain = { peft_type: "LORA", r: 3, lora_alpha: 6, target_modules: ["q_proj"], bias: "none" };
const adapter = (tensors: Tensors, config: object = plain): Files => ({
  "adapter_config.json": config,
  "adapter_model.safetensors": safetensors(tensors),
});

/** Two tensors of a linear module of W [out, in]. */
function pair(module: string, [out, inside]: number[], rank = 3, make: Make = f32, seed = 11): Tensors {
  const { a, b } = loraNames(module);
  return {
    [a]: make([rank, inside], gaussians(rank * inside, seed)),
    [b]: make([out, rank], gaussians(out * rank, seed + 1)),
  };
}
const shapeOf = (module: string): number[] => headed()[`${module}.weight`].shape;
const Q = modules[0];
const q = (): Tensors => pair(Q, shapeOf(Q));

function numbers({ dtype, data }: Tensors[string]): Float32Array {
  const { buffer, byteOffset, length } = data;
  if (dtype === "F32") return new Float32Array(buffer, byteOffset, length / 4);
  const words = new Uint16Array(buffer, byteOffset, length / 2);
  return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
}

/** W + sum of scale B A in float64: A [rank, in], B [out, rank]. */
function merged(tensors: Tensors, name: string, loras: readonly { tensors: Tensors; scale: number }[]): number[] {
  const [, cols] = tensors[name].shape;
  const { a, b } = loraNames(name.replace(".weight", ""));
  return Array.from(numbers(tensors[name]), (weight, i) => {
    const [row, col] = [Math.floor(i / cols), i % cols];
    let sum = weight;
    for (const { tensors: own, scale } of loras) {
      if (!own[a]) continue;
      const [rank] = own[a].shape;
      const [A, B] = [numbers(own[a]), numbers(own[b])];
      for (let k = 0; k < rank; k++) sum += scale * B[row * rank + k] * A[k * cols + col];
    }
    return sum;
  });
}

const near = (got: ArrayLike<number>, expected: readonly number[], what: string): void => {
  assert.equal(got.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(
      Math.abs(got[i] - value) <= 1e-6 * Math.max(1, Math.abs(value)),
      `${what}, ${i}: ${got[i]}, not ${value}`,
    );
};

/** What a device holds of each matrix, by the module's name. */
async function held(session: Session): Promise<Map<string, Float32Array>> {
  const { device, runner } = session;
  const { weights } = runner.model;
  const read = async (matrix: Matrix) => {
    const into = new Float32Array(matrix.rows * matrix.cols);
    await device.readRows(matrix, 0, into);
    return into;
  };
  const all = new Map([
    [EMBEDDING, await read(weights.embed)],
    [HEAD, await read(weights.head)],
  ]);
  for (const [name, field] of Object.entries(FIELDS))
    all.set(`${AT}.${name}.weight`, await read(weights.layers[0][field] as Matrix));
  return all;
}

/** Loads a model with adapters, and closes it. */
async function laid<T>(
  base: Files,
  adapters: readonly Files[],
  work: (session: Session) => T | Promise<T>,
  options: Partial<LoadOptions> = {},
): Promise<T> {
  const open = async (folder: string, rest: readonly Files[], folders: string[]): Promise<T> => {
    const [next, ...others] = rest;
    if (next) return withFolder(next, (another) => open(folder, others, [...folders, another]));
    await using session = await load({ model: folder, adapter: folders, device: "reference", ...options });
    return await work(session);
  };
  return withFolder(base, (folder) => open(folder, adapters, []));
}

async function refused(adapters: readonly Files[], message: RegExp, code: string, base = model(headed(), untied)) {
  await assert.rejects(
    laid(base, adapters, () => {}),
    (error: unknown) => {
      assert.ok(error instanceof HyperthinkError, error instanceof Error ? error.stack : String(error));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /[^\x20-\x7e]/);
      assert.equal(error.code, code);
      return true;
    },
  );
}

describe("what lies on the device", () => {
  const everywhere = (rank: number, make: Make = f32, seed = 11): Tensors =>
    Object.assign(
      {},
      ...[...modules, "lm_head"].map((name, i) => pair(name, shapeOf(name), rank, make, seed + 10 * i)),
    );

  for (const make of [f32, bf16])
    test(`W + scale B A in float32, A and B as ${make([0], []).dtype}`, async () => {
      // Ranks beside and between the four that are summed at a time.
      for (const rank of [1, 4, 7]) {
        const own = everywhere(rank, make);
        await laid(model(headed(), untied), [adapter(own, { ...plain, r: rank, lora_alpha: 3 })], async (session) => {
          assert.deepEqual(session.notes, []);
          for (const [name, got] of await held(session))
            near(got, merged(headed(), name, [{ tensors: own, scale: 3 / rank }]), name);
        });
      }
    });

  test("F16, and the square root of the rank", async () => {
    const halves = Uint16Array.from({ length: 24 }, (_, i) => 0x3c00 + 32 * i);
    const own = q();
    own[loraNames(Q).a] = { dtype: "F16", shape: [3, 8], data: new Uint8Array(halves.buffer) };
    const same = {
      ...own,
      [loraNames(Q).a]: f32(
        [3, 8],
        Array.from(halves, (_, i) => 1 + (32 * i) / 1024),
      ),
    };
    await laid(model(headed(), untied), [adapter(own, { ...plain, use_rslora: true })], async (session) => {
      const name = `${Q}.weight`;
      near(
        (await held(session)).get(name)!,
        merged(headed(), name, [{ tensors: same, scale: 6 / Math.sqrt(3) }]),
        name,
      );
    });
  });

  test("bf16 weights are the merge, rounded; not a merge of rounded weights", async () => {
    const own = everywhere(3);
    for (const make of [f32, bf16]) {
      const tensors = headed(make);
      let others = 0;
      await laid(
        model(tensors, untied),
        [adapter(own)],
        async (session) => {
          for (const [name, got] of await held(session)) {
            const once = merged(tensors, name, [{ tensors: own, scale: 2 }]).map((x) => roundBf16(Math.fround(x)));
            assert.deepEqual([...got], once, name);
            const delta = merged({ [name]: f32(tensors[name].shape, new Float32Array(got.length)) }, name, [
              { tensors: own, scale: 2 },
            ]);
            numbers(tensors[name]).forEach((x, i) => {
              if (roundBf16(roundBf16(x) + roundBf16(delta[i])) !== once[i]) others++;
            });
          }
        },
        { weights: "bf16" },
      );
      assert.ok(others > 20, `only ${others} numbers tell the two apart`);
    }
  });

  test("the rows of a borrowed gate, in float32 whatever the checkpoint's type", async () => {
    const config = { ...llamaConfig, num_attention_heads: 4, num_key_value_heads: 2, dms_window_size: 4 };
    const tensors = llamaTensors(bf16);
    const name = `${Q}.weight`;
    const rows = [0, 1, 4, 5]; // heads 0 and 2 of 4 heads of 2 carry
    const full = merged(tensors, name, [{ tensors: q(), scale: 2 }]);
    const expected = rows.flatMap((row) => full.slice(8 * row, 8 * row + 8));
    await laid(
      model(tensors, config),
      [adapter(q())],
      async ({ device, runner }) => {
        const { borrowed, q: rounded } = runner.model.weights.layers[0];
        assert.equal(rounded.format, "bf16");
        const got = new Float32Array(32);
        await device.readRows(borrowed!.q, 0, got);
        near(got, expected, name);
        assert.ok(expected.some((x) => Math.abs(x - roundBf16(x)) > 1e-4));
      },
      { weights: "bf16" },
    );
    // A LoRA elsewhere leaves them: bf16 holds them already.
    const v = modules[2];
    await laid(
      model(tensors, config),
      [adapter(pair(v, shapeOf(v)))],
      ({ runner }) => assert.equal(runner.model.weights.layers[0].borrowed, null),
      { weights: "bf16" },
    );
  });

  test("several add up, and are rounded once", async () => {
    const [first, second] = [everywhere(3), everywhere(2, f32, 500)];
    const loras = [
      { tensors: first, scale: 2 },
      { tensors: second, scale: -0.25 },
    ];
    for (const weights of ["f32", "bf16"] as const)
      await laid(
        model(headed(), untied),
        [adapter(first), adapter(second, { ...plain, r: 2, lora_alpha: -0.5 })],
        async (session) => {
          for (const [name, got] of await held(session)) {
            const expected = merged(headed(), name, loras);
            if (weights === "f32") near(got, expected, name);
            else
              assert.deepEqual(
                [...got],
                expected.map((x) => roundBf16(Math.fround(x))),
              );
          }
        },
        { weights },
      );
  });

  test("an embedding: A and B look columns up", async () => {
    const at = "base_model.model.model.embed_tokens";
    const [A, B] = [gaussians(3 * 16, 3), gaussians(8 * 3, 4)]; // [rank, V], [H, rank]
    const tensors = { [`${at}.lora_embedding_A`]: f32([3, 16], A), [`${at}.lora_embedding_B`]: f32([8, 3], B) };
    const whole = { [`${at}.base_layer.weight`]: headed()[EMBEDDING] }; // PEFT saves it too
    for (const own of [tensors, { ...tensors, ...whole }])
      await laid(model(headed(), untied), [adapter(own)], async (session) => {
        const all = await held(session);
        const expected = Array.from(numbers(headed()[EMBEDDING]), (weight, i) => {
          const [token, col] = [Math.floor(i / 8), i % 8];
          return weight + 2 * [0, 1, 2].reduce((sum, k) => sum + B[col * 3 + k] * A[k * 16 + token], 0);
        });
        near(all.get(EMBEDDING)!, expected, EMBEDDING);
        assert.deepEqual([...all.get(HEAD)!], [...numbers(headed()[HEAD])]);
      });
  });

  test("ranks and alphas by module", async () => {
    const k = modules[1];
    const up = modules[5];
    const own = { ...q(), ...pair(k, shapeOf(k), 5), ...pair(up, shapeOf(up), 5) };
    const config = {
      ...plain,
      rank_pattern: { "k_proj|up_proj": 5, q_proj: 3 },
      alpha_pattern: { "^model.layers.0.self_attn.k_proj": 1, "layers\\.\\d+\\.mlp\\..*": 20, _proj: 1000 },
    };
    const scales = { [Q]: 6 / 3, [k]: 1 / 5, [up]: 20 / 5 };
    await laid(model(headed(), untied), [adapter(own, config)], async (session) => {
      const all = await held(session);
      for (const [module, scale] of Object.entries(scales)) {
        const name = `${module}.weight`;
        near(all.get(name)!, merged(headed(), name, [{ tensors: own, scale }]), name);
      }
    });
  });

  test("names as PEFT and its wrappers save them, and without its words", async () => {
    const usual = merged(headed(), `${Q}.weight`, [{ tensors: q(), scale: 2 }]);
    for (const change of [
      (name: string) => name,
      (name: string) => name.replace(".weight", ".default.weight"),
      (name: string) => name.replace("base_model.model.", ""),
      (name: string) => name.replace("base_model.model.model.", "base_model.model."),
      (name: string) => `_orig_mod.module.${name}`,
    ]) {
      const own = Object.fromEntries(Object.entries(q()).map(([name, tensor]) => [change(name), tensor]));
      await laid(model(headed(), untied), [adapter(own)], async (session) =>
        near((await held(session)).get(`${Q}.weight`)!, usual, change("name.weight")),
      );
    }
  });
});

describe("patterns pick modules as PEFT does", () => {
  const name = "model.layers.10.self_attn.q_proj";
  for (const [pattern, picks] of [
    ["q_proj", true],
    ["self_attn.q_proj", true],
    ["self.attn.q_proj", true], // a dot is any character
    ["_proj", false], // whole words
    ["k_proj", false],
    [name, true],
    ["model.layers.1.self_attn.q_proj", false],
    ["layers\\.1\\d\\.self_attn\\.[qkv]_proj", true],
    ["layers\\.[^1]0\\..*", false],
    ["layers\\.(?:9|10|11)\\.(self_attn|mlp)\\.\\w+", true],
    ["^model\\..*q_proj", true],
    ["^layers.10.self_attn.q_proj", false],
    [".*\\.10\\..*q_proj$", true],
    ["(model\\.)?layers.10.self_attn.q_proj", true],
    ["(x\\.)*q_pro+j", true],
    ["(\\w+\\.)+?q_proj", true],
    ["q_proj|", true], // an empty branch ends nothing
    ["", false],
  ] as const)
    test(`${pattern || "(empty)"}: ${picks}`, () => {
      assert.equal(modulePattern(pattern)(name), picks);
      // The host's own patterns agree, where they say what Python's do.
      assert.equal(new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(name), picks);
    });
  for (const pattern of [
    "(",
    ")",
    "[",
    "a{2}",
    "(?=x)",
    "(?P<x>a)",
    "\\1",
    "\\b",
    "[z-a]",
    "+",
    "((a+)+)+",
    "x".repeat(600),
  ])
    test(`${pattern.slice(0, 20)} is refused`, () =>
      assert.throws(() => modulePattern(pattern), /expected module names/));
  test("one that would take forever does not", () => {
    const started = performance.now();
    assert.equal(modulePattern(`${"(.|.)".repeat(60)}(.+)*!`)("a".repeat(200)), false);
    assert.equal(modulePattern("(\\w+\\w*)*!")("a".repeat(400)), false);
    assert.ok(performance.now() - started < 5000);
  });
});

describe("folders", () => {
  const gates = { dms_separate_alpha: true, dms_window_size: 4 };
  const alpha = `${AT}.self_attn.dms_proj_alpha`;
  const gateTensors = {
    [`${alpha}.weight`]: f32([1, 8], gaussians(8, 1)),
    [`${alpha}_norm.weight`]: f32([8], new Array(8).fill(1)),
  };
  const gateFiles: Files = { "config.json": gates, "model.safetensors": safetensors(gateTensors) };
  const name = `${Q}.weight`;
  const once = merged(headed(), name, [{ tensors: q(), scale: 2 }]);

  test("gates and a LoRA, in one folder and in two, in either order", async () => {
    for (const folders of [[{ ...gateFiles, ...adapter(q()) }], [gateFiles, adapter(q())], [adapter(q()), gateFiles]])
      await laid(model(headed(), untied), folders, async (session) => {
        assert.equal(session.config.dms?.window, 4);
        assert.ok(session.runner.model.weights.layers[0].alpha);
        near((await held(session)).get(name)!, once, name);
      });
  });
  test("the model's own config.json beside a LoRA tells of no gates", () =>
    laid(model(headed(), untied), [{ ...adapter(q()), "config.json": untied }], (session) =>
      assert.equal(session.config.dms, null),
    ));
  test("over a model that has gates", () =>
    laid(model({ ...headed(), ...gateTensors }, { ...untied, ...gates }), [adapter(q())], async (session) =>
      near((await held(session)).get(name)!, once, name),
    ));
  test("a file instead of its folder, and one path instead of a list", () =>
    withFolder(model(headed(), untied), (folder) =>
      withFolder({ ...gateFiles, ...adapter(q()) }, async (both) => {
        const file = `${both}/adapter_model.safetensors`;
        await using lora = await load({ model: folder, adapter: file, device: "reference" });
        assert.equal(lora.config.dms, null);
        near((await held(lora)).get(name)!, once, name);
        await using gated = await load({ model: folder, adapter: `${both}/model.safetensors`, device: "reference" });
        assert.equal(gated.config.dms?.window, 4);
        near((await held(gated)).get(name)!, Array.from(numbers(headed()[name])), name);
      }),
    ));
  test("gates of two folders", () => refused([gateFiles, { ...gateFiles }], /have DMS gates each/, "bad-argument"));
  test("gates whose tensors are not there", () =>
    refused(
      [{ ...adapter(q()), "config.json": gates }],
      /dms_\* keys: expected their gates in model\.safe/,
      "bad-file",
    ));
  test("no weights, pickled weights, no config", async () => {
    const { "adapter_config.json": config, "adapter_model.safetensors": weights } = adapter(q());
    await refused([{ "adapter_config.json": config }], /adapter_model\.safetensors, found none: was all/, "bad-file");
    const pickled = { "adapter_config.json": config, "adapter_model.bin": "PK" };
    await refused([pickled], /adapter_model\.bin is there: a PyTorch pickle/, "unsupported");
    await refused([{ "adapter_model.safetensors": weights }], /expected adapter_config\.json, found none/, "bad-file");
  });
  test("a module that target_modules names without tensors is a note", () =>
    laid(model(headed(), untied), [adapter(q(), { ...plain, target_modules: ["q_proj", "up_proj"] })], ({ notes }) =>
      assert.match(
        notes.join(),
        /target_modules names, but no tensors, stay as they are: model\.layers\.0\.mlp\.up_proj/,
      ),
    ));
  test("inspect tells of it", () =>
    withFolder(model(headed(), untied), (folder) =>
      withFolder(adapter(q()), async (lora) => {
        const facts = await inspect(folder, { adapter: [lora], freeBytes: 1 << 20 });
        const bytes = 4 * 3 * (8 + 8);
        assert.deepEqual(facts.loras, [{ path: lora, modules: { q_proj: 1 }, ranks: [3], scales: [2], bytes }]);
        assert.deepEqual(facts.notes, []);
        assert.equal(facts.tensors, Object.keys(headed()).length);
      }),
    ));
});

describe("what is no plain LoRA of this model is refused by name", () => {
  const { a, b } = loraNames(Q);
  const settings: [object, RegExp][] = [
    [{ peft_type: "IA3" }, /peft_type "IA3": expected "LORA".*merge_and_unload/],
    [{ peft_type: undefined }, /peft_type nothing/],
    [{ use_dora: true }, /use_dora true/],
    [{ bias: "lora_only" }, /bias "lora_only"/],
    [{ lora_bias: true }, /lora_bias true/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out true/],
    [{ modules_to_save: ["lm_head"] }, /modules_to_save \["lm_head"\]/],
    [{ layer_replication: [[0, 1]] }, /layer_replication \[\[0,1\]\]/],
    [{ use_qalora: true }, /use_qalora true.*no merged form/],
    [{ alora_invocation_tokens: [1, 2] }, /alora_invocation_tokens \[1,2\].*no merged form/],
    [{ use_bdlora: { nblocks: 2 } }, /use_bdlora/],
    [{ arrow_config: { top_k: 2 } }, /arrow_config/],
    [{ target_parameters: ["x"] }, /target_parameters \["x"\]/],
    [{ trainable_token_indices: [1] }, /trainable_token_indices \[1\]/],
    [{ init_lora_weights: "pissa_niter_4" }, /init_lora_weights "pissa_niter_4".*path_initial_model_for_weight/],
    [{ use_newness: true }, /use_newness true: a setting that is not known here/],
    [{ rank_pattern: { "(?=q)": 3 } }, /rank_pattern: pattern "\(\?=q\)", character 3/],
    [
      { alpha_pattern: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`x${i}+`, 1])) },
      /alpha_pattern: expected at most 64 regular expressions beside names, got 65/,
    ],
  ];
  for (const [change, message] of settings)
    test(Object.keys(change)[0], () => refused([adapter(q(), { ...plain, ...change })], message, "unsupported"));

  const values: [object, RegExp][] = [
    [{ r: 0 }, /adapter_config\.json: r: .*got 0/],
    [{ r: 1e9 }, /adapter_config\.json: r: .*got 1000000000/],
    [{ r: undefined }, /adapter_config\.json: r: .*got nothing/],
    [{ lora_alpha: "x" }, /lora_alpha: .*got "x"/],
    [{ rank_pattern: { q_proj: 1.5 } }, /rank_pattern\.q_proj: .*got 1\.5/],
    [{ r: 4 }, /q_proj\.lora_A\.weight \(expected shape \[4,8\], got \[3,8\]\)/],
    [{ rank_pattern: { q_proj: 2 } }, /q_proj\.lora_B\.weight \(expected shape \[8,2\], got \[8,3\]\)/],
    [{ lora_alpha: 1e300 }, /row \d, column \d: expected a number that float32 holds, got -?\d.*lora_alpha/],
  ];
  for (const [change, message] of values)
    test(JSON.stringify(change).slice(0, 40), () =>
      refused([adapter(q(), { ...plain, ...change })], message, "bad-model"),
    );

  const at = "base_model.model.model.layers.0.self_attn.q_proj";
  const whole = f32([16, 8], new Array(128).fill(1));
  const tensors: [string, Tensors, RegExp][] = [
    ["no A", { [b]: q()[b] }, /without its other half: .*lora_B\.weight/],
    ["nothing", {}, /expected tensors lora_A and lora_B .*found none/],
    ["a layer too many", pair("model.layers.1.mlp.up_proj", [12, 8]), /1 layers\); unknown: .*layers\.1\.mlp\.up_proj/],
    ["no such module", pair(`${AT}.self_attn.qkv_proj`, [12, 8]), /unknown: .*qkv_proj\.lora_A/],
    ["a norm", pair(`${AT}.input_layernorm.x`, [8, 8]), /unknown: .*input_layernorm/],
    ["a shape of another model", pair(Q, [8, 16]), /lora_A\.weight \(expected shape \[3,8\], got \[3,16\]\)/],
    [
      "two adapters",
      { ...q(), ...renamed(pair(modules[1], [4, 8]), ".weight", ".other.weight") },
      /several adapters, expected one: \(no name\), other/,
    ],
    ["two spellings", { ...q(), ...renamed(q(), "base_model.model.", "") }, /the same module twice: .* and /],
    ["a magnitude", { ...q(), [`${at}.lora_magnitude_vector`]: f32([8], new Array(8).fill(1)) }, /DoRA, which is not/],
    ["a bias of B", { ...q(), [`${at}.lora_B.bias`]: f32([8], new Array(8).fill(1)) }, /biases are not laid over/],
    ["a bias", { ...q(), [`${at}.bias`]: f32([8], new Array(8).fill(1)) }, /unknown: .*q_proj\.bias/],
    ["a whole head", { ...q(), "base_model.model.lm_head.weight": whole }, /not the model's own/],
    ["a trained module", { ...q(), [`${at}.modules_to_save.weight`]: whole }, /whole modules that were trained/],
    ["an embedding as a linear", pair("model.embed_tokens", [16, 8]), /unknown: .*embed_tokens\.lora_A/],
    [
      "gates among them",
      { ...q(), [`${AT}.self_attn.dms_proj_alpha.weight`]: f32([1, 8], new Array(8).fill(1)) },
      /gates belong in model\.safetensors/,
    ],
    [
      "whole numbers",
      { ...q(), [a]: { dtype: "I32", shape: [3, 8], data: new Uint8Array(96) } },
      /F16 or BF16, got I32/,
    ],
    [
      "a NaN",
      { ...q(), [b]: f32([8, 3], new Array(24).fill(Number.NaN)) },
      /lora_B\.weight, row 0.*finite number, got NaN/,
    ],
  ];
  for (const [what, own, message] of tensors) test(what, () => refused([adapter(own)], message, "bad-model"));

  test("what it was made for is told", () =>
    refused(
      [adapter(pair(Q, [8, 16]), { ...plain, base_model_name_or_path: "org/larger" })],
      /it was made for "org\/larger": is that this model\?$/,
      "bad-model",
    ));
  test("an embedding that is the head too, by either name", async () => {
    const embedding = { "base_model.model.model.embed_tokens.lora_embedding_A": f32([3, 16], new Array(48).fill(0)) };
    for (const own of [embedding, pair("lm_head", [16, 8])])
      await refused(
        [adapter(own)],
        /head is its embedding, of which PEFT changes one/,
        "unsupported",
        model(llamaTensors()),
      );
  });
  test("truncated, or no safetensors", async () => {
    const file = safetensors(q());
    for (const bytes of [file.slice(0, -10), file.slice(0, 50), "", "version https://git-lfs.github.com/spec/v1\n"])
      await refused(
        [{ ...adapter(q()), "adapter_model.safetensors": bytes }],
        /adapter_model\.safetensors: .*(truncated|0 bytes|Git LFS)/,
        "bad-file",
      );
    await refused([{ ...adapter(q()), "adapter_config.json": "{" }], /adapter_config\.json: expected JSON/, "bad-file");
  });
  test("more than the machine holds", () =>
    withFolder(model(headed(), untied), (folder) =>
      withFolder(adapter(q()), async (lora) => {
        const source = await openSource(folder);
        const { loras } = await openAdapters(lora);
        const config = await loadConfig(source);
        const bytes = 4 * Object.values(headed()).reduce((sum, { shape: [rows, cols = 1] }) => sum + rows * cols, 0);
        const attempt = (memory: number) => loadWeights(reference(), config, source, { weights: "f32", loras, memory });
        await assert.rejects(attempt(bytes + 4 * 48 - 1), /take 0\.0 GiB as f32 and their adapters 0\.0 GiB/);
        await attempt(bytes + 4 * 48);
      }),
    ));
  test("damage at random: a HyperthinkError, or an adapter that loads all the same", async () => {
    const file = safetensors(q());
    const text = JSON.stringify({ ...plain, rank_pattern: { "q_proj|x+": 3 } });
    let refusals = 0;
    for (let seed = 0; seed < 150; seed++) {
      const rng = seeded(seed);
      const files = adapter(q());
      if (seed % 2) {
        const bytes = file.slice();
        bytes[rng.below(400)] = rng.below(256);
        files["adapter_model.safetensors"] = bytes;
      } else {
        const letters = [...text];
        letters[rng.below(letters.length)] = String.fromCharCode(32 + rng.below(95));
        files["adapter_config.json"] = letters.join("");
      }
      await laid(model(headed(), untied), [files], () => {}).catch((error: unknown) => {
        assert.ok(error instanceof HyperthinkError, `seed ${seed}: ${(error as Error).stack}`);
        refusals++;
      });
    }
    assert.ok(refusals > 50, `${refusals} of 150 refused: too few to show anything`);
  });
});

function renamed(tensors: Tensors, from: string, to: string): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.replace(from, to), tensor]));
}

describe("what a LoRA may touch", () => {
  test("the seven matrices of a layer, and both ends where they are two", () => {
    for (const model_type of ["llama", "qwen2", "qwen3"]) {
      const config = { ...llamaConfig, model_type, num_hidden_layers: 2 };
      const tied = loraTargets(parseConfig(config));
      assert.equal(tied.size, 14);
      assert.deepEqual(tied.get("model.layers.1.mlp.down_proj")?.shape, [8, 12]);
      assert.equal(tied.get("model.layers.1.mlp.down_proj")?.names[0], "model.layers.1.mlp.down_proj.weight");
      const both = loraTargets(parseConfig({ ...config, tie_word_embeddings: false }));
      assert.deepEqual(
        [...both.keys()].filter((name) => !tied.has(name)),
        ["model.embed_tokens", "lm_head"],
      );
    }
  });
});
