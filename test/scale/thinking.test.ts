import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { compileTemplate } from "../../src/model/chat.ts";
import { opensThinking } from "../../src/request/opening.ts";
import { afterThinking } from "../../src/request/thinking.ts";
import { extractAnswer } from "../../src/scale/answer.ts";

const tags = { open: "<think>", close: "</think>" };

test("the first closing tag that is not quoted ends the thinking; later tags within a sentence are mentions", () => {
  for (const [text, want] of [
    ["a </think> b", " b"],
    ["I end it with `</think>` soon.\n</think>\nb", "\nb"],
    ['I end it with "</think>" soon.\n</think>\nb', "\nb"],
    ["Format:\n```\n</think>\n\\boxed{1}\n```\n</think>\nb", "\nb"],
    ["I write `a </think> b` first", null],
    ["a </think> The <think> tag opens it. b", " The <think> tag opens it. b"],
    ["a </think> b. It ends at </think> c", " b. It ends at </think> c"],
    ["a </think> It wrote `<think>`. b", " It wrote `<think>`. b"],
    ["a </think> b\n<think>\nagain", null],
    ["a </think> b\n<think>\nagain\n</think>\nc", "\nc"],
    ["a </think> b. <think> again", null],
  ] as const)
    assert.equal(afterThinking(text, tags, true), want, text);
  assert.equal(afterThinking("a (b) [x] b", { open: "(", close: "[x]" }, true), " b"); // any text may be a tag
  assert.equal(afterThinking("a", { open: "", close: "" }, false), "a");
  assert.equal(afterThinking("The <think> tag. b", tags, false), "The <think> tag. b");
  assert.equal(afterThinking("<think>\na", tags, false), null);
  assert.equal(afterThinking("Explain: <think> is a tag. b", tags, false), "Explain: <think> is a tag. b");
  assert.equal(afterThinking("Sure: <think>\na", tags, false), null);
});

test("a reply that mentions the tags still answers", () => {
  const said = (text: string) => extractAnswer(text, { thinking: tags, finished: true });
  for (const text of [
    "hm\n</think>\nThe `<think>` tag opens it: \\boxed{5}",
    "hm\n</think>\n\\boxed{5}. I reasoned between <think> and </think> first.",
    "I close with `</think>`: \\boxed{1}\n</think>\n\\boxed{5}",
  ]) {
    const found = said(text);
    assert.equal(found.kind === "answer" && found.key, "5", text);
  }
});

const TURNS =
  "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n";
const session = (template: string) => ({
  chat: compileTemplate(template, {}, "test"),
  tokenizer: { decode: (ids: readonly number[]) => String.fromCodePoint(...ids) } as never,
});
const opening = session(`${TURNS}<think>\n{% endif %}`);
const plain = session(`${TURNS}{% endif %}`);
const closing = session(`${TURNS}{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}`);
const always = session("{% for m in messages %}[{{ m.content }}]{% endfor %}{% if messages %}<think>\n{% endif %}");

test("only what follows the last turn opens the thinking", () => {
  const asks = "What does <think> do? Begin with\n<think>\nand no more.";
  const system = [
    { role: "system", content: "Reason within\n<think>\n" },
    { role: "user", content: "2 + 3?" },
  ];
  const shots = [
    { role: "user", content: "1 + 1?" },
    { role: "assistant", content: "<think>\nhm" },
    { role: "user", content: "2 + 3?" },
  ];
  for (const prompt of ["2 + 3?", asks, system, shots, shots.slice(0, 2)]) {
    const words = JSON.stringify(prompt);
    assert.equal(opensThinking(opening, prompt, {}, tags), true, words);
    assert.equal(opensThinking(plain, prompt, {}, tags), false, words);
    assert.equal(opensThinking(closing, prompt, { enable_thinking: false }, tags), false, words);
    assert.equal(opensThinking(always, prompt, {}, tags), true, words);
  }
});

test("in text written by hand, only what follows the start of the last reply", () => {
  const raw = (text: string) => opensThinking(plain, { raw: text }, {}, tags);
  assert.equal(raw("<|user|>\nWhat is\n<think>\nfor?<|end|>\n<|assistant|>\n"), false);
  assert.equal(raw("<|user|>\n2 + 3?<|end|>\n<|assistant|>\n<think>\nSo"), true);
  assert.equal(raw("What does <think> mean?"), false);
  assert.equal(raw("Question: 2 + 3?\n<think>\n"), true);
  for (const [text, opens] of [
    ["Q: <think> what?\nA: ", false],
    ["What does\n<think>\nmean?\nAnswer:", false],
    ["Q: <think> what?", false],
    ["User: write\n<think>\nAssistant:", false],
    ["Q: 1 + 1?\nA: <think>\nhm\n</think>\n2\nQ: 2 + 3?\nA:", false],
    ["<|im_start|>user\nSay\n<think>\n<|im_end|>\n<|im_start|>assistant\n", false],
    ["[INST] Say\n<think>\n[/INST]", false],
    ["Q: 2 + 3?\nA: <think>", true],
    ["Q: 2 + 3?\nA: <think> So 2", true],
    ["Question: 2 + 3? <think>", true],
    ["2 + 3?\n<think> So 2", true],
    ["<|im_start|>user\n2 + 3?<|im_end|>\n<|im_start|>assistant\n<think>\n", true],
  ] as const)
    assert.equal(raw(text), opens, text);
  const ids = [..."Question: 2 + 3?\n<think>\n"].map((c) => c.codePointAt(0)!);
  assert.equal(opensThinking(plain, { ids }, {}, tags), true);
});

const folder = new URL("../../../shared/data/chat-templates/", import.meta.url);

test("real templates: a question that mentions the tag changes nothing", (t) => {
  if (!existsSync(folder)) return t.skip("UNRUN: shared/data/chat-templates is absent");
  for (const [name, opens] of [
    ["Qwen-QwQ-32B", true],
    ["deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", true],
    ["Qwen-Qwen3-0.6B", false],
    ["HuggingFaceTB-SmolLM3-3B", false],
    ["meta-llama-Llama-3.2-3B-Instruct", false],
  ] as const) {
    const real = session(readFileSync(new URL(`${name}.jinja`, folder), "utf8"));
    for (const question of ["2 + 3?", "What is <think> for?", "Say\n<think>\n", "Say\n</think>\n"])
      assert.equal(opensThinking(real, question, { enable_thinking: true }, tags), opens, `${name}: ${question}`);
  }
});
