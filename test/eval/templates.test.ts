import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { passed, verify } from "../../src/eval/verify.ts";
import { withFolder } from "../support/checkpoint.ts";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const check = (golden: object | string) =>
  withFolder({ "golden.json": golden }, (folder) => verify(folder, { device: "reference" }));

/** A golden folder with one template. */
const one = (template: string, want: string, variables: object = {}) => ({
  kind: "templates",
  now: "2026-11-26T09:05:07",
  templates: { t: template },
  cases: [{ template: "t", variables, want }],
});

describe("verify, kind templates", () => {
  const shared = at("../shared/golden/templates");
  test("all ten models", { skip: existsSync(shared) ? false : "UNRUN: no shared golden data" }, async () => {
    const report = await verify(shared, { device: "reference" });
    assert.equal(report.checks.length, 10);
    assert.ok(report.checks.every(({ status, detail }) => status === "PASS" && /^12 of 12 /.test(detail)));
  });

  test("one character more, or one less, is found", async () => {
    const golden = JSON.parse(readFileSync(at("golden/templates/golden.json"), "utf8"));
    golden.cases[3].want += "\n";
    golden.cases[5].want = golden.cases[5].want.slice(1);
    const report = await check(golden);
    assert.equal(passed(report), false);
    const failed = report.checks.filter(({ status }) => status === "FAIL").map(({ name }) => name);
    const { template } = golden.cases[3];
    assert.deepEqual(failed, [`case 3: ${template}`, `case 5: ${template}`, template]);
  });

  test("the date is the golden one", async () =>
    assert.ok(
      passed(await check(one("{{ strftime_now('%A, %d %B %Y %H:%M') }}", "Thursday, 26 November 2026 09:05"))),
    ));

  test("floats of the file stay floats, long integers keep their digits", async () => {
    const text = JSON.stringify(one("{{ x }}", "[1, 1.0, 9223372036854775807]", { x: "HERE" }));
    assert.ok(passed(await check(text.replace('"HERE"', "[1, 1.0, 9223372036854775807]"))));
  });

  test("a template that is none, or refuses, fails its case", async () => {
    for (const template of ["{% if %}", "{{ raise_exception('no') }}", "{{ 1 | nosuch }}"]) {
      const report = await check(one(template, ""));
      assert.deepEqual(
        report.checks.map(({ status }) => status),
        ["FAIL", "FAIL"],
      );
    }
  });

  test("a template that no case uses was not run", async () => {
    const golden = one("x", "x");
    const report = await check({ ...golden, templates: { ...golden.templates, other: "y" } });
    assert.equal(report.checks.find(({ name }) => name === "other")?.status, "UNRUN");
  });

  test("a damaged file is named", async () => {
    const good = one("x", "x");
    for (const [golden, message] of [
      [{ ...good, templates: { t: 1 } }, /texts by name/],
      [{ ...good, templates: undefined }, /texts by name/],
      [{ ...good, cases: [] }, /a list of 1 to/],
      [
        { ...good, cases: [{ template: "constructor", variables: {}, want: "" }] },
        /case 0 with the name of a template/,
      ],
      [{ ...good, cases: [{ template: "t", variables: [], want: "" }] }, /case 0/],
      [{ ...good, cases: [{ template: "t", variables: {} }] }, /case 0/],
      [{ ...good, now: "soon" }, /expected a date/],
    ] as const)
      await assert.rejects(check(golden), message);
  });
});
