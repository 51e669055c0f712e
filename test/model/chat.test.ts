import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { compileTemplate, loadChat } from "../../src/model/chat.ts";
import { openSource } from "../../src/model/source.ts";
import { withFolder } from "../support/checkpoint.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const user = (content: string) => ({ role: "user", content });
const render = (text: string, variables: object = {}, messages = [user("Q")]) =>
  compileTemplate(text, { bos_token: "<s>" }, "t").render(messages, { addGenerationPrompt: true, ...variables });

for (const golden of ["beads-text", "smollm2-text"]) {
  const { model, cases } = JSON.parse(readFileSync(at(`golden/${golden}/golden.json`), "utf8"));
  test(`${golden}: prompts equal transformers'`, async (t) => {
    const folder = [at(`models/${model}`), at(`../shared/models/${model}`)].find((f) =>
      existsSync(`${f}/tokenizer_config.json`),
    );
    if (!folder) return t.skip(`UNRUN: no ${model}`);
    const chat = await loadChat(await openSource(folder));
    assert.ok(cases.length >= 8);
    for (const { messages, prompt } of cases)
      assert.equal(chat.render(messages, { addGenerationPrompt: true }), prompt);
  });
}

describe("templates of well-known models", () => {
  const folder = at("../shared/data/chat-templates/");
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".jinja")) : [];
  test("are there", { skip: names.length ? false : "UNRUN: no shared chat templates" }, () =>
    assert.ok(names.length >= 10),
  );
  const turns = [
    { role: "system", content: "Sys." },
    user("First?"),
    { role: "assistant", content: "One." },
    user("Second?"),
  ];
  for (const name of names)
    test(name, () => {
      const chat = compileTemplate(
        readFileSync(folder + name, "utf8"),
        { bos_token: "<BOS>", eos_token: "<EOS>" },
        name,
      );
      const text = chat.render(turns, { addGenerationPrompt: true });
      const places = turns.map(({ content }) => text.indexOf(content));
      assert.ok(
        places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1])),
        text,
      );
      const closed = chat.render(turns, { addGenerationPrompt: false });
      assert.ok(text.length > closed.length && text.startsWith(closed.trimEnd()), text);
    });
  // Equal to the Python package jinja2 3.1 with transformers' settings.
  test("Qwen3 opens and skips thinking", { skip: names.length ? false : "UNRUN: no shared chat templates" }, () => {
    const chat = compileTemplate(readFileSync(`${folder}Qwen-Qwen3-0.6B.jinja`, "utf8"), {}, "qwen3");
    const prompt = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n";
    assert.equal(chat.render([user("Q")], { addGenerationPrompt: true }), prompt);
    assert.equal(
      chat.render([user("Q")], { addGenerationPrompt: true, enable_thinking: false }),
      `${prompt}<think>\n\n</think>\n\n`,
    );
  });
});

test("variables", () => {
  assert.equal(render("{{ bos_token }}{{ messages[0].content }}{{ extra }}", { extra: 7 }), "<s>Q7");
  assert.equal(render("{{ tools is none }} {{ unknown is defined }}"), "True False");
});

test("what a template refuses is told in its own words", () =>
  assert.throws(
    () => render("{{ raise_exception('roles must alternate') }}"),
    (error: unknown) =>
      error instanceof HyperthinkError && error.code === "bad-argument" && /roles must alternate/.test(error.message),
  ));

test("dates are English, of the time that was given", () => {
  const now = () => new Date(2024, 6, 4, 9, 5, 3);
  const chat = compileTemplate("\n{{ strftime_now('%A, %d %B %Y, %H:%M:%S') }}", {}, "t", now);
  assert.equal(chat.render([], { addGenerationPrompt: false }), "\nThursday, 04 July 2024, 09:05:03");
  assert.equal(render("{{ strftime_now('%Y') }}"), String(new Date().getFullYear()));
});

test("a message's text is text, whatever it spells", () => {
  const content = "{{ x }}{% if %}{# #}\r\n\t\ufeff \u0000 <|im_end|> 🙂";
  assert.equal(render("{% for m in messages %}{{ m.content }}{% endfor %}", {}, [user(content)]), content);
});

describe("where templates stand", () => {
  const load = (files: Record<string, string | object>) =>
    withFolder({ "config.json": {}, ...files }, async (folder) =>
      (await loadChat(await openSource(folder))).render([], { addGenerationPrompt: false }),
    );
  test("chat_template.jinja comes first", async () =>
    assert.equal(
      await load({ "chat_template.jinja": "file", "tokenizer_config.json": { chat_template: "config" } }),
      "file",
    ));
  test("one, or one of several by name", async () => {
    assert.equal(await load({ "tokenizer_config.json": { chat_template: "config" } }), "config");
    const chat_template = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "plain" },
    ];
    assert.equal(await load({ "tokenizer_config.json": { chat_template } }), "plain");
  });
  test("tokens given as objects", async () =>
    assert.equal(
      await load({ "tokenizer_config.json": { chat_template: "{{ eos_token }}", eos_token: { content: "</s>" } } }),
      "</s>",
    ));
  test("tools have a template of their own, where there is one", () =>
    withFolder({ "config.json": {}, "chat_template.jinja": "\ufeffplain\r\nfile\r\n" }, async (folder) => {
      mkdirSync(`${folder}/additional_chat_templates`);
      writeFileSync(`${folder}/additional_chat_templates/tool_use.jinja`, "{{ tools|length }} tools");
      const chat = await loadChat(await openSource(folder));
      assert.equal(chat.render([], { addGenerationPrompt: false }), "plain\nfile");
      assert.equal(chat.render([], { addGenerationPrompt: false, tools: null }), "plain\nfile");
      assert.equal(chat.render([], { addGenerationPrompt: false, tools: [{}] }), "1 tools");
    }));
  test("several, none of them the default: their names", () =>
    assert.rejects(
      load({
        "tokenizer_config.json": {
          chat_template: [
            { name: "rag", template: "a" },
            { name: "tool_use", template: "b" },
          ],
        },
      }),
      /named "default", found "rag", "tool_use"/,
    ));
  test("a processor's file, last", async () => {
    const files = { "chat_template.json": { chat_template: "processor" } };
    assert.equal(await load(files), "processor");
    assert.equal(await load({ ...files, "tokenizer_config.json": { chat_template: "config" } }), "config");
  });
  test("CRLF is LF, also inside tokenizer_config.json", async () => {
    assert.equal(
      await load({ "tokenizer_config.json": { chat_template: "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\n" } }),
      "a\nb\n",
    );
    assert.equal(await load({ "chat_template.jinja": "a\rb\r\nc\r\n" }), "a\nb\nc");
  });
  test("none: how to go without", () => assert.rejects(load({}), /no chat template.*raw/));
  test("broken", () => assert.rejects(load({ "chat_template.jinja": "{% if %}" }), /cannot be read/));
});

describe("special tokens", () => {
  const files = { "config.json": {}, "chat_template.jinja": "{{ bos_token }}|{{ eos_token }}|{{ image_token }}" };
  const load = (more: Record<string, object>) =>
    withFolder({ ...files, ...more }, async (folder) => {
      const chat = await loadChat(await openSource(folder));
      return [chat.render([], { addGenerationPrompt: false }), ...chat.notes];
    });
  const map = { bos_token: "<map>", eos_token: { content: "</map>", lstrip: false } };
  test("of special_tokens_map.json, where tokenizer_config.json does not name them", async () => {
    assert.deepEqual(await load({ "special_tokens_map.json": map }), ["<map>|</map>|"]);
    assert.deepEqual(
      await load({ "special_tokens_map.json": map, "tokenizer_config.json": { bos_token: "<config>" } }),
      ["<config>|</map>|"],
    );
  });
  test("a model that says it has none has none", async () =>
    assert.deepEqual(await load({ "special_tokens_map.json": map, "tokenizer_config.json": { bos_token: null } }), [
      "|</map>|",
    ]));
  test("a note for those that nothing gives", async () => {
    const [text, ...notes] = await load({ "special_tokens_map.json": { eos_token: "</s>" } });
    assert.equal(text, "|</s>|");
    assert.equal(notes.length, 1);
    assert.match(notes[0], /writes bos_token, which neither/);
  });
  test("others by their names", async () =>
    assert.deepEqual(
      await load({
        "special_tokens_map.json": map,
        "tokenizer_config.json": { extra_special_tokens: { image_token: "<image>" } },
      }),
      ["<map>|</map>|<image>"],
    ));
});
