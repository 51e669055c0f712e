// Reports by users of other template engines, tried on this one. Wanted: what jinja2 3.1
// renders with transformers' settings.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { compileTemplate } from "../../src/model/chat.ts";

const render = (text: string, variables: object = {}, messages = [{ role: "user", content: "Q" }]): string =>
  compileTemplate(text, {}, "t").render(messages, { addGenerationPrompt: true, ...variables });
const refused = (error: unknown): boolean => error instanceof HyperthinkError;

test("transformers#31100, tabbyAPI#459: tojson leaves letters and markup as they are", () => {
  const tools = [{ d: "안녕🤗 <b>&'x'" }];
  assert.equal(render("{{ tools | tojson }}", { tools }), `[{"d": "안녕🤗 <b>&'x'"}]`);
});

test("minja#84, sglang#13722: tojson takes ensure_ascii, indent and separators", () => {
  const tools = { d: "안", n: [1] };
  assert.equal(render("{{ tools | tojson(ensure_ascii=False) }}", { tools }), '{"d": "안", "n": [1]}');
  assert.equal(render("{{ tools | tojson(ensure_ascii=True) }}", { tools }), '{"d": "\\uc548", "n": [1]}');
  const indented = '{\n  "d": "안",\n  "n": [\n    1\n  ]\n}';
  assert.equal(render("{{ tools | tojson(indent=2) }}", { tools }), indented);
  assert.equal(render("{{ tools | tojson(separators=(',', ':')) }}", { tools }), '{"d":"안","n":[1]}');
});

test("mistral.rs#45: a template's own refusal is the error's message", () => {
  const template = "{% if messages[0].role == 'system' %}{{ raise_exception('roles must alternate') }}{% endif %}ok";
  assert.equal(render(template), "ok");
  assert.throws(
    () => render(template, {}, [{ role: "system", content: "S" }]),
    (error) => refused(error) && /roles must alternate/.test((error as Error).message),
  );
});

test("gpt4all#3255, llama.cpp#11402: selectattr, items() with a condition", () => {
  const users = "{% set u = messages | selectattr('role', 'equalto', 'user') | list %}{{ u | length }}";
  assert.equal(render(users), "1");
  const items =
    "{% for k, v in tool.items() if k != 'return' %}{{ k }}={{ v | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}";
  assert.equal(render(items, { tool: { return: 1, a: 2, b: "x" } }), 'a=2, b="x"');
});

test("braces in a message are text", () => {
  const content = "{{ 7 * 7 }} {% raw %} {# no #}";
  assert.equal(render("{{ messages[0].content }}", {}, [{ role: "user", content }]), content);
});

test("swift-jinja#40: an undefined variable has length 0 and no items", () => {
  assert.equal(render("{{ nothing | length }}{% for x in nothing %}x{% endfor %}"), "0");
});

test("huggingface.js#1809: an attribute of an undefined variable is an error, not an empty text", () => {
  assert.throws(() => render("{{ nothing.name }}"), refused);
});

test("a string and a number do not add up", () => {
  assert.throws(() => render("{{ 'a' + 1 }}"), refused);
});

test("an emoji is one character", () => {
  assert.equal(render("{{ '🤗a' | length }}{{ '🤗a'[1:] }}{{ '🤗a'[0] }}"), "2a🤗");
});
