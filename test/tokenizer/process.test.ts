// The library works in a process of its own: it can be dropped, and what ends it ends nothing else.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { openSource } from "../../src/model/source.ts";
import { TokenizerProcess } from "../../src/model/tokenizer/process.ts";
import { slicer } from "../../src/model/tokenizer/slices.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import { withFolder } from "../support/checkpoint.ts";

const beads = new URL("../../models/beads", import.meta.url);
const openBeads = async () => loadTokenizer(await openSource(fileURLToPath(beads)));
const plain = { special: false };
const long = "ab".repeat(4 << 20);

const json = {
  version: "1.0",
  added_tokens: [],
  normalizer: null as object | null,
  pre_tokenizer: null as object | null,
  post_processor: null as object | null,
  decoder: null as object | null,
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
};
const open = (change: object) =>
  withFolder({ "tokenizer.json": { ...json, ...change } }, async (folder) => loadTokenizer(await openSource(folder)));

const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

describe("a long text without blanks", () => {
  test("leaves this process free, and is dropped at once", async () => {
    const tokenizer = await openBeads();
    const aborting = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => ++ticks === 10 && aborting.abort(), 30);
    const running = tokenizer.encode(long, { ...plain, signal: aborting.signal });
    const waiting = tokenizer.encode("a", { ...plain, signal: aborting.signal });
    await assert.rejects(running, isError("aborted", /aborted/));
    clearInterval(timer);
    await assert.rejects(waiting, isError("aborted", /aborted/));
    assert.equal(ticks, 10, "nothing else came between the abort and its error");
    assert.ok((await tokenizer.encode("A jug", plain)).length > 0, "it works again");
    tokenizer.close();
  });

  test("a long text with blanks goes in slices, and has the ids of the whole", async () => {
    const folder = new URL("../../golden/smollm2-tokens/", import.meta.url);
    const file = readFileSync(new URL("tokenizer.json", folder), "utf8");
    const text = "He\u0301llo wörld, x² = 12 <|im_start|>user\nsays  ½\n\nand ſo on\tagain. ".repeat(15_000);
    const slices = slicer(JSON.parse(file), JSON.parse(file).added_tokens)(text);
    assert.ok(slices.length >= 3 && slices.join("") === text);
    const tokenizer = await loadTokenizer(await openSource(fileURLToPath(folder)));
    const { process } = await TokenizerProcess.open(file, []);
    assert.deepEqual(await tokenizer.encode(text, plain), [...(await process.encode([text], null))[0]]);
    process.close();
    tokenizer.close();
    // Not where a token could be cut, or a text begins otherwise than its parts.
    const step = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
    for (const [pre_tokenizer, added] of [
      [{ ...step, add_prefix_space: true }, []],
      [{ ...step, use_regex: false }, []],
      [step, [{ id: 1, content: "one token" }]],
      [step, [{ id: 1, content: "<x>", rstrip: true }]],
      [null, []],
    ] as const)
      assert.equal(slicer({ ...json, pre_tokenizer }, added)(text).length, 1);
    assert.ok(slicer({ ...json, pre_tokenizer: step }, [])(text).length > 1);
  });

  test("many texts at once have the ids of each alone, marked and surrounded ones too", async () => {
    const tokenizer = await openBeads();
    const texts = Array.from({ length: 400 }, (_, i) => ({
      text: `A <|im_end|> jug ${"holds beads. ".repeat((i * i) % 997)}`,
      special: i % 2 === 0,
      literal: i % 3 === 0 ? [2] : [],
    }));
    const together = await tokenizer.encodeAll(texts);
    for (const [i, { text, ...how }] of texts.entries())
      assert.deepEqual(together[i], await tokenizer.encode(text, how), `text ${i}`);
    assert.notDeepEqual(together[0].slice(0, 3), together[1].slice(0, 3), "spelled, and the token");
    assert.deepEqual(await tokenizer.encodeAll([]), []);
    tokenizer.close();
  });

  test("one that was aborted before is not begun", async () => {
    const tokenizer = await openBeads();
    await assert.rejects(
      tokenizer.encode("a", { ...plain, signal: AbortSignal.abort() }),
      isError("aborted", /aborted/),
    );
    tokenizer.close();
    await assert.rejects(tokenizer.encode("a", plain), isError("bad-argument", /closed/));
  });

  test("has at least its bytes by the longest token: known without tokenising", async () => {
    const tokenizer = await openBeads();
    for (const text of ["A jug holds 7 beads. ".repeat(50), "日本".repeat(20), " ".repeat(400), ""]) {
      const least = tokenizer.least(text);
      const { length } = await tokenizer.encode(text, plain);
      assert.ok(least <= length && (least > 0 || text === ""), `${least} of ${length}`);
    }
    tokenizer.close();
    const dropping = await open({}); // characters that it does not know leave nothing
    assert.equal(dropping.least(long), 0);
    dropping.close();
  });
});

describe("what the native library does not survive", () => {
  for (const [name, change] of Object.entries({
    "a template that names no token": {
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<q>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: {},
      },
    },
    "a charsmap that is none": { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } },
    "pieces of no length": { pre_tokenizer: { type: "FixedLength", length: 0 } },
    "a decoder that strips more than there is": { decoder: { type: "Strip", content: "a", start: 0, stop: 9 } },
  }))
    test(`${name}: the file is refused`, () =>
      assert.rejects(open(change), isError("bad-file", /tokenizer\.json: not a tokenizer that can be read/)));

  test("a pattern without end on a text: the text is refused, and the next one is encoded", async () => {
    const pattern = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
    const tokenizer = await open({ pre_tokenizer: pattern });
    const hostile = tokenizer.encode(`${"a".repeat(40)}b`, plain);
    const harmless = tokenizer.encode("ab", plain);
    await assert.rejects(hostile, isError("bad-argument", /cannot encode this text \(41 characters\).*retry-limit/));
    assert.deepEqual(await harmless, [2]);
    await assert.rejects(
      tokenizer.encodeAll(["ab", `${"a".repeat(40)}b`].map((text) => ({ text, ...plain }))),
      isError("bad-argument", /cannot encode one of 2 texts.*retry-limit/),
    );
    tokenizer.close();
  });

  test("a decoder that replaces a pattern is refused by name", () =>
    assert.rejects(
      open({ decoder: { type: "Replace", pattern: { Regex: "a" }, content: "b" } }),
      isError("bad-file", /its decoder replaces a pattern/),
    ));
});

describe("what a file wants of a text besides its tokens", () => {
  const template = (single: object[]) => ({
    added_tokens: ["<s>", "</s>"].map((content, i) => ({
      id: 3 + i,
      content,
      special: true,
      normalized: false,
      lstrip: false,
      rstrip: false,
      single_word: false,
    })),
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [],
      special_tokens: {
        "<s>": { id: "<s>", ids: [3], tokens: ["<s>"] },
        "</s>": { id: "</s>", ids: [4], tokens: ["</s>"] },
      },
    },
  });
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const A = { Sequence: { id: "A", type_id: 0 } };

  test("a start or end token that the text has already is not put there twice", async () => {
    const both = await open(template([token("<s>"), A, token("</s>")]));
    for (const text of ["ab", "<s>ab", "ab</s>", "<s>ab</s>"])
      assert.deepEqual(await both.encode(text, { special: true }), [3, 2, 4], text);
    assert.deepEqual(await both.encode("<s><s>ab", { special: true }), [3, 3, 2, 4], "two that were written stay");
    assert.deepEqual(await both.encode("ab<s>", { special: true }), [3, 2, 3, 4]);
    assert.deepEqual(await both.encode("<s>ab", plain), [3, 2]);
    both.close();
    const none = await open(template([A]));
    assert.deepEqual(await none.encode("ab", { special: true }), [2]);
    none.close();
  });

  test("no truncation, no padding, no dropout", async () => {
    const tokenizer = await open({
      truncation: { direction: "Right", max_length: 2, strategy: "LongestFirst", stride: 0 },
      padding: {
        strategy: { Fixed: 9 },
        direction: "Right",
        pad_to_multiple_of: null,
        pad_id: 0,
        pad_type_id: 0,
        pad_token: "a",
      },
      model: { ...json.model, dropout: 0.9 },
    });
    assert.deepEqual(await tokenizer.encode("ab".repeat(6), plain), new Array(6).fill(2));
    tokenizer.close();
  });
});
