// Ids to text one by one: nothing is lost, no character is split, and a token costs the same however long the text is.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seeded } from "../../src/base/rng.ts";
import { openSource } from "../../src/model/source.ts";
import { TextStream } from "../../src/model/textStream.ts";
import { loadTokenizer, type Tokenizer } from "../../src/model/tokenizer.ts";
import { withFolder } from "../support/checkpoint.ts";

const beads = await loadTokenizer(await openSource(fileURLToPath(new URL("../../models/beads", import.meta.url))));

/**
 * SentencePiece-like tokenizers: bytes of unknown characters are tokens of their own (ids 1 .. 256), then
 * the rest; 263 to 299 are no tokens.
 */
const PIECES = ["▁", "▁hello", "▁world", "a", "b", "!"];
const withDecoders = (...decoders: object[]) =>
  withFolder(
    {
      "tokenizer.json": {
        added_tokens: [
          { id: 0, content: "<s>", special: true, normalized: false, lstrip: false, rstrip: false, single_word: false },
        ],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: { type: "Sequence", decoders },
        model: {
          type: "BPE",
          byte_fallback: true,
          vocab: Object.fromEntries([
            ["<s>", 0],
            ...Array.from({ length: 256 }, (_, i) => [`<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`, i + 1]),
            ...PIECES.map((piece, i) => [piece, 257 + i]),
            ["▁end", 300],
          ]),
          merges: [],
        },
      },
    },
    async (folder) => loadTokenizer(await openSource(folder)),
  );
/** As Llama 2 has them: both leave out the first token's space, so the text of a part is not a part of the text. */
const sentencePiece = await withDecoders(
  { type: "Replace", pattern: { String: "▁" }, content: " " },
  { type: "ByteFallback" },
  { type: "Fuse" },
  { type: "Strip", content: " ", start: 1, stop: 0 },
);
const metaspace = await withDecoders(
  { type: "ByteFallback" },
  { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
);
/** Tokenizers of real models that are too large to commit. */
const large = new Map<string, Tokenizer>();
for (const name of ["qwen3", "llama-3.1"]) {
  const folder = fileURLToPath(new URL(`../../../shared/data/tokenizers/${name}`, import.meta.url));
  if (existsSync(folder)) large.set(name, await loadTokenizer(await openSource(folder)));
}

function pieces(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = new TextStream(tokenizer);
  const parts = ids.map((id) => stream.push(id));
  return [...parts, stream.end()];
}

const byteIds = (text: string): number[] => [...new TextEncoder().encode(text)].map((byte) => byte + 1);

const TEXT = "naïve 汉字 🫨👩‍👩‍👧 עברית\r\n\t😀 end";

describe("text streams", () => {
  test("characters come whole, in as many tokens as they take", async () => {
    for (const [tokenizer, ids] of [
      [beads, await beads.encode(TEXT, { special: false })],
      [sentencePiece, [258, ...byteIds(TEXT)]],
    ] as const) {
      const parts = pieces(tokenizer, ids);
      assert.ok(parts.join("").endsWith(TEXT));
      assert.ok(ids.length > TEXT.length); // several tokens per character, so there was something to hold back
      for (const part of parts) {
        assert.ok(part.isWellFormed(), JSON.stringify(part));
        assert.ok(!part.includes("\ufffd"), JSON.stringify(part));
      }
    }
  });

  test("a word is shown with its own token", () => {
    assert.deepEqual(pieces(sentencePiece, [258, 259, 262, 260]), ["hello", " world", "!", "a", ""]);
  });

  for (const [name, tokenizer] of [
    ["beads", beads],
    ["replace and strip", sentencePiece],
    ["metaspace", metaspace],
    ["qwen3", large.get("qwen3")],
    ["llama-3.1", large.get("llama-3.1")],
  ] as const) {
    const skip = tokenizer ? false : "UNRUN: no shared tokenizer data";
    test(`random ids, ${name}: the parts make up what decoding all at once gives`, { skip }, () => {
      for (let seed = 0; seed < 20; seed++) {
        const rng = seeded(seed);
        // Half of them among the first 263, where the bytes are; some beyond all tokens.
        const any = () => rng.below(rng.below(2) ? 263 : tokenizer!.size + 5);
        // With tokens for bytes, one that is wrong spoils all in its row: whole characters then.
        const whole = () => (rng.below(2) ? 257 + rng.below(100) : byteIds([..."aé汉😀"][rng.below(4)]));
        const byByte = tokenizer === sentencePiece || tokenizer === metaspace;
        const ids = Array.from({ length: 200 }, byByte ? whole : any).flat();
        assert.equal(pieces(tokenizer!, ids).join(""), tokenizer!.decode(ids), `seed ${seed}`);
      }
    });
    test(`scripts of the world, ${name}: no part breaks a character`, { skip }, async () => {
      const text =
        "e\u0301 n\u0303 汉字かな한국어 हिन्दी ก็ עִברית ﷽ 👩‍👩‍👧‍👦🏳️‍🌈 \u{20000}🧑‍🚀 a\u0300\u0301\u0302 end".repeat(5);
      const ids = await tokenizer!.encode(text, { special: false });
      const parts = pieces(tokenizer!, ids);
      assert.equal(parts.join(""), tokenizer!.decode(ids));
      for (const part of parts) assert.ok(part.isWellFormed() && !part.includes("\ufffd"), JSON.stringify(part));
    });
  }

  test("a character after broken bytes is not lost", async () => {
    const smile = await beads.encode("😀", { special: false });
    assert.equal(smile.length, 4); // else this test says nothing
    for (let broken = 0; broken < 8; broken++) {
      const parts = pieces(beads, [...new Array<number>(broken).fill(smile[0]), ...smile, ...smile]);
      assert.equal(parts.join(""), `${"\ufffd".repeat(broken)}😀😀`);
      assert.ok(parts.every((part) => part.isWellFormed()));
    }
  });

  test("with tokens for bytes, broken ones cost no character that was whole before them, and none after", () => {
    const [ni, hao] = [byteIds("你"), byteIds("好")];
    const broken = byteIds("\ufffd").slice(0, 1);
    for (const tokenizer of [sentencePiece, metaspace]) {
      assert.deepEqual(pieces(tokenizer, [...ni, ...hao]).join("|"), "||你|||好|");
      assert.equal(pieces(tokenizer, [...ni, ...hao, ...broken, 259]).join(""), "你好\ufffd world");
      assert.equal(pieces(tokenizer, [...ni, ...broken]).join(""), "你\ufffd");
      const long = [
        ...Array.from({ length: 40 }, () => ni).flat(),
        ...new Array<number>(9).fill(broken[0]),
        259,
        ...hao,
      ];
      assert.match(pieces(tokenizer, long).join(""), /^你{40}\ufffd+ world好$/);
    }
  });

  test("an incomplete character at the end comes out as U+FFFD", async () => {
    const [first, second] = await beads.encode("😀", { special: false });
    assert.deepEqual(pieces(beads, [first, second]), ["", "", "\ufffd"]);
  });

  test("special tokens are left out, or shown when asked for", async () => {
    const ids = await beads.encode("<|im_start|>user\nA can<|im_end|>", { special: false });
    assert.equal(pieces(beads, ids).join(""), "user\nA can");
    const stream = new TextStream(beads, { special: true });
    assert.equal(ids.map((id) => stream.push(id)).join("") + stream.end(), "<|im_start|>user\nA can<|im_end|>");
  });

  test("special tokens inside a character hold it back, however many there are", async () => {
    const [end] = await beads.encode("<|im_end|>", { special: false });
    const smile = await beads.encode("😀", { special: false });
    const ids = [...smile.slice(0, 2), ...new Array<number>(60).fill(end), ...smile.slice(2)];
    assert.equal(pieces(beads, ids).join(""), beads.decode(ids));
  });

  test("so do ids of no token, which random or padded models draw", () => {
    const smile = byteIds("😀");
    for (const tokenizer of [sentencePiece, metaspace]) {
      const ids = [258, ...smile.slice(0, 2), ...new Array<number>(60).fill(280), 5000, ...smile.slice(2)];
      assert.equal(pieces(tokenizer, ids).join(""), "hello😀");
    }
  });

  test("ids decoded a token do not grow with the text", async () => {
    let most = 0;
    const counting: Tokenizer = {
      ...beads,
      decode: (ids, options) => {
        most = Math.max(most, ids.length);
        return beads.decode(ids, options);
      },
    };
    pieces(counting, await beads.encode("A jug holds 7 beads. ".repeat(200), { special: false }));
    assert.ok(most <= 24, `${most} ids decoded at once`);
  });
});
