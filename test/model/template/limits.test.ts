// Templates that would run for ever, fill the memory or exhaust the stack.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../../src/base/errors.ts";
import { compileTemplate } from "../../../src/model/chat.ts";
import { Template, TemplateError, TemplateLimit } from "../../../src/model/template/template.ts";

const grow = (change: string, rounds = 100_000) =>
  `{% set ns = namespace(x='xxxxxxxx', l=[1], t=(1, 2)) %}{% for i in range(${rounds}) %}{% set ${change} %}{% endfor %}`;

/** Refused, within the time that a render may take and what the parse of a megabyte takes. */
function stops(template: string, error: typeof TemplateError | typeof TemplateLimit = TemplateLimit, message = /./) {
  const start = performance.now();
  assert.throws(
    () => new Template(template).render({ s: "ab".repeat(500_000) }),
    (thrown: unknown) => thrown instanceof error && message.test(thrown.message),
  );
  assert.ok(performance.now() - start < 20_000, template.slice(0, 80));
}

describe("time", () => {
  for (const [name, template] of Object.entries({
    "nested loops without a body": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "lists that are equal at every level": `${grow("ns.l = [ns.l, ns.l]", 60)}{% set y = ns.l %}${grow("ns.l = [ns.l, ns.l]", 60)}{{ ns.l == y }}`,
    "searches of a long text":
      "{% for i in range(100000) %}{% for j in range(100) %}{% if s.find('zz') %}{% endif %}{% endfor %}{% endfor %}",
  }))
    test(name, () => stops(template, TemplateLimit, /longer than 2 s/));
});

describe("size", () => {
  for (const [name, template] of Object.entries({
    "a long range": "{% for i in range(10**9) %}{% endfor %}",
    "a text times a number": "{{ 'x' * 10**9 }}",
    "a list times a number": "{% set l = [1] * 10**9 %}",
    "output of nested loops":
      "{% for i in range(100000) %}{% for j in range(100000) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    "a text that doubles": grow("ns.x = ns.x + ns.x"),
    "a text that doubles by ~": grow("ns.x = ns.x ~ ns.x"),
    "a list that doubles": grow("ns.l = ns.l + ns.l"),
    "a printed list of lists of lists": `${grow("ns.l = [ns.l, ns.l]", 60)}{{ ns.l }}`,
    "its JSON": `${grow("ns.l = [ns.l, ns.l]", 60)}{{ ns.l|tojson }}`,
    "a key of tuples of tuples": `${grow("ns.t = (ns.t, ns.t)", 60)}{{ {ns.t: 1} }}`,
    "replacements by longer texts": "{{ s|replace('a', s)|replace('a', s) }}",
    "replacements of nothing": "{{ s|replace('', s) }}",
    indentation: "{{ 'a\\nb'|indent(10**9) }}",
    "JSON's indentation": "{{ [[1]]|tojson(indent=10**9) }}",
    "a long separator": "{{ range(100000)|join(s) }}",
    "a wide field": "{{ 'a'.ljust(10**10) }}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "many slices": "{{ [1]|batch(10**9, 'x')|list }}",
  }))
    test(name, () => stops(template));
  test("powers", () => stops("{{ 2**(10**9) }}", TemplateError, /bits/));
  test("a wide date", () => stops("{{ strftime_now('%1000000000d') }}", TemplateError, /width/));
  test("a long date", () => stops("{{ strftime_now('%A' * 100000) }}", TemplateError, /format/));
});

describe("depth", () => {
  for (const [name, template] of Object.entries({
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a macro that calls itself twice": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "a loop that calls itself": "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "a list in a list in a list": `${grow("ns.l = [ns.l]")}{{ ns.l }}`,
  }))
    test(name, () => stops(template));
  for (const [name, template] of Object.entries({
    brackets: `{{ ${"(".repeat(100_000)}`,
    nots: `{{ ${"not ".repeat(100_000)}1 }}`,
    blocks: "{% if 1 %}".repeat(50_000),
    "many tokens": "{{".repeat(500_000),
    "an open text": `{{ '${"\\".repeat(1_000_001)}' }}`,
    "an open raw": `{% raw %}${"{%   ".repeat(200_000)}`,
  }))
    test(`${name} of a megabyte`, () => stops(template, TemplateError));
  test("a chain of filters", () => stops(`{{ 1${"|string".repeat(100_000)} }}`));
});

test("a conversation whose variables nest too deep", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.throws(() => new Template("x").render({ deep }), TemplateLimit);
});

test("a chat names the folder of a template that was stopped", () => {
  const chat = compileTemplate("{{ 'x' * 10**9 }}", {}, "some/model");
  assert.throws(
    () => chat.render([], { addGenerationPrompt: true }),
    (error: unknown) =>
      error instanceof HyperthinkError &&
      error.code === "bad-file" &&
      /some\/model: the chat template was stopped: .*16777216 characters/.test(error.message),
  );
});

test("a long conversation renders", () => {
  const messages = Array.from({ length: 400 }, (_, i) => ({
    role: i % 2 ? "assistant" : "user",
    content: "a line of a text\n".repeat(500),
  }));
  const chat = compileTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content.strip() }}\n{% endfor %}", {}, "t");
  assert.ok(chat.render(messages, { addGenerationPrompt: true }).length > 3_000_000);
});
