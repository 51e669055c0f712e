// Tokenizers against ids by other programs: llama.cpp's vectors for three vocabularies, transformers' for two models.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const SEPARATOR = "\n__ggml_vocab_test__\n";
for (const [vectors, tokenizer] of [
  ["qwen2", "qwen3"],
  ["deepseek-r1-qwen", "deepseek-r1-distill-qwen"],
  ["llama-bpe", "llama-3.1"],
]) {
  const folder = at(`../shared/data/tokenizers/${tokenizer}`);
  const file = at(`../shared/data/tokenizer-vectors/ggml-vocab-${vectors}.gguf`);
  test(`${tokenizer}: 46 texts`, async (t) => {
    if (!existsSync(folder) || !existsSync(`${file}.inp`)) return t.skip("UNRUN: no shared tokenizer data");
    const texts = readFileSync(`${file}.inp`, "utf8").split(SEPARATOR).slice(0, -1);
    const ids = readFileSync(`${file}.out`, "utf8").trimEnd().split("\n");
    assert.equal(texts.length, 46);
    assert.equal(ids.length, 46);
    const { encode, decode, size } = await loadTokenizer(await openSource(folder));
    for (const [i, text] of texts.entries()) {
      const expected = ids[i].split(" ").filter(Boolean).map(Number);
      const encoded = await encode(text, { special: false });
      assert.deepEqual(encoded, expected, `text ${i}: ${JSON.stringify(text)}`);
      assert.equal(decode(encoded), text.normalize("NFC"), `text ${i}`);
      assert.ok(encoded.every((id) => id < size));
    }
    const byId = { qwen3: 151669, "deepseek-r1-distill-qwen": 151665, "llama-3.1": 128256 };
    assert.equal(size, byId[tokenizer as keyof typeof byId]);
  });
}

describe("300,000 characters are encoded in seconds, words without end too", () => {
  const corpus = at("../shared/data/corpora/wiki.test.raw");
  const qwen = at("../shared/data/tokenizers/qwen3");
  const words = () => ["a".repeat(300_000), " ".repeat(300_000)];
  for (const [name, folder, texts] of [
    ["beads", at("models/beads"), () => ["A jug holds 7 beads. ".repeat(15_000), ...words()]],
    ["qwen3", qwen, () => [readFileSync(corpus, "utf8").slice(0, 300_000), ...words()]],
  ] as const)
    test(name, async (t) => {
      if (name === "qwen3" && !(existsSync(qwen) && existsSync(corpus)))
        return t.skip("UNRUN: no shared tokenizer data");
      const { encode, decode } = await loadTokenizer(await openSource(folder));
      for (const text of texts()) {
        const start = performance.now();
        const ids = await encode(text, { special: false });
        const seconds = (performance.now() - start) / 1000;
        // 0.2 to 2 s on a core of 2026; work that is quadratic in the length takes minutes.
        assert.ok(seconds < 20, `${seconds} s for ${JSON.stringify(text.slice(0, 20))}...`);
        assert.ok(decode(ids) === text.normalize("NFC"));
      }
    });
});

describe("models", () => {
  for (const golden of ["beads-text", "smollm2-text"]) {
    const { model, cases } = JSON.parse(readFileSync(at(`golden/${golden}/golden.json`), "utf8"));
    test(`${golden}: prompts and texts`, async (t) => {
      const folder = [at(`models/${model}`), at(`../shared/models/${model}`)].find((f) =>
        existsSync(`${f}/tokenizer.json`),
      );
      if (!folder) return t.skip(`UNRUN: no tokenizer of ${model}`);
      const { encode, decode } = await loadTokenizer(await openSource(folder));
      assert.ok(cases.length >= 8);
      for (const { prompt, prompt_ids, greedy_ids, text } of cases) {
        assert.deepEqual(await encode(prompt, { special: false }), prompt_ids);
        assert.equal(decode(prompt_ids, { special: true }), prompt);
        assert.equal(decode(greedy_ids), text);
      }
    });
  }
});
