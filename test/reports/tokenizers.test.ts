// Reports by users of other tokenizers, tried on the embedded one. LOG.md has the list, and what was tried on others.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ChainText } from "../../src/engine/text.ts";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer, TextStream } from "../../src/model/tokenizer.ts";

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
    test(report, () => assert.equal(tokenizer.decode(encode(text), { special: true }), text));
  test("UniqToken#10: half a surrogate pair becomes U+FFFD, not an error", () =>
    assert.equal(tokenizer.decode(encode("a\ud800b")), "a\ufffdb"));
});

test("tiktoken#195, tokenizers#1449, transformers#28629: long runs cost no more than their length", () => {
  for (const unit of ["a", " ", "\n", "1", "^", "介绍下你自己", "\u00a0"]) {
    const started = performance.now();
    encode(unit.repeat(Math.floor(50_000 / unit.length)));
    assert.ok(performance.now() - started < 2000, JSON.stringify(unit));
  }
});

describe("streams", () => {
  const text = "삼겹살을 구워 🤗🇰🇷 👩🏽‍🚀 — ends 🤗";
  const ids = encode(text);
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
