// Where settings stand: sums over problems as they come.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordedTask } from "../../src/eval/harness/record.ts";
import { Standing } from "../../src/eval/harness/standing.ts";
import { row } from "../support/rows.ts";

const setting = { id: "full", policy: "full", model: "m", length: 64, width: 1, cr: 1 };
const texts: RecordedTask = {
  ...{ spec: "texts", name: "texts", source: "here", fingerprint: "f", kind: "value", measure: "perplexity" },
  problems: ["a", "b", "c"].map((id) => ({ id })),
};

test("a window that failed has no perplexity, and is counted apart", () => {
  const standing = new Standing(texts, setting);
  standing.add([row("a", 0, null, { score: 0, end: "failed" })]);
  assert.deepEqual([standing.row().average, standing.summary().average, standing.row().problems], [null, null, 1]);
  standing.add([row("b", 0, "2", { score: 0.5 })]);
  standing.add([row("c", 0, "8", { score: 0.125 })]);
  const { average, problems, failed } = standing.summary();
  assert.ok(Math.abs(average!.mean - 4) < 1e-12 && average!.high < 9, JSON.stringify(average));
  assert.deepEqual([problems, failed, standing.row().average!.toFixed(9)], [3, 1, "4.000000000"]);
});
