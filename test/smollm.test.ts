// A real pretrained chat model, too large to commit: models/smollm2-135m-instruct, or the
// folder that HYPERTHINK_SMOLLM2 names.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../src/device/cpu.ts";
import { verify } from "../src/eval/verify.ts";

const model =
  process.env.HYPERTHINK_SMOLLM2 ?? fileURLToPath(new URL("../models/smollm2-135m-instruct", import.meta.url));
const golden = fileURLToPath(new URL("../golden/smollm2-text", import.meta.url));
const unrun = cpuAvailable() ?? (existsSync(`${model}/model.safetensors`) ? null : `no model at ${model}`);

test("SmolLM2 chats as transformers does, cpu, float32", { skip: unrun ? `UNRUN: ${unrun}` : false }, async () => {
  const report = await verify(golden, { device: "cpu", model });
  const failed = report.checks.filter((check) => check.status === "FAIL");
  assert.deepEqual(failed, []);
  assert.ok(report.checks.filter((check) => check.status === "PASS").length >= 24);
});
