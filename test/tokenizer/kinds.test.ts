// Each kind of normalizer, pre-tokenizer, decoder, model and added token against Hugging Face's own ids and texts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import { withFolder } from "../support/checkpoint.ts";

interface Kind {
  name: string;
  model?: object;
  cases: { text: string; ids: number[]; decoded: string }[];
}

const lines = readFileSync(new URL("kinds.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n");
const [{ base }, ...kinds] = lines.map((line) => JSON.parse(line)) as [{ base: { model: object } }, ...Kind[]];
/** The library shows a normalized token as its normalizer leaves it; here it is shown as the file spells it. */
const SPELLED = new Set(["add-norm-lower", "add-llama2-norm"]);

describe("kinds of tokenizers", () => {
  assert.ok(kinds.length >= 40);
  for (const { name, cases, model, ...parts } of kinds)
    test(name, async () => {
      const json = { ...base, ...parts, model: { ...base.model, ...model } };
      const tokenizer = await withFolder({ "tokenizer.json": json }, async (folder) =>
        loadTokenizer(await openSource(folder)),
      );
      assert.ok(cases.length >= 8);
      for (const { text, ids, decoded } of cases) {
        assert.deepEqual(await tokenizer.encode(text, { special: false }), ids, JSON.stringify(text));
        if (!SPELLED.has(name)) assert.equal(tokenizer.decode(ids, { special: true }), decoded, JSON.stringify(text));
      }
      tokenizer.close();
    });
});
