// Reports by users of other tokenizers, tried on the embedded one. LOG.md has the list, and what was tried on others.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSource } from "../../src/model/source.ts";
import { TextStream } from "../../src/model/textStream.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import { ChainText } from "../../src/request/text.ts";
import { withFolder } from "../support/checkpoint.ts";

const model = fileURLToPath(new URL("../../models/beads", import.meta.url));
const tokenizer = await loadTokenizer(await openSource(model));
const encode = (text: string) => tokenizer.encode(text, { special: false });

describe("texts come back as they were", () => {
  const cases: [report: string, text: string][] = [
    ["bibtex-parser#25, chevrotain#1724: names of Object.prototype", "constructor toString __proto__ hasOwnProperty"],
    ["transformers.js#199: two no-break spaces", "you\u2026\u00a0\u00a0"],
    ["llama.cpp#7122: joined emoji and combining marks", "👨‍👩‍👧‍👦 e\u0301 é ﬁ"],
    ["control characters and line ends", "\0\x1b[31m\r\n\r\n\t\ufeffx"],
    ["transformers#42589: U+0016", "ju\x16"],
  ];
  for (const [report, text] of cases)
    test(report, async () => assert.equal(tokenizer.decode(await encode(text), { special: true }), text));
  test("UniqToken#10: half a surrogate pair becomes U+FFFD, not an error", async () =>
    assert.equal(tokenizer.decode(await encode("a\ud800b")), "a\ufffdb"));
});

test("tiktoken#195, tokenizers#1449, transformers#28629: long runs come to an end", { timeout: 60_000 }, async () => {
  for (const unit of ["a", " ", "\n", "1", "^", "介绍下你自己", "\u00a0"]) {
    const ids = await encode(unit.repeat(Math.floor(50_000 / unit.length)));
    assert.ok(ids.length > 0, JSON.stringify(unit));
  }
});

describe("streams", () => {
  const text = "삼겹살을 구워 🤗🇰🇷 👩🏽‍🚀 — ends 🤗";
  let ids: readonly number[];
  before(async () => {
    ids = await encode(text);
  });
  test("dynamo#12630, exllamav3#171, lucebox#641, ollama#7290: no character is ever shown in halves", () => {
    const stream = new TextStream(tokenizer);
    const pieces = [...ids.map((id) => stream.push(id)), stream.end()];
    assert.equal(pieces.join(""), text);
    assert.ok(pieces.every((piece) => !piece.includes("\ufffd") && piece.isWellFormed()));
  });
  test("ferrox#124: nor is one lost at the end of a cut reply", () => {
    const stream = new TextStream(tokenizer);
    const pieces = [...ids.slice(0, -1).map((id) => stream.push(id)), stream.end()];
    assert.equal(pieces.join(""), `${text.slice(0, -2)}\ufffd`);
  });
  test("stop texts match characters that are cut into bytes", () => {
    for (const stop of ["구워", "🇰🇷", "🚀 —"]) {
      const chain = new ChainText(tokenizer, [stop]);
      let shown = "";
      for (const id of ids) shown += chain.push(id);
      assert.equal(shown + chain.end(), text.slice(0, text.indexOf(stop)));
    }
  });
});

describe("every setting is followed", () => {
  const plain = JSON.parse(readFileSync(`${model}/tokenizer.json`, "utf8"));
  const text = "A jug holds 12 beads, 345 (or so).  How many?";
  const jugs = "a jug, jugs, x_jug jug2  jug";
  const jug = {
    id: 480,
    content: "jug",
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
  };
  const withStep = (step: object) => {
    const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
    return { pre_tokenizer: { type: "Sequence", pretokenizers: [step, bytes] } };
  };
  const split = (pattern: object, behavior: string, invert = false) =>
    withStep({ type: "Split", pattern, behavior, invert });
  const blank = { String: " " };
  const pieces = { Regex: "\\s+|[0-9]" };
  // Ids by Hugging Face's tokenizers 0.23.3.
  const cases: [report: string, change: object, text: string, ids: number[]][] = [
    [
      "meta-pytorch/tokenizers#93: Split, Isolated",
      split(blank, "Isolated"),
      text,
      [
        32, 220, 73, 288, 220, 259, 75, 256, 220, 16, 17, 220, 65, 265, 11, 220, 18, 19, 20, 220, 7, 78, 81, 220, 82,
        78, 8, 13, 220, 220, 351, 220, 76, 364, 30,
      ],
    ],
    [
      "swift-transformers#55: Split, Removed, inverted",
      split(pieces, "Removed", true),
      text,
      [220, 220, 220, 16, 17, 220, 220, 18, 19, 20, 220, 220, 220, 220, 220],
    ],
    [
      "Split, Removed, a plain text",
      split(blank, "Removed"),
      text,
      [32, 73, 288, 259, 75, 256, 16, 17, 65, 265, 11, 18, 19, 20, 7, 78, 81, 82, 78, 8, 13, 351, 76, 364, 30],
    ],
    [
      "Split, Isolated, inverted",
      split(pieces, "Isolated", true),
      text,
      [
        32, 220, 73, 288, 220, 259, 75, 256, 220, 16, 17, 220, 65, 265, 11, 220, 18, 19, 20, 220, 7, 78, 81, 220, 82,
        78, 8, 13, 220, 220, 351, 220, 76, 364, 30,
      ],
    ],
    [
      "openvino_tokenizers#311: Split, MergedWithPrevious",
      split(pieces, "MergedWithPrevious", true),
      text,
      [32, 337, 263, 220, 16, 17, 266, 11, 220, 18, 19, 20, 220, 7, 78, 81, 220, 82, 78, 8, 13, 220, 362, 367, 30],
    ],
    [
      "openvino_tokenizers#311: Split, MergedWithNext",
      split(pieces, "MergedWithNext"),
      text,
      [32, 337, 263, 220, 16, 17, 266, 11, 220, 18, 19, 20, 220, 7, 78, 81, 220, 82, 78, 8, 13, 220, 362, 367, 30],
    ],
    [
      "Split, Contiguous",
      split(pieces, "Contiguous"),
      text,
      [
        32, 220, 73, 288, 220, 259, 75, 256, 269, 17, 220, 65, 265, 11, 270, 19, 20, 220, 7, 78, 81, 220, 82, 78, 8, 13,
        220, 220, 351, 220, 76, 364, 30,
      ],
    ],
    [
      "tokenizers#642: Punctuation, Removed",
      withStep({ type: "Punctuation", behavior: "Removed" }),
      text,
      [32, 386, 269, 17, 266, 270, 19, 20, 220, 78, 81, 220, 82, 78, 220, 362, 367],
    ],
    [
      "FixedLength",
      withStep({ type: "FixedLength", length: 2 }),
      "🤗x beads 12",
      [172, 253, 97, 245, 87, 257, 68, 64, 256, 269, 17],
    ],
    [
      "transformers#5444: a truncation saved with the tokenizer is not the reader's",
      { truncation: { direction: "Right", max_length: 4, strategy: "LongestFirst", stride: 0 } },
      text,
      [32, 386, 269, 17, 266, 11, 270, 19, 20, 220, 7, 78, 81, 220, 82, 78, 8, 13, 220, 362, 367, 30],
    ],
    [
      "tokenizers#917: an added token that is a single word",
      { added_tokens: [...plain.added_tokens, { ...jug, single_word: true }] },
      jugs,
      [64, 220, 480, 11, 418, 11, 220, 87, 62, 73, 288, 337, 17, 220, 220, 480],
    ],
    [
      "iree#23805, transformers#33371: an added token that takes the blanks around it",
      { added_tokens: [...plain.added_tokens, { ...jug, lstrip: true, rstrip: true }] },
      jugs,
      [64, 480, 11, 480, 82, 11, 220, 87, 62, 480, 480, 17, 480],
    ],
  ];
  for (const [report, change, said, ids] of cases)
    test(report, () =>
      withFolder({ "tokenizer.json": { ...plain, ...change } }, async (folder) => {
        const loaded = await loadTokenizer(await openSource(folder));
        assert.deepEqual(await loaded.encode(said, { special: false }), ids);
        loaded.close();
      }),
    );
});
