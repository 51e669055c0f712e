// What jinja2 makes of templates, with transformers' settings.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Float, Template, TemplateError } from "../../../src/model/template/template.ts";

const render = (template: string, variables: object = {}) => new Template(template).render({ ...variables });
/** Pairs of a template and what it prints. */
const table = (name: string, rows: [string, string][], variables: object = {}) =>
  test(name, () => {
    for (const [template, want] of rows) assert.equal(render(template, variables), want, template);
  });

test("random templates", () => {
  const file = readFileSync(new URL("./jinja2.json", import.meta.url), "utf8");
  const { variables, cases } = JSON.parse(file);
  const now = new Date("2026-11-26T09:05:07");
  assert.ok(cases.length > 500);
  for (const { template, want } of cases) {
    const run = () => new Template(template).render(variables, now);
    if (want === null) assert.throws(run, TemplateError, template);
    else assert.equal(run(), want, template);
  }
});

describe("found by users", () => {
  table("break and continue keep what the round had printed", [
    ["{% for x in [1,2,3] %}a{{ x }}{% if x == 2 %}{% break %}{% endif %}b{% endfor %}", "a1ba2"],
    ["{% for x in [1,2,3] %}a{{ x }}{% if x == 2 %}{% continue %}{% endif %}b{% endfor %}", "a1ba2a3b"],
    ["{% for x in [1] %}{% continue %}{% else %}none{% endfor %}", "none"],
  ]);
  table("strip takes characters", [
    ["{{ '\\n\\n  code'.lstrip('\\n') }}", "  code"],
    ["{{ 'xxaxbxx'.strip('x') }}|{{ 'ab '.rstrip() }}|{{ 'abc'.rstrip('bc') }}", "axb|ab|a"],
    ["{{ '\\u3000\\x1c a\\ufeff'.strip() == 'a\\ufeff' }}", "True"],
  ]);
  table("Python's values print as in Python", [
    ["{{ True }} {{ None }} {{ 1.0 }} {{ 3 }} {{ 6/2 }} {{ 1e16 }} {{ 0.00001 }}", "True None 1.0 3 3.0 1e+16 1e-05"],
    ["{{ [true, none, 1.5, 'a\\'b', \"q\", (1,), {1: 'x'}] }}", "[True, None, 1.5, \"a'b\", 'q', (1,), {1: 'x'}]"],
    ["{{ 'x' ~ none ~ true ~ 2.0 }}", "xNoneTrue2.0"],
  ]);
  table("what the former library refused", [
    ["{% raw %}{{ x }}{% endraw %}", "{{ x }}"],
    ["{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"],
    ["{{ '%s-%03d' % ('a', 7) }} {{ 7 % 3 }} {{ -7 % 3 }} {{ -7 // 2 }}", "a-007 1 2 -4"],
    ["{{ 'hello'.find('l') }} {{ 'a' < 'b' }} {{ 'é🙂x'.find('x') }} {{ 'é🙂x'|length }}", "2 True 2 3"],
    ["{% generation %}hi{% endgeneration %}", "hi"],
    ["{{ 2 ** 3 }} {{ 2 ** -1 }} {{ 10 ** 20 }}", "8 0.5 100000000000000000000"],
  ]);
});

table("white space around tags", [
  ["  {% if true %}\n  a\n  {% endif %}\nb", "  a\nb"],
  ["a\n  {%+ if true %}b{% endif +%}\n", "a\n  b"],
  ["a {{- 'b' -}} \n c", "abc"],
  ["{% raw -%}\n x {%- endraw %}\ny", "xy"],
  ["  {# gone #}\nx", "x"],
]);

table("scopes", [
  ["{% set x = 0 %}{% for i in [1,2] %}{% set x = i %}{% endfor %}{{ x }}", "0"],
  ["{% set ns = namespace(x=0) %}{% for i in [1,2] %}{% set ns.x = i %}{% endfor %}{{ ns.x }}", "2"],
  ["{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "1"],
  ["{% for i in [] %}{% else %}{% set x = 1 %}{{ x }}{% endfor %}[{{ x }}]", "1[]"],
  ["{% generation %}{% set x = 1 %}{% endgeneration %}[{{ x }}]", "[]"],
  // A name that a scope sets is its own from the beginning, for what stands inside it.
  ["{% for i in [1] %}[{{ dict }}]{% endfor %}{% set dict = 2 %}{{ dict }}", "[]2"],
  ["{{ 'x' if range is defined }}{% for i in [1] %}{{ range is defined }}{% endfor %}{% set range = 2 %}", "xTrue"],
  ["{% macro f(a, b=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{% set c = 3 %}{{ f(1) }}{{ f(1, b=2) }}", "113123"],
  ["{% macro f() %}[{{ caller(2) }}]{% endmacro %}{% call(x) f() %}{{ x }}{% endcall %}", "[2]"],
  ["{% for x in [[1,[2]]] recursive %}{% for y in x %}{{ y }}{% endfor %}{% endfor %}", "1[2]"],
]);

test("tojson is json.dumps", () => {
  const x = { b: [1, null, true, 1.5], a: { é: "<&'\"\n\u2028" }, e: [], f: {} };
  assert.equal(
    render("{{ x|tojson }}", { x }),
    '{"b": [1, null, true, 1.5], "a": {"é": "<&\'\\"\\n\u2028"}, "e": [], "f": {}}',
  );
  assert.equal(render("{{ x|tojson(indent=1) }}", { x: { a: [1, 2] } }), '{\n "a": [\n  1,\n  2\n ]\n}');
  assert.equal(render("{{ x|tojson(sort_keys=true, separators=(',', ':')) }}", { x: { b: 1, a: 2 } }), '{"a":2,"b":1}');
  assert.equal(render("{{ x|tojson(ensure_ascii=true) }}", { x: "é🙂" }), '"\\u00e9\\ud83d\\ude42"');
});

test("a template keeps its first newline and loses its last", () => {
  assert.equal(render("\n{{ strftime_now('%%') }}\n\n"), "\n%\n");
});

test("line ends of the template are LF, those of the messages stay", () => {
  const unix = "{% if a %}\n  x\n{% endif %}\ny{{ 'p\nq' }}\n{{ a }}\n";
  const want = render(unix, { a: "1\r\n2\r3" });
  assert.equal(want, "  x\nyp\nq\n1\r\n2\r3");
  for (const end of ["\r\n", "\r"]) assert.equal(render(unix.replaceAll("\n", end), { a: "1\r\n2\r3" }), want);
});

test("variables are copies, without JavaScript's prototypes", () => {
  const messages = [{ role: "user", content: "x", tags: ["a"] }];
  const before = structuredClone(messages);
  for (const name of ["constructor", "__proto__", "prototype", "toString", "hasOwnProperty", "__class__", "push"])
    for (const value of ["messages", "messages[0]", "messages[0].content", "range", "namespace()", "1"])
      assert.equal(render(`{{ ${value}.${name} is defined }}{{ ${value}['${name}'] }}`, { messages }), "False");
  for (const call of [
    "append(1)",
    "clear()",
    "pop()",
    "extend([1])",
    "insert(0, 1)",
    "remove(1)",
    "sort()",
    "reverse()",
  ])
    assert.throws(() => render(`{{ messages[0].tags.${call} }}`, { messages }), /unsafe/);
  for (const call of ["update({})", "pop('role')", "setdefault('x', 1)", "clear()", "popitem()"])
    assert.throws(() => render(`{{ messages[0].${call} }}`, { messages }), /unsafe/);
  assert.throws(() => render("{% set messages.x = 1 %}", { messages }), /non-namespace/);
  assert.throws(() => render("{{ messages.constructor.constructor('return 1')() }}", { messages }), /constructor/);
  assert.equal(
    render("{% set n = namespace(__proto__=1) %}{{ n.__proto__ }}{{ dict(constructor=2).constructor }}"),
    "12",
  );
  assert.deepEqual(messages, before);
  assert.equal(({} as Record<string, unknown>).x, undefined);
});

test("numbers of JavaScript", () => {
  assert.equal(
    render("{{ [a, b, c, d, e] }}", { a: 1, b: 1.5, c: new Float(2), d: 2n ** 63n, e: 1e300 }),
    "[1, 1.5, 2.0, 9223372036854775808, 1e+300]",
  );
  assert.equal(render("{{ x is none }}{{ y is defined }}", { x: undefined }), "TrueFalse");
  for (const x of [() => 1, new Map([["a", 1]]), new Date(), new Set([1]), Symbol("x")])
    assert.throws(() => render("{{ x }}", { x }), /holds a \w+; expected JSON values/);
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  assert.equal(render("{{ x }}", { x: [1, , 2] }), "[1, None, 2]");
});

test("what would differ is refused by name", () => {
  for (const [template, message] of [
    ["{% include 'x' %}", /"include" is not supported/],
    ["{% block x %}{% endblock %}", /"block" is not supported/],
    ["{{ x|urlencode }}", /filter "urlencode" is not known/],
    ["{{ 'a'.casefold() }}", /str\.casefold is not supported/],
    ["{{ [1]|map('string') }}", /printing a generator/],
    ["{{ '<'|e + '<' }}", /marked as safe or escaped/],
    ["{{ '{:>5}'.format(1) }}", /format field/],
    ["{% break %}", /outside of a loop/],
    ["{% nosuch %}", /"nosuch" is not known/],
  ] as const)
    assert.throws(() => render(template), message);
});
