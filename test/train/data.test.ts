import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type ChatTemplate, compileTemplate, loadChat } from "../../src/model/chat.ts";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import { type DataOptions, loadPieces } from "../../src/train/data/data.ts";
import type { Piece, Pieces } from "../../src/train/data/pieces.ts";
import { withFolder } from "../support/checkpoint.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const beads = await openSource(at("models/beads"));
const tokenizer = await loadTokenizer(beads);
after(() => tokenizer.close());
const config = { vocabulary: tokenizer.size };
const model = { tokenizer, chat: await loadChat(beads), config };

const all = (pieces: Pieces): Piece[] => Array.from({ length: pieces.count }, (_, i) => pieces.at(i));
const text = (ids: ArrayLike<number>) => tokenizer.decode(Array.from(ids), { special: true });
const learned = ({ ids, learn }: Piece) => text(ids.filter((_, i) => learn?.[i]));
const ids = (of: string) => tokenizer.encode(of, { special: true });
const lines = (...values: unknown[]) =>
  values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n");
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

type Files = Record<string, string | Uint8Array>;
const load = (files: Files, options: Partial<DataOptions> = {}, names = Object.keys(files), chat = model.chat) =>
  withFolder(files, (folder) =>
    loadPieces(
      names.map((name) => join(folder, name)),
      { ...model, chat },
      { length: 512, ...options },
    ),
  );
const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

describe("plain text", () => {
  test("is one document, or those between <|endoftext|> lines; blank ones are none", async () => {
    const one = await load({ "a.txt": "A jug holds 7 beads.\n\nA can <|endoftext|> too.\n" });
    assert.deepEqual([...one.pieces.at(0).ids], await ids("A jug holds 7 beads.\n\nA can <|endoftext|> too."));
    assert.deepEqual([one.pieces.count, one.pieces.at(0).learn, one.notes.length], [1, null, 0]);
    const { pieces } = await load({
      "a.txt": "\ufeffA jug.\nTwo jugs.\r\n<|endoftext|>\r\n\n<|endoftext|>\n <|endoftext|>\nA can.",
    });
    assert.deepEqual(
      all(pieces).map((piece) => text(piece.ids)),
      ["A jug.\nTwo jugs.\r", "A can."],
    );
    assert.match(pieces.description, /a\.txt: 2 documents, \d+ tokens in 2 pieces$/);
  });

  test("longer than a piece is cut, or dropped, and said so; what is left of one token is left out", async () => {
    const long = "A jug holds 7 beads and a can holds 4 jugs. ".repeat(40);
    const tokens = await ids(long.trimEnd());
    const length = 100;
    const cut = await load({ "a.txt": long.trimEnd() }, { length });
    const pieces = all(cut.pieces);
    assert.ok(pieces.slice(0, -1).every((piece) => piece.ids.length === length));
    assert.deepEqual(
      pieces.flatMap((piece) => [...piece.ids]),
      tokens,
    );
    assert.match(cut.notes.join(), /1 document of more than 100 tokens: cut into pieces/);
    const drop = await load({ "a.txt": long }, { length, overflow: "drop" });
    assert.deepEqual(
      all(drop.pieces).map((piece) => [...piece.ids]),
      [tokens.slice(0, length)],
    );
    assert.match(drop.notes.join(), /what is beyond them was dropped/);
    const rest = await load({ "a.txt": long.trimEnd() }, { length: tokens.length - 1 });
    assert.equal(rest.pieces.count, 1);
    assert.match(rest.notes.join(), /1 piece in which nothing is to be predicted, left out/);
  });

  test("an end token is put where none is, and is learned", async () => {
    const end = tokenizer.idOf("<|im_end|>")!;
    const { pieces } = await load(
      {
        "a.txt": "A jug.\n<|endoftext|>\nA can.<|im_end|>",
        "b.jsonl": lines({ prompt: "A ", completion: "tin." }, { messages: [user("Why?"), assistant("So.")] }),
      },
      { end },
    );
    assert.deepEqual(
      all(pieces).map((piece) => text(piece.ids)),
      [
        "A jug.<|im_end|>",
        "A can.<|im_end|>",
        "A tin.<|im_end|>",
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n",
      ],
    );
  });

  test("what the tokenizer puts around a text stands once around each document", async () => {
    const token = (content: string) => ({ SpecialToken: { id: content, type_id: 0 } });
    const entry = (content: string) => ({ id: content, ids: [tokenizer.idOf(content)], tokens: [content] });
    const json = JSON.parse(readFileSync(at("models/beads/tokenizer.json"), "utf8"));
    json.post_processor = {
      type: "TemplateProcessing",
      single: [token("<|im_start|>"), { Sequence: { id: "A", type_id: 0 } }, token("<|im_end|>")],
      pair: [],
      special_tokens: Object.fromEntries(["<|im_start|>", "<|im_end|>"].map((content) => [content, entry(content)])),
    };
    await withFolder({ "tokenizer.json": json }, async (folder) => {
      const around = await loadTokenizer(await openSource(folder));
      const long = "A jug holds 7 beads. ".repeat(20);
      const file = {
        "a.jsonl": lines({ text: long }, { prompt: "A jug", completion: " holds 7." }, { messages: [user("Why?")] }),
      };
      await withFolder(file, async (data) => {
        const options = { length: 100, end: tokenizer.idOf("<|im_end|>")! };
        const { pieces } = await loadPieces([data], { ...model, tokenizer: around }, options);
        const texts = all(pieces).map((piece) => text(piece.ids));
        assert.equal(texts.slice(0, -2).join(""), `<|im_start|>${long}<|im_end|>`);
        assert.deepEqual(texts.slice(-2), [
          "<|im_start|>A jug holds 7.<|im_end|>",
          "<|im_start|>user\nWhy?<|im_end|>\n",
        ]);
        writeFileSync(join(data, "a.jsonl"), lines({ prompt: "A jug holds", completion: " 7 beads." }));
        const marked = await loadPieces([data], { ...model, tokenizer: around }, { ...options, learn: "assistant" });
        assert.equal(learned(marked.pieces.at(0)), " 7 beads.<|im_end|>");
      });
      around.close();
    });
  });

  test("the first line that is no UTF-8 is named", async () => {
    const bytes = Buffer.concat([Buffer.from("good\nbad "), Buffer.of(0xff), Buffer.from("\n<|endoftext|>\ngood")]);
    await assert.rejects(
      load({ "a.txt": bytes }),
      isError("bad-file", /1 bad line: .*a\.txt, line 1: expected UTF-8 text, line 2 has other bytes; mend/),
    );
    const { pieces, notes } = await load({ "a.txt": bytes }, { skipBadLines: true });
    assert.deepEqual([pieces.count, notes.length], [1, 1]);
  });

  test("nothing to learn is an error", async () => {
    for (const content of ["", " \n\n", "<|endoftext|>\n", "A"])
      await assert.rejects(load({ "a.txt": content }), isError("bad-file", /a\.txt: expected something to learn/));
    await assert.rejects(load({ "a.txt": "A jug." }, { length: 1 }), isError("bad-argument", /pieces of 2 tokens/));
  });

  const stories = at("../shared/data/corpora/tinystories_train_0.txt");
  test("TinyStories", { skip: existsSync(stories) ? false : "UNRUN: no shared corpora" }, async () => {
    const content = readFileSync(stories, "utf8");
    const seen: number[] = [];
    const { pieces } = await loadPieces([stories], model, {
      length: 8192,
      onProgress: (done, total) => seen.push(done / total),
    });
    const documents = content.split("\n<|endoftext|>\n").filter((story) => story.trim());
    assert.equal(pieces.count, documents.length);
    for (const i of [0, 1, 777, documents.length - 1])
      assert.deepEqual([...pieces.at(i).ids], await ids(documents[i].replace(/\n?(<\|endoftext\|>)?$/, "")));
    assert.ok(seen.at(-1) === 1 && seen.every((share, i) => share >= (seen[i - 1] ?? 0) && share <= 1));
  });
});

describe("lines of JSON", () => {
  test("text, prompt and completion, chats", async () => {
    const { pieces } = await load({
      "a.jsonl": lines(
        { text: "A jug." },
        "",
        { prompt: "A jug ", completion: "holds 7.", id: 3 },
        { messages: [user("Why?"), assistant("So.")], text: "no", prompt: "no" },
      ),
    });
    assert.deepEqual(
      all(pieces).map((piece) => text(piece.ids)),
      ["A jug.", "A jug holds 7.", "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n"],
    );
    assert.ok(all(pieces).every(({ learn }) => learn === null));
  });

  test("a user's spelling of a control token is text in a chat, unless it is to be parsed", async () => {
    const end = tokenizer.idOf("<|im_end|>")!;
    const file = { "a.jsonl": lines({ messages: [user("say <|im_end|> now"), assistant("<|im_end|>")] }) };
    const ends = async (options: Partial<DataOptions>) =>
      [...(await load(file, options)).pieces.at(0).ids].filter((id) => id === end).length;
    assert.equal(await ends({}), 3, "two turns' ends, and the assistant's own");
    assert.equal(await ends({ controlTokens: "parse" }), 4);
  });

  test("variables and tools reach the template", async () => {
    const chat = compileTemplate("{{ tools[0].name }} {{ mood }} {{ messages[0].content }}", {}, "t");
    const { pieces } = await load(
      { "a.jsonl": lines({ tools: [{ name: "clock" }], messages: [user("Why?")] }) },
      { template: { mood: "calm" } },
      undefined,
      chat,
    );
    assert.equal(text(pieces.at(0).ids), "clock calm Why?");
  });

  const bad: [string, unknown, RegExp][] = [
    ["no JSON", '{"text": ', /line 2: expected JSON: /],
    ["no object", [1], /line 2: expected an object \{"text"\}, .* got \[1\]/],
    ["no known key", { question: "a" }, /line 2: expected .* got an object with \["question"\]/],
    ["nothing", {}, /got an object with nothing in it/],
    ["a text of another type", { text: 7 }, /expected "text" to be a text that is not blank, got 7/],
    ["a blank text", { text: " \n" }, /expected "text" to be a text that is not blank/],
    ["no messages", { messages: [] }, /expected "messages" to be a list with at least one, got \[\]/],
    ["messages of another type", { messages: "a" }, /expected "messages" to be a list/],
    ["a message without content", { messages: [user("a"), { role: "user" }] }, /both texts, got .* as message 2/],
    ["a message without role", { messages: [{ content: "a" }] }, /both texts, got .* as message 1/],
    ["tools of another type", { messages: [user("a")], tools: "a" }, /expected "tools" to be a list, got "a"/],
    ["a completion alone", { completion: "a" }, /expected "prompt" and "completion" to be texts, got nothing/],
    ["an empty completion", { prompt: "a", completion: "" }, /got "a" and an empty one/],
    ["a prompt of another type", { prompt: 1, completion: "a" }, /got 1 and "a"/],
  ];
  for (const [name, line, message] of bad)
    test(`${name} is refused, and skipped when asked for`, async () => {
      const file = { "a.jsonl": lines({ text: "A jug." }, line, { text: "A can." }) };
      await assert.rejects(load(file), isError("bad-file", message));
      const { pieces, notes } = await load(file, { skipBadLines: true });
      assert.deepEqual(
        all(pieces).map((piece) => text(piece.ids)),
        ["A jug.", "A can."],
      );
      assert.match(notes.join(), /1 bad line skipped: .*a\.jsonl, line 2: /);
    });

  test("five bad lines are shown, all are counted, over files", async () => {
    const files = { "a.jsonl": lines(..."abcd".split("")), "b.jsonl": lines({ text: "A jug." }, "e", "f", "g") };
    await assert.rejects(
      load(files),
      isError(
        "bad-file",
        /^2 files: 7 bad lines: .*a\.jsonl, line 1: .*a\.jsonl, line 4: .*b\.jsonl, line 2: [^;]*; and 2 more; mend/,
      ),
    );
    await assert.rejects(
      load({ "a.jsonl": "a" }, { skipBadLines: true }),
      isError("bad-file", /expected something to learn, got none in 0 documents; skipped: .*line 1: expected JSON/),
    );
  });

  test("a chat that the template refuses, and a text that the tokenizer refuses, are bad lines", async () => {
    const chat = compileTemplate(
      "{% if messages[0].content == 'no' %}{{ raise_exception('roles must alternate') }}{% endif %}yes, that",
      {},
      "t",
    );
    const file = { "a.jsonl": lines({ messages: [user("no")] }, { messages: [user("a")] }) };
    await assert.rejects(
      load(file, {}, undefined, chat),
      isError("bad-file", /line 1: the chat template refuses this conversation: roles must alternate/),
    );
    const json = JSON.parse(readFileSync(at("models/beads/tokenizer.json"), "utf8"));
    json.pre_tokenizer = { type: "Split", pattern: { Regex: "(a|aa)+$" }, behavior: "Isolated", invert: false };
    await withFolder({ "tokenizer.json": json }, async (folder) => {
      const picky = await loadTokenizer(await openSource(folder));
      await withFolder(
        { "a.jsonl": lines({ text: "A jug." }, { text: `${"a".repeat(40)}b` }, { text: "A can." }) },
        async (data) => {
          const paths = [join(data, "a.jsonl")];
          const reader = { ...model, tokenizer: picky };
          await assert.rejects(
            loadPieces(paths, reader, { length: 64 }),
            isError("bad-file", /1 bad line: .*line 2: the tokenizer cannot encode this text \(41 characters\)/),
          );
          const { pieces } = await loadPieces(paths, reader, { length: 64, skipBadLines: true });
          assert.equal(pieces.count, 2);
        },
      );
      picky.close();
    });
  });

  test("tokens that the model has not are refused", async () => {
    const most = Math.max(...(await ids("A jug.")));
    await withFolder({ "a.txt": "A jug." }, async (folder) => {
      const limited = (vocabulary: number) =>
        loadPieces([folder], { ...model, config: { vocabulary } }, { length: 64 });
      assert.equal((await limited(most + 1)).pieces.count, 1);
      await assert.rejects(limited(most), isError("bad-file", /expected tokens below \d+.* got token \d+/));
    });
  });
});

describe("what the assistant says", () => {
  const marked = async (chat: ChatTemplate, ...messages: object[]) =>
    (await load({ "a.jsonl": lines({ messages }) }, { learn: "assistant" }, undefined, chat)).pieces.at(0);

  test("is its turns up to their end tokens, with the template of the bundled model", async () => {
    const piece = await marked(
      model.chat,
      { role: "system", content: "Be brief." },
      user("Why?"),
      assistant("<think>\nHm.</think>So."),
      user("And?"),
      assistant("No thought."),
    );
    // Its template opens a reply with a thought: what it opens is not the model's to say.
    assert.equal(learned(piece), "Hm.</think>So.<|im_end|>No thought.<|im_end|>");
    assert.equal(
      text(piece.ids),
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n<think>\nHm.</think>So.<|im_end|>\n" +
        "<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\nNo thought.<|im_end|>\n",
    );
  });

  test("a prompt's completion, and its end", async () => {
    const end = tokenizer.idOf("<|im_end|>")!;
    const { pieces } = await load(
      { "a.jsonl": lines({ prompt: "A jug holds", completion: " 7 beads." }) },
      { learn: "assistant", end },
    );
    assert.equal(learned(pieces.at(0)), " 7 beads.<|im_end|>");
  });

  test("a token that spans the border is learned", async () => {
    const merged = "A jug holds 7";
    const { pieces } = await load(
      { "a.jsonl": lines({ prompt: "A jug hol", completion: "ds 7" }) },
      { learn: "assistant" },
    );
    const { ids: tokens, learn } = pieces.at(0);
    assert.deepEqual([...tokens], await ids(merged));
    const first = learn!.indexOf(1);
    assert.ok("A jug hol".startsWith(text(tokens.slice(0, first))) && merged.length > 9);
    assert.ok(learn!.subarray(first).every((mark) => mark === 1));
  });

  test("plain text, and chats without a turn of it, are bad lines", async () => {
    await assert.rejects(
      load({ "a.txt": "A jug." }, { learn: "assistant" }),
      isError("bad-file", /a\.txt, line 1: expected \{"messages"\} or .* got plain text/),
    );
    await assert.rejects(
      load({ "a.jsonl": lines({ messages: [user("Why?")] }) }, { learn: "assistant" }),
      isError("bad-file", /line 1: expected a turn of the assistant to learn, got none/),
    );
  });

  test("pieces without any of it are left out", async () => {
    const messages = [user("A jug holds 7 beads. ".repeat(20)), assistant("So.")];
    const { pieces, notes } = await load({ "a.jsonl": lines({ messages }) }, { learn: "assistant", length: 60 });
    assert.equal(pieces.count, 1);
    assert.equal(learned(pieces.at(0)).trim().slice(-13), "So.<|im_end|>");
    assert.match(notes.join(), /\d pieces? in which nothing is to be predicted/);
  });

  test("a template that writes a beginning otherwise is refused by name", async () => {
    const counting = compileTemplate(
      "{{ messages | length }}{% for m in messages %}[{{ m.content }}]{% endfor %}",
      {},
      "t",
    );
    await assert.rejects(
      marked(counting, user("Why?"), assistant("So."), user("And?")),
      isError(
        "bad-file",
        /line 1: the chat template writes the beginning of this chat, up to message 2 of 3, otherwise/,
      ),
    );
    const file = { "a.jsonl": lines({ messages: [user("Why?"), assistant("So."), user("And?")] }) };
    assert.equal((await load(file, {}, undefined, counting)).pieces.count, 1, "all of it may be learned");
  });

  const { templates } = JSON.parse(readFileSync(at("golden/templates/golden.json"), "utf8")) as {
    templates: Record<string, string>;
  };
  const special = { bos_token: "<s>", eos_token: "<|im_end|>" };
  for (const [name, template] of Object.entries(templates))
    test(`one turn, and two or a refusal, with the template of ${name}`, async () => {
      const chat = compileTemplate(template, special, name, () => new Date(0));
      const one = await marked(chat, user("Why is that?"), assistant("For a reason."));
      assert.match(learned(one), /^(<think>\s*<\/think>\s*)?For a reason\./);
      assert.ok(!learned(one).includes("Why"));
      const two = await marked(
        chat,
        user("Why is that?"),
        assistant("For a reason."),
        user("And then?"),
        assistant("No end."),
      ).catch((error: Error) => error);
      if (two instanceof Error) assert.match(two.message, /the chat template writes the beginning of this chat/);
      else assert.match(learned(two), /For a reason\.[^?]*No end\./);
    });
});

describe("files", () => {
  test("of a folder by name, those directly in it, of both kinds", () =>
    withFolder({ "b.jsonl": lines({ text: "Second." }), "a.TXT": "First.", "c.md": "no" }, async (folder) => {
      mkdirSync(join(folder, "d.txt"));
      writeFileSync(join(folder, "d.txt", "e.txt"), "no");
      const { pieces } = await loadPieces([folder], model, { length: 64 });
      assert.deepEqual(
        all(pieces).map((piece) => text(piece.ids)),
        ["First.", "Second."],
      );
      assert.match(pieces.description, /^2 files: 2 documents/);
    }));

  test("that are missing, of another kind or too large are refused", () =>
    withFolder({ "a.md": "no" }, async (folder) => {
      const of = (...names: string[]) =>
        loadPieces(
          names.map((name) => join(folder, name)),
          model,
          { length: 64 },
        );
      await assert.rejects(of("none.txt"), isError("bad-file", /none\.txt: no such file or folder/));
      await assert.rejects(of("a.md"), isError("bad-file", /a\.md: expected a \.txt or \.jsonl file/));
      await assert.rejects(of(""), isError("bad-file", /expected \.txt or \.jsonl files in this folder, found none/));
      const large = join(folder, "large.txt");
      writeFileSync(large, "");
      truncateSync(large, 600 << 20);
      await assert.rejects(
        of("large.txt", "large.txt"),
        isError("bad-file", /at most 1 GiB of files to learn from, got 1.17/),
      );
      truncateSync(large, (64 << 20) + 1);
      await assert.rejects(
        of("large.txt"),
        isError("bad-file", /line 1: expected at most 64 MiB a document; put a line/),
      );
    }));

  test("the fingerprint is of what is learned", async () => {
    const print = async (content: string, options: Partial<DataOptions> = {}) =>
      (await load({ "a.jsonl": content }, options)).pieces.fingerprint;
    const one = lines({ prompt: "A jug ", completion: "holds 7 beads." });
    assert.equal(await print(one), await print(`\n${one}\n`));
    const prints = [
      await print(one),
      await print(one, { learn: "assistant" }),
      await print(one, { length: 4 }),
      await print(one, { end: tokenizer.idOf("<|im_end|>")! }),
      await print(lines({ prompt: "A can ", completion: "holds 7 beads." })),
    ];
    assert.equal(new Set(prints).size, prints.length);
  });

  test("pieces tell their documents, and texts alone decide their places", async () => {
    const content = lines({ text: "A jug holds 7 beads. ".repeat(9) }, { text: "A" }, { text: "A can." });
    const { documents } = (await load({ "a.jsonl": content }, { length: 30 })).pieces;
    const other = (await load({ "b.jsonl": lines({ text: "A can." }) }, { end: 3 })).pieces.documents!;
    assert.equal(documents!.ends.length, 2, "a document of one token is none");
    assert.equal(documents!.ends[1], documents!.ends[0] + 1);
    assert.equal(documents!.places[1], other.places[0]);
    assert.ok(documents!.places.every((place) => place >= 0 && place < 1));
  });

  test("reading can be stopped", async () => {
    const files = { "a.txt": "A jug." };
    await assert.rejects(load(files, { signal: AbortSignal.abort() }), isError("aborted", /aborted/));
    const controller = new AbortController();
    const running = load({ "a.txt": "ab".repeat(4 << 20) }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await assert.rejects(running, isError("aborted", /aborted/));
  });

  test("thousands of short lines keep their order and their marks", async () => {
    const count = 5000;
    const content = lines(
      ...Array.from({ length: count }, (_, i) => ({ prompt: `A jug ${i} holds `, completion: `${i * 7} beads.` })),
    );
    const { pieces } = await load({ "a.jsonl": content }, { learn: "assistant" });
    assert.equal(pieces.count, count);
    for (const i of [0, 1, 999, 2500, count - 1]) {
      assert.equal(text(pieces.at(i).ids), `A jug ${i} holds ${i * 7} beads.`);
      assert.equal(learned(pieces.at(i)).trim(), `${i * 7} beads.`);
    }
  });
});
