import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../src/model/config.ts";
import { readJson } from "../../src/model/source.ts";
import { estimate, type RunShape, spanOf } from "../../src/train/estimate.ts";
import { TRAIN_SETTINGS } from "../../src/train/settings.ts";

const ABACUS = fileURLToPath(new URL("../../models/abacus/config.json", import.meta.url));

test("a row attends within its document: short ones are forecast to take less time, and as much memory", async () => {
  const piece = { ids: new Int32Array(10), learn: null };
  const pieces = { description: "tens", fingerprint: "", count: Number.POSITIVE_INFINITY, at: () => piece };
  // Two documents of 10 rows and 5 of padding, in each window.
  const span = spanOf(pieces, 2, 25);
  assert.equal(span, (100 + 100 + 25) / 25);
  assert.throws(() => spanOf(pieces, 2, 9), /10 tokens; expected 1 to 9/);

  const config = parseConfig(await readJson(ABACUS));
  const settings = { ...TRAIN_SETTINGS, windows: 2, length: 25 };
  const shape: RunShape = { config, settings, train: "full", rank: 0, distills: false, teacherApart: false };
  const [whole, short] = [estimate(shape), estimate({ ...shape, span })];
  assert.deepEqual(whole, estimate({ ...shape, span: 25 }));
  assert.equal(short.bytes, whole.bytes);
  // Without gates, attention alone is float32 in any case, and what it takes is by row and row of its document.
  assert.ok(Math.abs(short.exact / whole.exact - span / 25) < 1e-9);
  assert.equal(whole.flops - short.flops, whole.exact - short.exact);
});
