import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { NO_DEVICE, passed, type Report, verify } from "../../src/eval/verify.ts";

async function verified(golden: unknown): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-equality-"));
  try {
    writeFileSync(join(folder, "golden.json"), JSON.stringify({ kind: "equality", ...(golden as object) }));
    return await verify(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const right = [
  { gold: "$\\frac13$", answer: "So it is $\\boxed{\\frac{2}{6}}$.", equal: 1 },
  { gold: "$(1,2)$", answer: "$(2,1)$", equal: 0, group: "tuples" },
  { gold: "$(\\frac35,\\frac83]$", answer: "$(0.6,2.6667]$", equal: 1, precision: 2 },
  { gold: "$[-2,7]$", answer: "$-2\\le x\\le7$", equal: 0, allow_set_relation_comp: false },
];
const wrong = { gold: "$x+1$", answer: "$x+2$", equal: 1, group: "made up" };

test("each pair is a check, and the last one counts them", async () => {
  const report = await verified({ cases: right });
  assert.equal(passed(report), true);
  assert.equal(report.device, NO_DEVICE);
  assert.deepEqual(
    report.checks.map(({ name, status }) => `${name} ${status}`),
    ["case 0 PASS", "case 1 (tuples) PASS", "case 2 PASS", "case 3 PASS", "cases that agree PASS"],
  );
  assert.match(report.checks[4].detail, /^4 of 4 \(100\.0%\), expected at least 97\.0%$/);
});

test("pairs that disagree fail below the threshold, and are named above it", async () => {
  const below = await verified({ cases: [...right, wrong] });
  assert.equal(passed(below), false);
  const failed = below.checks.filter(({ status }) => status === "FAIL").map(({ name }) => name);
  assert.deepEqual(failed, ["case 4 (made up)", "cases that agree"]);
  const above = await verified({ cases: [...right, wrong], least: 0.8 });
  assert.equal(passed(above), true);
  assert.match(above.checks.at(-1)!.detail, /^4 of 5 .*; case 4 \(made up\) disagrees, expected equal: "\$x\+1\$" and/);
});

test("the threshold is met by the golden pairs, and not by golden pairs turned round", async () => {
  const file = fileURLToPath(new URL("../../golden/equality/golden.json", import.meta.url));
  const { cases, least } = JSON.parse(readFileSync(file, "utf8"));
  const turned = cases.slice(0, 20).map((pair: { equal: number }) => ({ ...pair, equal: 1 - pair.equal }));
  assert.equal(least, 0.97);
  assert.equal(passed(await verified({ cases })), true);
  assert.equal(passed(await verified({ cases: turned })), false);
});

test("a golden file of another shape is refused", async () => {
  for (const cases of [
    undefined,
    [],
    [{ gold: "1", answer: "1" }],
    [{ gold: "1", answer: "1", equal: 2 }],
    [{ ...wrong, precision: -1 }],
  ])
    await assert.rejects(verified({ cases }), { code: "bad-file" });
  await assert.rejects(verified({ cases: right, least: 2 }), { code: "bad-file" });
});
