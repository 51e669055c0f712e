import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { passed, type Report, verify } from "../../src/eval/verify.ts";

async function verified(golden: unknown): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-answers-"));
  try {
    writeFileSync(join(folder, "golden.json"), JSON.stringify(golden));
    return await verify(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const one = async (text: string, accept: string[], finished = true) =>
  passed(await verified({ kind: "answers", cases: [{ text, finished, accept }] }));

test("a reply's key must be that of an accepted value, or it must abstain", async () => {
  assert.equal(await one("\\boxed{0.5}", ["7", "1/2"]), true);
  assert.equal(await one("\\boxed{0.5}", ["7"]), false);
  assert.equal(await one("\\boxed{0.5}", ["ABSTAIN"]), false);
  assert.equal(await one("so 12", ["12"], false), false);
  assert.equal(await one("so 12", ["ABSTAIN"], false), true);
});

test('"own" is any answer', async () => {
  assert.equal(await one("\\boxed{\\sqrt{2}}", ["own"]), true);
  assert.equal(await one("Hm.", ["own"]), false);
  assert.equal(await one("\\boxed{3,5}", ["own key, not 35"]), true);
  assert.equal(await one("\\boxed{35}", ["own key, not 35"]), false);
});

test("a golden file of another shape is refused", async () => {
  for (const cases of [undefined, [], [{ text: "x", finished: true }], [{ text: 1, finished: true, accept: ["1"] }]])
    await assert.rejects(verified({ kind: "answers", cases }), { code: "bad-file" });
  await assert.rejects(verified({ kind: "constructor" }), { code: "unsupported" });
});
