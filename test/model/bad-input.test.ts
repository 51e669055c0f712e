// Damaged and hostile checkpoints: one HyperthinkError each, which names what is wrong.
// Nothing crashes, hangs or allocates first.
import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import { generate } from "../../src/request/generate.ts";
import { load } from "../../src/request/session.ts";
import { bf16, f32, llamaConfig, llamaTensors, safetensors, type Tensors, withFolder } from "../support/checkpoint.ts";

type Files = Record<string, string | Uint8Array | object>;

async function refuses(files: Files, message: RegExp, code?: string, adapter?: Files): Promise<void> {
  await withFolder(files, async (model) => {
    const attempt = async (folder?: string) => {
      await using session = await load({ model, adapter: folder, device: "reference" });
      return session;
    };
    await assert.rejects(adapter ? withFolder(adapter, attempt) : attempt(), (error: unknown) => {
      assert.ok(
        error instanceof HyperthinkError,
        `expected a HyperthinkError, got ${error instanceof Error ? error.stack : error}`,
      );
      assert.match(error.message, message);
      if (code) assert.equal(error.code, code);
      return true;
    });
  });
}

const good = (): Files => ({ "config.json": llamaConfig, "model.safetensors": safetensors(llamaTensors()) });
const withConfig = (change: object): Files => ({ ...good(), "config.json": { ...llamaConfig, ...change } });
const withTensors = (change: (tensors: Tensors) => void, edit?: (header: Record<string, never>) => void): Files => {
  const tensors = llamaTensors();
  change(tensors);
  return { "config.json": llamaConfig, "model.safetensors": safetensors(tensors, edit) };
};
const Q = "model.layers.0.self_attn.q_proj.weight";

test("the undamaged checkpoint loads", () =>
  withFolder(good(), async (model) => {
    await using session = await load({ model, device: "reference" });
    assert.equal(session.config.layers, 1);
    assert.throws(() => session.tokenizer, /tokenizer\.json/);
  }));

describe("safetensors", () => {
  test("no such folder", () => assert.rejects(load({ model: "/nonexistent/model" }), /no such folder/));
  test("empty file", () =>
    refuses({ ...good(), "model.safetensors": "" }, /expected a safetensors file, got 0 bytes/, "bad-file"));
  test("truncated data", () =>
    refuses({ ...good(), "model.safetensors": safetensors(llamaTensors()).slice(0, -10) }, /truncated/, "bad-file"));
  test("truncated header", () =>
    refuses({ ...good(), "model.safetensors": safetensors(llamaTensors()).slice(0, 100) }, /truncated/, "bad-file"));
  test("a header of 2^60 bytes", () => {
    const file = safetensors(llamaTensors());
    new DataView(file.buffer).setBigUint64(0, 1n << 60n, true);
    return refuses({ ...good(), "model.safetensors": file }, /claims 1152921504606846976 bytes/, "bad-file");
  });
  test("a header that is not JSON", () => {
    const file = safetensors(llamaTensors());
    file[8] = 0x7a;
    return refuses(
      { ...good(), "model.safetensors": file },
      /its header: expected JSON: line 1, column 1: /,
      "bad-file",
    );
  });
  const lie = (change: object) => (header: Record<string, never>) => Object.assign(header[Q], change);
  const offsets = (header: Record<string, never>) => (header[Q] as { data_offsets: number[] }).data_offsets;
  test("offsets past the end", () =>
    refuses(
      withTensors(
        () => {},
        (h) => lie({ data_offsets: offsets(h).map((n) => n + 1e6) })(h),
      ),
      /q_proj.*truncated, or its header lies/,
      "bad-file",
    ));
  test("negative offsets", () =>
    refuses(
      withTensors(() => {}, lie({ data_offsets: [-256, 0] })),
      /q_proj.*data_offsets/,
      "bad-file",
    ));
  test("overlapping tensors", () =>
    refuses(
      withTensors(
        () => {},
        (h) => lie({ data_offsets: offsets(h).map((n) => n - 64) })(h),
      ),
      /overlap/,
      "bad-file",
    ));
  test("a shape of 2^60", () =>
    refuses(
      withTensors(() => {}, lie({ shape: [2 ** 30, 2 ** 30] })),
      /q_proj.*takes 4611686018427387904 bytes/,
      "bad-file",
    ));
  test("a shape that does not fit its bytes", () =>
    refuses(
      withTensors(() => {}, lie({ shape: [8, 9] })),
      /q_proj.*shape \[8,9\]/,
      "bad-file",
    ));
  test("an unknown dtype", () =>
    refuses(
      withTensors(() => {}, lie({ dtype: "Q4" })),
      /q_proj.*dtype/,
      "bad-file",
    ));
  test("integer weights", () =>
    refuses(
      withTensors(() => {}, lie({ dtype: "I32" })),
      /q_proj.*got I32/,
      "bad-model",
    ));
  test("a missing tensor", () =>
    refuses(
      withTensors((t) => delete t[Q]),
      /missing: model\.layers\.0\.self_attn\.q_proj\.weight/,
      "bad-model",
    ));
  test("an unknown tensor", () =>
    refuses(
      withTensors((t) => Object.assign(t, { "model.layers.0.extra": f32([1], [0]) })),
      /unknown: model\.layers\.0\.extra/,
      "bad-model",
    ));
  test("a wrong shape", () =>
    refuses(
      withTensors((t) => Object.assign(t, { [Q]: f32([4, 8], new Array(32).fill(0)) })),
      /q_proj.*expected shape \[8,8\].*got \[4,8\]/,
      "bad-model",
    ));
  describe("a number that is none, by tensor and place", () => {
    const half = (shape: number[], values: ArrayLike<number>) => ({
      dtype: "F16",
      shape,
      data: new Uint8Array(Float16Array.from(values).buffer),
    });
    for (const [dtype, make] of Object.entries({ F32: f32, BF16: bf16, F16: half }))
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
        test(`${value} as ${dtype}`, async () => {
          const files = (name: string, shape: number[], at: number) =>
            withTensors((tensors) => {
              const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5);
              values[at] = value;
              tensors[name] = make(shape, values);
            });
          const told = `expected a finite number, got ${value}: the checkpoint is damaged`;
          await refuses(files(Q, [8, 8], 29), new RegExp(`^tensor ${Q}, row 3, column 5: ${told}`), "bad-model");
          const last = files("model.norm.weight", [8], 7);
          await refuses(last, /^tensor model\.norm\.weight, row 7, column 0: expected/, "bad-model");
        });
    test("what overflowed when it was saved as F16", () =>
      refuses(
        withTensors((tensors) => {
          tensors[Q] = half([8, 8], new Float32Array(64).fill(70000));
        }),
        /do not fit into float16; get it again, or as BF16 or F32$/,
        "bad-model",
      ));
  });
  test("an index that leaves the folder", () =>
    refuses(
      { "config.json": llamaConfig, "model.safetensors.index.json": { weight_map: { a: "../../etc/passwd" } } },
      /in this folder, got "\.\.\/\.\.\/etc\/passwd"/,
      "bad-file",
    ));
  test("a tensor in two shards", () =>
    refuses(
      {
        "config.json": llamaConfig,
        "a.safetensors": safetensors(llamaTensors()),
        "b.safetensors": safetensors(llamaTensors()),
        "model.safetensors.index.json": { weight_map: { x: "a.safetensors", y: "b.safetensors" } },
      },
      /stands in another file too/,
      "bad-file",
    ));
  test("an index of no files, and of a file that is not there", async () => {
    const index = (weight_map: object) => ({
      "config.json": llamaConfig,
      "model.safetensors.index.json": { weight_map },
    });
    await refuses(index({}), /names 0 files; expected 1 to 10000/, "bad-file");
    await refuses(index({ a: "gone.safetensors" }), /gone\.safetensors: expected a file, found nothing/, "bad-file");
  });
  test("a name that would move the cursor, and one without end", async () => {
    const extra = (name: string) => withTensors((t) => Object.assign(t, { [name]: f32([1], [0]) }));
    await refuses(extra("\u001b[2J"), /printable characters, got "\\u001b\[2J"/, "bad-file");
    await refuses(extra("x".repeat(1e6)), /got "x{79}\.\.\. \(1000002 characters\)/, "bad-file");
  });
  test("no weights", () => refuses({ "config.json": llamaConfig }, /expected model\.safetensors or/, "bad-file"));
  test("rotary buffers and a tied head are ignored", () =>
    withFolder(
      withTensors((t) =>
        Object.assign(t, {
          "model.layers.0.self_attn.rotary_emb.inv_freq": f32([2], [1, 2]),
          "lm_head.weight": t["model.embed_tokens.weight"],
        }),
      ),
      async (model) => {
        await using session = await load({ model, device: "reference" });
        assert.deepEqual(session.notes, []);
        const { embed, head } = session.runner.model.weights;
        assert.equal(head, embed);
      },
    ));
});

describe("config.json", () => {
  test("missing", () =>
    refuses({ "model.safetensors": safetensors(llamaTensors()) }, /expected config\.json, found none/, "bad-file"));
  test("not JSON", () => refuses({ ...good(), "config.json": "{" }, /expected JSON/, "bad-file"));
  test("not an object", async () => {
    for (const text of ["null", "7", '"x"'])
      await refuses({ ...good(), "config.json": text }, new RegExp(`expected a JSON object, got ${text}`), "bad-file");
  });
  test("unknown architecture", () => refuses(withConfig({ model_type: "gpt2" }), /architecture "gpt2"/, "unsupported"));
  for (const [change, message] of [
    [{ num_attention_heads: 0 }, /num_attention_heads/],
    [{ num_key_value_heads: 3 }, /multiple of num_key_value_heads \(3\)/],
    [{ hidden_size: 1e12 }, /hidden_size/],
    [{ num_hidden_layers: -1 }, /num_hidden_layers/],
    [{ vocab_size: "NaN" }, /vocab_size.*got "NaN"/],
    [{ vocab_size: 1.5 }, /vocab_size/],
    [{ rms_norm_eps: -1 }, /rms_norm_eps/],
    [{ head_dim: 5 }, /head_dim must be even/],
    [{ rope_theta: 0 }, /rope_theta/],
    [{ eos_token_id: -3 }, /eos_token_id/],
    [{ dms_window_size: -1 }, /dms_window_size/],
    [{ dms_alpha_per: "token" }, /dms_alpha_per/],
    [{ dms_cr: 0 }, /dms_cr/],
  ] as const)
    test(JSON.stringify(change), () => refuses(withConfig(change), message, "bad-model"));
  for (const [change, message] of [
    [{ rope_scaling: { type: "yarn", factor: 4 } }, /RoPE type "yarn"/],
    [{ rope_parameters: { rope_type: "longrope" } }, /RoPE type "longrope"/],
    [{ hidden_act: "gelu" }, /hidden_act "gelu"/],
    [{ layer_types: ["sliding_attention"] }, /sliding_attention/],
    [{ use_sliding_window: true, sliding_window: 8 }, /sliding-window/],
  ] as const)
    test(JSON.stringify(change), () => refuses(withConfig(change), message, "unsupported"));
  test("sizes beyond all memory are a wrong shape, found before anything is allocated", () =>
    refuses(
      withConfig({ vocab_size: 1 << 22, hidden_size: 1 << 17 }),
      /expected shape \[4194304,131072\].*got \[16,8\]/,
      "bad-model",
    ));
  test("sizes beyond this machine in a file that does have them", async () => {
    const [V, H] = [1 << 22, 1 << 15]; // 256 GiB of bf16 in a file without blocks
    const zeros = (...shape: number[]) => ({ dtype: "BF16", shape, data: new Uint8Array(0) });
    const at = "model.layers.0";
    const tensors = {
      "model.embed_tokens.weight": zeros(V, H),
      "model.norm.weight": zeros(H),
      [`${at}.input_layernorm.weight`]: zeros(H),
      [`${at}.post_attention_layernorm.weight`]: zeros(H),
      [`${at}.self_attn.q_proj.weight`]: zeros(8, H),
      [`${at}.self_attn.k_proj.weight`]: zeros(4, H),
      [`${at}.self_attn.v_proj.weight`]: zeros(4, H),
      [`${at}.self_attn.o_proj.weight`]: zeros(H, 8),
      [`${at}.mlp.gate_proj.weight`]: zeros(12, H),
      [`${at}.mlp.up_proj.weight`]: zeros(12, H),
      [`${at}.mlp.down_proj.weight`]: zeros(H, 12),
    };
    let bytes = 0;
    const file = safetensors(tensors, (header: Record<string, { shape: number[]; data_offsets: number[] }>) => {
      for (const entry of Object.values(header)) {
        const from = bytes;
        bytes += entry.shape.reduce((a, b) => a * b, 2);
        entry.data_offsets = [from, bytes];
      }
    });
    const config = { ...llamaConfig, vocab_size: V, hidden_size: H, head_dim: 4 };
    await withFolder({ "config.json": config, "model.safetensors": file }, async (model) => {
      truncateSync(`${model}/model.safetensors`, file.length + bytes);
      await assert.rejects(load({ model, device: "reference" }), (error: unknown) => {
        assert.ok(error instanceof HyperthinkError && error.code === "no-memory", String(error));
        assert.match(error.message, /the weights take 256\.0 GiB as bf16, this machine has/);
        return true;
      });
    });
  });
  test("values from a file are shown short and without control characters", async () => {
    for (const key of ["hidden_act", "model_type"])
      await refuses(withConfig({ [key]: `\u001b[2J${"x".repeat(1e5)}` }), /^.{1,300}$/);
    await refuses(withConfig({ hidden_act: "\u001b[2J" }), /hidden_act "\\u001b\[2J": expected silu/, "unsupported");
  });
});

describe("adapters", () => {
  const gates = { dms_separate_alpha: true, dms_window_size: 4 };
  const alpha = "model.layers.0.self_attn.dms_proj_alpha";
  const tensors = {
    [`${alpha}.weight`]: f32([1, 8], new Array(8).fill(0)),
    [`${alpha}_norm.weight`]: f32([8], new Array(8).fill(1)),
  };
  test("laid over a model", () =>
    withFolder(good(), (model) =>
      withFolder({ "config.json": gates, "model.safetensors": safetensors(tensors) }, async (adapter) => {
        await using session = await load({ model, adapter, device: "reference" });
        assert.equal(session.config.dms?.window, 4);
      }),
    ));
  test("without .weight in the names", () =>
    withFolder(good(), (model) =>
      withFolder(
        {
          "config.json": gates,
          "model.safetensors": safetensors({
            [alpha]: tensors[`${alpha}.weight`],
            [`${alpha}_norm`]: tensors[`${alpha}_norm.weight`],
          }),
        },
        async (adapter) => (await load({ model, adapter, device: "reference" })).close(),
      ),
    ));
  test("no dms keys", () =>
    refuses(good(), /expected dms_\* keys/, "bad-model", {
      "config.json": {},
      "model.safetensors": safetensors(tensors),
    }));
  test("a wrong shape", () =>
    refuses(
      good(),
      /its gates do not fit .*: expected gates that were trained for this model.*expected shape \[1,8\]/,
      "bad-model",
      {
        "config.json": gates,
        "model.safetensors": safetensors({ ...tensors, [`${alpha}.weight`]: f32([2, 8], new Array(16).fill(0)) }),
      },
    ));
  test("gates of a deeper model", () =>
    refuses(
      good(),
      /its gates do not fit .*unknown: model\.layers\.9\.self_attn\.dms_proj_alpha\.weight/,
      "bad-model",
      {
        "config.json": gates,
        "model.safetensors": safetensors({
          ...tensors,
          "model.layers.9.self_attn.dms_proj_alpha.weight": f32([1, 8], new Array(8).fill(0)),
        }),
      },
    ));
  test("are not blamed for the model's own faults", () => {
    const { "model.norm.weight": _, ...rest } = llamaTensors();
    const model = { ...good(), "model.safetensors": safetensors(rest) };
    return refuses(model, /^(?!.*its gates).*do not fit config\.json.*missing: model\.norm\.weight/, "bad-model", {
      "config.json": gates,
      "model.safetensors": safetensors(tensors),
    });
  });
  test("over a model with gates", () =>
    refuses(
      {
        "config.json": { ...llamaConfig, ...gates },
        "model.safetensors": safetensors({ ...llamaTensors(), ...tensors }),
      },
      /has DMS gates of its own/,
      "bad-model",
      { "config.json": gates, "model.safetensors": safetensors(tensors) },
    ));
});

const tokenizerJson = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 } as unknown, merges: ["a b"] as unknown },
};

describe("tokenizers", () => {
  const { model } = tokenizerJson;
  const cases: [string, string | object, RegExp][] = [
    ["empty", "", /expected JSON/],
    ["cut short", JSON.stringify(tokenizerJson).slice(0, -40), /expected JSON/],
    ["null", "null", /expected a JSON object, got null/],
    ["a list", "[]", /not a tokenizer/],
    ["not a tokenizer", "{}", /"model"/],
    ["ids that are no numbers", { ...tokenizerJson, model: { ...model, vocab: { a: "x" } } }, /has id "x"; expected/],
    ["negative ids", { ...tokenizerJson, model: { ...model, vocab: { a: -4 } } }, /has id -4; expected/],
    ["ids beyond reason", { ...tokenizerJson, model: { ...model, vocab: { a: 2 ** 52 } } }, /expected a whole number/],
    ["no ids", { ...tokenizerJson, added_tokens: [{ content: "x", special: true }] }, /has id nothing; expected/],
    ["no tokens", { ...tokenizerJson, model: { ...model, vocab: {}, merges: [] } }, /it has no tokens/],
    ["a kind that is not known", { ...tokenizerJson, model: { ...model, type: "Foo" } }, /type "Foo"; expected BPE/],
    ["a number for a vocabulary", { ...tokenizerJson, model: { ...model, vocab: 7 } }, /not a tokenizer/],
    ["merges that are none", { ...tokenizerJson, model: { ...model, merges: [7] } }, /not a tokenizer/],
    ["an unknown step", { ...tokenizerJson, pre_tokenizer: { type: "Nope" } }, /Nope/],
    [
      "a broken pattern",
      { ...tokenizerJson, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
      /not a tokenizer/,
    ],
  ];
  for (const [name, content, message] of cases)
    test(name, () =>
      withFolder({ ...good(), "tokenizer.json": content }, async (folder) => {
        await using session = await load({ model: folder, device: "reference" });
        assert.throws(
          () => session.tokenizer,
          (error: unknown) => {
            assert.ok(error instanceof HyperthinkError && error.code === "bad-file");
            assert.match(error.message, /tokenizer\.json/);
            assert.match(error.message, message);
            return true;
          },
        );
      }),
    );

  test("more tokens than the model has: it loads, and refuses the prompts that need them", () => {
    const larger = { ...tokenizerJson, model: { ...model, vocab: { a: 0, b: 1, ab: 20 } } };
    return withFolder({ ...good(), "tokenizer.json": larger }, async (folder) => {
      await using session = await load({ model: folder, device: "reference" });
      assert.equal((await generate(session, { raw: "aa" }, { maxTokens: 2 }).result).prompt.tokens, 2);
      await assert.rejects(generate(session, { raw: "ab" }).result, (error: unknown) => {
        assert.ok(error instanceof HyperthinkError && error.code === "bad-argument");
        assert.match(error.message, /token id 20 in the prompt: expected 0 to 15/);
        return true;
      });
    });
  });

  test("fewer tokens than the model has: the rest decode to nothing, whatever the decoder", async () => {
    const strip = {
      type: "Sequence",
      decoders: [{ type: "Replace", pattern: { String: "_" }, content: " " }, { type: "Fuse" }],
    };
    for (const decoder of [tokenizerJson.decoder, strip])
      await withFolder(
        { "tokenizer.json": { ...tokenizerJson, decoder, model: { ...model, vocab: { a: 0, b: 1, ab: 5 } } } },
        async (folder) => {
          const { decode, has, size } = await loadTokenizer(await openSource(folder));
          assert.equal(decode([0, 3, 5, 9, 1]), "aabb");
          assert.equal(decode([3, 9]), "");
          assert.deepEqual([size, has(5), has(4), has(6)], [6, true, false, false]);
        },
      );
  });
});

describe("damage at random: a HyperthinkError, or a checkpoint that loads all the same", () => {
  const file = safetensors(llamaTensors());
  const header = Number(new DataView(file.buffer).getBigUint64(0, true));
  const damage = {
    "header bytes": (rng: ReturnType<typeof seeded>) => {
      const bytes = file.slice();
      for (let i = rng.below(3); i >= 0; i--) bytes[8 + rng.below(header)] = 32 + rng.below(95);
      return { ...good(), "model.safetensors": bytes };
    },
    "header length": (rng: ReturnType<typeof seeded>) => {
      const bytes = file.slice();
      bytes[rng.below(8)] = rng.below(256);
      return { ...good(), "model.safetensors": bytes };
    },
    "a cut": (rng: ReturnType<typeof seeded>) => ({
      ...good(),
      "model.safetensors": file.slice(0, rng.below(file.length)),
    }),
    "config.json": (rng: ReturnType<typeof seeded>) => {
      const text = [...JSON.stringify(llamaConfig)];
      text[rng.below(text.length)] = String.fromCharCode(32 + rng.below(95));
      return { ...good(), "config.json": text.join("") };
    },
  };
  for (const [what, make] of Object.entries(damage))
    test(what, async () => {
      let refused = 0;
      for (let seed = 0; seed < 150; seed++)
        await withFolder(make(seeded(seed)), async (model) => {
          try {
            await (await load({ model, device: "reference" })).close();
          } catch (error) {
            assert.ok(error instanceof HyperthinkError, `seed ${seed}: ${(error as Error).stack}`);
            refused++;
          }
        });
      assert.ok(refused > 50, `${refused} of 150 refused: too few to show anything`);
    });
});

test("bf16 checkpoints load into either type", () =>
  withFolder({ "config.json": llamaConfig, "model.safetensors": safetensors(llamaTensors(bf16)) }, async (model) => {
    for (const weights of ["f32", "bf16", undefined] as const) {
      await using session = await load({ model, weights, device: "reference" });
      assert.equal(session.runner.model.weights.embed.format, weights ?? "bf16");
    }
  }));
