// What people point the loader at that is no checkpoint: the error says what it is, and what to do.
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { verify } from "../../src/eval/verify.ts";
import { openSource } from "../../src/model/source.ts";
import { generate } from "../../src/request/generate.ts";
import { load } from "../../src/request/session.ts";
import { beadsFiles, llamaConfig, llamaTensors, safetensors, withFolder } from "../support/checkpoint.ts";

type Files = Parameters<typeof withFolder>[0];
const weights = safetensors(llamaTensors());
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 269060552\n`;

async function says(model: string, message: RegExp, options = {}): Promise<void> {
  await assert.rejects(load({ model, device: "reference", ...options }), (error: unknown) => {
    assert.ok(error instanceof HyperthinkError, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /[^\x20-\x7e]/);
    return true;
  });
}
const folderSays = (files: Files, message: RegExp) => withFolder(files, (folder) => says(folder, message));

describe("paths", () => {
  for (const [path, message] of [
    ["Qwen/Qwen3-0.6B", /no such folder.*`hf download Qwen\/Qwen3-0\.6B --local-dir Qwen3-0\.6B`/],
    ["~/models/qwen", /the shell has left ~ as it is/],
    ["file:///models/qwen", /expected a path, not a URL/],
    ["/nonexistent/model", /no such folder or file; expected a Hugging Face model folder/],
  ] as const)
    test(path, () => says(path, message));
  test("files that are no safetensors, and one of several shards", () =>
    withFolder(
      {
        "m.gguf": "GGUF",
        "pytorch_model.bin": "PK",
        "config.json": llamaConfig,
        "model-00001-of-00002.safetensors": weights,
      },
      async (folder) => {
        await says(`${folder}/m.gguf`, /GGUF, which is not read/);
        await says(`${folder}/pytorch_model.bin`, /PyTorch pickles.*save_pretrained/);
        await says(`${folder}/config.json`, /give the folder that it is in/);
        await says(`${folder}/model-00001-of-00002.safetensors`, /one of 2 shards; give the folder/);
      },
    ));
  test("a slash at the end, a link", () =>
    withFolder({ "config.json": llamaConfig, "model.safetensors": weights }, async (folder) => {
      await (await load({ model: `${folder}/`, device: "reference" })).close();
      symlinkSync(folder, `${folder}/link`);
      await (await load({ model: `${folder}/link`, device: "reference" })).close();
    }));
});

describe("folders without config.json", () => {
  const adapter = { "adapter_config.json": {}, "adapter_model.safetensors": weights };
  for (const [what, files, message] of [
    ["empty", {}, /expected config\.json, found none; the folder is empty/],
    ["something", { "README.md": "x" }, /found none; is it a Hugging Face model folder\?/],
    ["weights alone", { "model.safetensors": weights }, /found none; is it a Hugging Face model folder\?/],
    [
      "a PEFT adapter",
      adapter,
      /adapter_config\.json is there: a PEFT adapter, not a model: give its base model as --model, and this/,
    ],
    ["GGUF", { "m-Q4_K_M.gguf": "GGUF" }, /m-Q4_K_M\.gguf is there: GGUF, which is not read/],
    ["Meta's", { "consolidated.00.pth": "x", "params.json": {} }, /Meta's or Mistral's own format/],
  ] as const)
    test(what, () => folderSays(files as Files, message));
  test("one level too high", () =>
    withFolder({}, async (folder) => {
      mkdirSync(`${folder}/checkpoint-500`);
      writeFileSync(`${folder}/checkpoint-500/config.json`, JSON.stringify(llamaConfig));
      await says(folder, /its folder checkpoint-500 has a config\.json: give that one/);
    }));
  test("as --adapter", () =>
    withFolder({ "config.json": llamaConfig, "model.safetensors": weights }, (model) =>
      withFolder({ "README.md": "x" }, (folder) => says(model, /config\.json, found none/, { adapter: folder })),
    ));
});

describe("folders without weights", () => {
  for (const [name, message] of [
    ["pytorch_model.bin", /pytorch_model\.bin is there: PyTorch pickles.*save_pretrained/],
    ["pytorch_model-00001-of-00002.bin", /PyTorch pickles/],
    ["model.pth", /PyTorch pickles/],
    ["model.gguf", /GGUF/],
    ["adapter_model.safetensors", /a PEFT adapter/],
    ["consolidated.safetensors", /Meta's or Mistral's own format/],
    ["tf_model.h5", /another runtime/],
    ["model-00001-of-00002.safetensors", /a shard; without the index/],
    ["model.fp16.safetensors", /give the file instead of its folder/],
    ["training_args.bin", /found neither; is it a Hugging Face model folder\?/], // no weights
  ] as const)
    test(name, async () => {
      for (const tie_word_embeddings of [true, false])
        await folderSays({ "config.json": { ...llamaConfig, tie_word_embeddings }, [name]: "x" }, message);
    });
  test("shards that were not downloaded", () =>
    folderSays(
      {
        "config.json": llamaConfig,
        "model.safetensors.index.json": { weight_map: { a: "model-00001-of-00002.safetensors" } },
      },
      /model-00001-of-00002\.safetensors: expected a file, found nothing: was all of the model downloaded\?/,
    ));
});

describe("Git LFS pointers", () => {
  for (const name of ["model.safetensors", "config.json", "model.safetensors.index.json"])
    test(name, () => {
      const files: Files = { "config.json": llamaConfig, [name]: pointer };
      return folderSays(files, new RegExp(`${name.replaceAll(".", "\\.")}: a Git LFS pointer.*git lfs pull`));
    });
  test("tokenizer.json", () =>
    withFolder({ ...beadsFiles(), "tokenizer.json": pointer }, async (model) => {
      await using session = await load({ model, device: "reference" });
      assert.throws(() => session.tokenizer, /tokenizer\.json: a Git LFS pointer/);
    }));
  test("golden.json", () =>
    withFolder({ "golden.json": pointer }, (folder) =>
      assert.rejects(verify(folder), /golden\.json: a Git LFS pointer/),
    ));
});

describe("the hub's cache", () => {
  const cache = async (revisions: string[], main: string | null, work: (folder: string) => Promise<unknown>) =>
    withFolder({}, async (top) => {
      const folder = join(top, "models--x--y");
      mkdirSync(join(folder, "blobs"), { recursive: true });
      mkdirSync(join(folder, "refs"));
      if (main !== null) writeFileSync(join(folder, "refs/main"), main);
      writeFileSync(join(folder, "blobs/w"), weights);
      writeFileSync(join(folder, "blobs/c"), JSON.stringify(llamaConfig));
      for (const revision of revisions) {
        mkdirSync(join(folder, "snapshots", revision), { recursive: true });
        symlinkSync("../../blobs/w", join(folder, "snapshots", revision, "model.safetensors"));
        symlinkSync("../../blobs/c", join(folder, "snapshots", revision, "config.json"));
      }
      await work(folder);
    });
  test("its snapshot is taken: the only one, or that of refs/main", async () => {
    for (const [revisions, main] of [
      [["aa"], null],
      [["aa"], "gone"],
      [["aa", "bb"], "aa\n"],
    ] as const)
      await cache([...revisions], main, async (folder) => {
        assert.equal((await openSource(folder)).path, join(folder, "snapshots/aa"));
        await (await load({ model: folder, device: "reference" })).close();
        await (await load({ model: `${folder}/snapshots/aa`, device: "reference" })).close();
      });
  });
  test("several, and nobody says which", async () => {
    for (const main of [null, "cc", "../.."])
      await cache(["aa", "bb"], main, (folder) => says(folder, /got 2: give one of the folders in .*snapshots$/));
  });
});

describe("text files", () => {
  test("a byte order mark changes nothing", async () => {
    const plain = beadsFiles();
    const marked: Files = { ...plain };
    for (const [name, content] of Object.entries(plain))
      if (name.endsWith(".json"))
        marked[name] =
          `\ufeff${content instanceof Uint8Array ? new TextDecoder().decode(content) : JSON.stringify(content)}`;
    const answer = (files: Files) =>
      withFolder(files, async (model) => {
        await using session = await load({ model, device: "reference" });
        return (await generate(session, "A jug holds 7 beads.", { temperature: 0, maxTokens: 8 }).result).text;
      });
    assert.equal(await answer(marked), await answer(plain));
  });
  test("nor one in golden.json", () =>
    withFolder({ "golden.json": '\ufeff{"kind": "x"}' }, (folder) => assert.rejects(verify(folder), /has kind "x"/)));
  test("a fault in config.json is named by line and column, with nothing invisible", () =>
    folderSays(
      { "config.json": '{\n  "model_type": \u200b"llama"\n}' },
      /config\.json: expected JSON: line 2, column 17: Unexpected token '\\u\{200b\}'$/,
    ));
  test("UTF-16, either way round", async () => {
    const text = Buffer.from(`\ufeff${JSON.stringify(llamaConfig)}`, "utf16le");
    for (const bytes of [text, Buffer.from(text).swap16()])
      await folderSays({ "config.json": bytes }, /config\.json: UTF-16; expected UTF-8/);
  });
  test("invisible characters in a tensor's name", () =>
    folderSays(
      {
        "config.json": llamaConfig,
        "model.safetensors": safetensors({ "model.\u202eweight": llamaTensors()["model.norm.weight"] }),
      },
      /printable characters, got "model\.\\u\{202e\}weight"/,
    ));
});
