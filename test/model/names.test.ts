// Checkpoints whose tensors have other names, or are more than the decoder's: what
// loads, what is told, what is refused.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { inspect } from "../../src/model/inspect.ts";
import { generate } from "../../src/request/generate.ts";
import { load } from "../../src/request/session.ts";
import {
  beadsFiles,
  bf16,
  f32,
  llamaConfig,
  llamaTensors,
  safetensors,
  type Tensors,
  withFolder,
} from "../support/checkpoint.ts";

const program = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const EMBEDDING = "model.embed_tokens.weight";
const HEAD = "lm_head.weight";
const renamed = (tensors: Tensors, change: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [change(name), tensor]));
const llama = (tensors: Tensors, config: object = {}) => ({
  "config.json": { ...llamaConfig, ...config },
  "model.safetensors": safetensors(tensors),
});
type Files = Parameters<typeof withFolder>[0];

/** What a session of these files notes, and whether its head is its embedding. */
const loaded = (files: Files) =>
  withFolder(files, async (model) => {
    await using session = await load({ model, device: "reference" });
    const { embed, head } = session.runner.model.weights;
    return { notes: session.notes, tied: embed === head && session.config.tied };
  });
const refused = (files: Files, ...parts: (string | RegExp)[]) =>
  withFolder(files, (model) =>
    assert.rejects(load({ model, device: "reference" }), (error: unknown) => {
      assert.ok(error instanceof HyperthinkError, String(error));
      for (const part of parts)
        assert.ok(
          typeof part === "string" ? error.message.includes(part) : part.test(error.message),
          `${error.message}\nexpected: ${part}`,
        );
      return true;
    }),
  );

const QUESTION = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const answer = (files: Files) =>
  withFolder(files, async (model) => {
    await using session = await load({ model, device: "reference", weights: "f32", kv: "f32" });
    const { text } = await generate(session, QUESTION, { temperature: 0, maxTokens: 24 }).result;
    return { text, notes: session.notes };
  });

describe("what stands before the names", () => {
  test("a save of the base model answers as the model does", async () => {
    const { text, notes } = await answer(beadsFiles((all) => renamed(all, (name) => name.replace(/^model\./, ""))));
    assert.ok(text.length > 10);
    assert.equal(text, (await answer(beadsFiles())).text);
    assert.deepEqual(notes, []);
  });
  const untied = () => ({ ...llamaTensors(), [HEAD]: f32([16, 8], new Array(128).fill(1)) });
  for (const [what, decoder, head] of [
    ["base model", "", "lm_head."],
    ["two models", "model.model.", "model.lm_head."],
    ["transformer", "transformer.", "lm_head."],
    ["PEFT", "base_model.model.model.", "base_model.model.lm_head."],
    ["data parallel", "module.model.", "module.lm_head."],
    ["torch.compile", "_orig_mod.model.", "_orig_mod.lm_head."],
    ["data parallel of torch.compile", "module._orig_mod.model.", "module._orig_mod.lm_head."],
    ["a model that sees", "language_model.model.", "language_model.lm_head."],
    ["a model that sees, newer", "model.language_model.", "lm_head."],
    ["a value head's model", "pretrained_model.model.", "pretrained_model.lm_head."],
  ])
    test(`${what}: ${decoder || "nothing"}`, async () => {
      const change = (name: string) => name.replace(/^model\./, decoder).replace(/^lm_head\./, head);
      assert.deepEqual(await loaded(llama(renamed(llamaTensors(), change))), { notes: [], tied: true });
      const own = llama(renamed(untied(), change), { tie_word_embeddings: false });
      assert.deepEqual(await loaded(own), { notes: [], tied: false });
      // A tensor of the decoder that nobody knows is refused under every name.
      const more = { ...renamed(llamaTensors(), change), [`${decoder}layers.0.extra`]: f32([1], [0]) };
      await refused(llama(more), `unknown: ${decoder}layers.0.extra`);
      const less = renamed(llamaTensors(), change);
      delete less[`${decoder}norm.weight`];
      await refused(llama(less), "missing: model.norm.weight");
    });
  test("gates, within a model and as an adapter", async () => {
    const at = "model.layers.0.self_attn.dms_proj_alpha";
    for (const suffix of [".weight", ""]) {
      const gates = {
        [`${at}${suffix}`]: f32([1, 8], new Array(8).fill(0)),
        [`${at}_norm${suffix}`]: f32([8], new Array(8).fill(1)),
      };
      const config = { dms_separate_alpha: true, dms_window_size: 4 };
      const bare = (tensors: Tensors) => renamed(tensors, (name) => name.replace(/^model\./, ""));
      await loaded(llama(bare({ ...llamaTensors(), ...gates }), config));
      for (const mine of [llamaTensors(), bare(llamaTensors())])
        for (const theirs of [gates, bare(gates), renamed(gates, (name) => `base_model.${name}`)])
          await withFolder(llama(mine), (model) =>
            withFolder({ "config.json": config, "model.safetensors": safetensors(theirs) }, async (adapter) => {
              await using session = await load({ model, adapter, device: "reference" });
              assert.ok(session.runner.model.weights.layers[0].alpha);
            }),
          );
    }
  });
  test("two decoders are refused", () =>
    refused(
      llama({ ...llamaTensors(), "draft.embed_tokens.weight": f32([16, 8], new Array(128).fill(0)) }),
      `the tensors are of several models (${EMBEDDING}, draft.embed_tokens.weight)`,
    ));
});

describe("heads", () => {
  const other = f32(
    [16, 8],
    Array.from({ length: 128 }, (_, i) => i % 7),
  );
  test("tied, and there all the same: used, with a note", async () => {
    const { notes, tied } = await loaded(llama({ ...llamaTensors(), [HEAD]: other }));
    assert.equal(tied, false);
    assert.match(
      notes.join(),
      /tie_word_embeddings true, and lm_head\.weight is not the embedding: lm_head\.weight is used/,
    );
  });
  test("it answers as the same checkpoint with tie_word_embeddings false does", async () => {
    const turned = (all: Tensors) => {
      const { dtype, shape, data } = all[EMBEDDING];
      const row = data.length / shape[0];
      const head = new Uint8Array(data.length); // each row is its neighbour's: other tokens are drawn
      head.set(data.subarray(row));
      head.set(data.subarray(0, row), data.length - row);
      return { ...all, [HEAD]: { dtype, shape, data: head } };
    };
    const tied = await answer(beadsFiles(turned, { tie_word_embeddings: true }));
    const untied = await answer(beadsFiles(turned, { tie_word_embeddings: false }));
    assert.equal(tied.text, untied.text);
    assert.deepEqual(untied.notes, []);
    assert.notEqual(tied.text, (await answer(beadsFiles())).text);
  });
  test("differences in the last byte, and beyond one block, are seen", async () => {
    const [V, H] = [1 << 17, 8]; // 4 MiB of float32: four blocks
    const embedding = f32([V, H], new Float32Array(V * H));
    const config = { vocab_size: V };
    for (const at of [0, (3 << 20) - 1, (4 << 20) - 1]) {
      const data = embedding.data.slice();
      data[at] = 1;
      const { tied } = await loaded(
        llama({ ...llamaTensors(), [EMBEDDING]: embedding, [HEAD]: { ...embedding, data } }, config),
      );
      assert.equal(tied, false, `byte ${at}`);
    }
    const same = await loaded(llama({ ...llamaTensors(), [EMBEDDING]: embedding, [HEAD]: embedding }, config));
    assert.deepEqual(same, { notes: [], tied: true });
  });
  test("of another type or size it is another head", async () => {
    const half = llamaTensors(bf16)[EMBEDDING];
    assert.equal((await loaded(llama({ ...llamaTensors(), [HEAD]: half }))).tied, false);
    await refused(
      llama({ ...llamaTensors(), [HEAD]: f32([8, 8], new Array(64).fill(0)) }),
      "lm_head.weight (expected shape [16,8]",
    );
  });
  test("a tied embedding that was saved as the head alone", async () => {
    const { [EMBEDDING]: embedding, ...rest } = llamaTensors();
    assert.deepEqual(await loaded(llama({ ...rest, [HEAD]: embedding })), { notes: [], tied: true });
  });
  test("in another shard", () =>
    withFolder(
      {
        "config.json": llamaConfig,
        "a.safetensors": safetensors(llamaTensors()),
        "b.safetensors": safetensors({ [HEAD]: other }),
        "model.safetensors.index.json": { weight_map: { a: "a.safetensors", b: "b.safetensors" } },
      },
      async (model) => {
        await using session = await load({ model, device: "reference" });
        assert.equal(session.config.tied, false);
      },
    ));
  test("none, where none is tied: a base model", async () => {
    for (const config of [{ tie_word_embeddings: false }, { tie_word_embeddings: undefined }])
      await refused(
        llama(llamaTensors(), config),
        "missing: lm_head.weight",
        "a base model without a head",
        "tie_word_embeddings to true",
      );
  });
  test("inspect counts a head that is used, and notes it", () =>
    withFolder(llama({ ...llamaTensors(), [HEAD]: other }), async (folder) => {
      const facts = await inspect(folder, { freeBytes: 1 << 30 });
      const all = Object.values({ ...llamaTensors(), [HEAD]: other }).reduce((sum, { data }) => sum + data.length, 0);
      assert.equal(facts.weightBytes, all);
      assert.equal(facts.config.tied, false);
      assert.equal(facts.notes.length, 1);
    }));
});

test("the program prints notes on standard error, once; inspect with the facts", () =>
  withFolder(
    beadsFiles((all) => ({ ...all, [HEAD]: all[EMBEDDING], "v_head.weight": f32([1], [0]) })),
    async (model) => {
      const run = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
      const { status, stderr } = run("generate", "-m", model, "--max-tokens", "2", "hi");
      assert.equal(status, 0, stderr);
      assert.equal(stderr.match(/^note: .*left out: v_head\.weight$/gm)?.length, 1);
      assert.match(run("inspect", model).stdout, /^ {2}note: .*left out: v_head\.weight$/m);
    },
  ));

describe("more tensors than the decoder's", () => {
  const one = f32([1], [0]);
  test("what a language model does not use is left out, with a note that names it", async () => {
    for (const name of [
      "v_head.summary.weight",
      "model.vision_tower.layers.0.input_layernorm.bias",
      "visual.blocks.0.norm1.weight",
    ]) {
      const { notes } = await loaded(llama({ ...llamaTensors(), [name]: one }));
      assert.deepEqual(notes, [`tensors that a language model does not use were left out: ${name}`]);
    }
  });
  test("tables of positions are left out without a word", async () => {
    for (const name of [
      "model.rotary_emb.inv_freq",
      "rotary_emb.inv_freq",
      "model.layers.0.self_attn.rotary_emb.cos_cached",
    ])
      assert.deepEqual((await loaded(llama({ ...llamaTensors(), [name]: one }))).notes, []);
  });
  for (const [name, advice] of [
    ["base_model.model.layers.0.self_attn.q_proj.lora_A.default.weight", /LoRA tensors that were not merged/],
    ["model.layers.0.self_attn.q_proj.base_layer.weight", /LoRA/],
    ["model.layers.0.self_attn.q_proj.qweight", /quantised weights/],
    ["model.layers.0.mlp.up_proj.weight_scale_inv", /quantised weights/],
    ["model.layers.0.self_attn.dms_proj_alpha.weight", /gates of DMS: config\.json must have dms_separate_alpha true/],
    ["score.weight", /a classifier's or reward model's head/],
    ["model.layers.0.mlp.experts.0.up_proj.weight", /mixture of experts/],
    ["model.layers.0.self_attn.qkv_proj.weight", /fused/],
    ["model.layers.0.v_head.weight", /unknown: model\.layers\.0\.v_head\.weight$/], // in a layer it may be part of it
    ["lm_head.bias", /unknown: lm_head\.bias$/],
    ["model.layers.1.mlp.up_proj.weight", /unknown: model\.layers\.1\.mlp\.up_proj\.weight$/],
  ] as const)
    test(name, async () => {
      const files = llama({ ...llamaTensors(), [name]: one });
      await refused(files, `unknown: ${name}`, advice);
      const { notes } = await withFolder(files, (folder) => inspect(folder, { freeBytes: 1 << 30 }));
      assert.match(notes.join(), /^it does not load: .*unknown/);
    });
  test("a classifier that lacks the head", () =>
    refused(
      llama({ ...llamaTensors(), "score.weight": one }, { tie_word_embeddings: false }),
      "missing: lm_head.weight",
      /writes no text$/,
    ));
});
