// Golden data on both devices, through the same code as the verb `verify`; and proof that it can fail.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../src/device/cpu.ts";
import { DEVICELESS, NO_DEVICE, passed, verify } from "../src/eval/verify.ts";

const golden = fileURLToPath(new URL("../golden/", import.meta.url));
const models = fileURLToPath(new URL("../models/", import.meta.url));
const all = readdirSync(golden, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "smollm2-text")
  .map((entry) => entry.name);
const kindOf = (folder: string) => JSON.parse(readFileSync(`${golden}${folder}/golden.json`, "utf8")).kind;
const [deviceless, folders] = [true, false].map((no) => all.filter((name) => DEVICELESS.has(kindOf(name)) === no));

describe("golden data without a device", () => {
  for (const folder of deviceless)
    test(folder, async () => {
      const report = await verify(golden + folder);
      assert.deepEqual(
        report.checks.filter((check) => check.status !== "PASS"),
        [],
      );
      assert.equal(report.device, NO_DEVICE);
      assert.ok(report.checks.length >= 1);
    });
});

for (const device of ["reference", "cpu"] as const) {
  const reason = device === "cpu" ? cpuAvailable() : null;
  describe(`golden data on ${device}`, { skip: reason ? `UNRUN: ${reason}` : false }, () => {
    for (const folder of folders)
      test(folder, async () => {
        const report = await verify(golden + folder, { device, model: (name) => models + name });
        assert.deepEqual(
          report.checks.filter((check) => check.status === "FAIL"),
          [],
        );
        const unrun = report.checks.filter((check) => check.status === "UNRUN");
        assert.deepEqual(unrun, []);
        assert.ok(report.checks.length - unrun.length >= 3);
      });
  });
}

/** A copy of a golden folder in which some numbers of a tensor were changed. */
async function damaged(folder: string, tensor: string, change: (data: DataView) => void): Promise<boolean> {
  const copy = mkdtempSync(join(tmpdir(), "hyperthink-golden-"));
  try {
    cpSync(golden + folder, join(copy, "folder"), { recursive: true });
    for (const neighbour of ["qwen3", "qwen3-dms-head"]) // decode-policies refers to them
      cpSync(golden + neighbour, join(copy, neighbour), { recursive: true });
    const file = join(copy, "folder", "golden.safetensors");
    const bytes = readFileSync(file);
    const length = Number(bytes.readBigUInt64LE(0));
    const [begin, end] = JSON.parse(bytes.subarray(8, 8 + length).toString())[tensor].data_offsets;
    change(new DataView(bytes.buffer, bytes.byteOffset + 8 + length + begin, end - begin));
    writeFileSync(file, bytes);
    return passed(await verify(join(copy, "folder"), { device: "reference" }));
  } finally {
    rmSync(copy, { recursive: true });
  }
}

describe("verify can fail", () => {
  test("a gradient that is not a number, whichever it is", async () => {
    for (const tensor of ["pretrain.grad.model.embed_tokens.weight", "pretrain.grad.model.norm.weight"])
      assert.equal(await damaged("train", tensor, (data) => data.setFloat32(0, Number.NaN, true)), false, tensor);
  });
  test("one loss's gradient off by 2 in a thousand", async () => {
    const scale = (data: DataView) => {
      for (let at = 0; at < data.byteLength; at += 4) data.setFloat32(at, data.getFloat32(at, true) * 1.002, true);
    };
    assert.equal(await damaged("train", "ntp.grad.model.layers.1.mlp.up_proj.weight", scale), false);
  });
  test("one logit off by 3e-4", async () => {
    assert.equal(
      await damaged("qwen3-dms-short", "decode_logits", (data) =>
        data.setFloat32(400, data.getFloat32(400, true) + 3e-4, true),
      ),
      false,
    );
  });
  test("a logit that is not a number", async () => {
    assert.equal(
      await damaged("qwen3-dms-short", "prefill_logits", (data) => data.setFloat32(0, Number.NaN, true)),
      false,
    );
  });
  test("one decision logit off by 2e-3", async () => {
    assert.equal(
      await damaged("qwen3-dms-short", "decision_logits", (data) =>
        data.setFloat32(8, data.getFloat32(8, true) + 2e-3, true),
      ),
      false,
    );
  });
  test("one key more", async () => {
    assert.equal(
      await damaged("qwen3-dms-short", "kept_at_end", (data) => data.setInt32(4, data.getInt32(4, true) + 1, true)),
      false,
    );
  });
  test("another greedy token", async () => {
    assert.equal(
      await damaged("qwen3-dms-short", "greedy_tokens", (data) =>
        data.setInt32(8, (data.getInt32(8, true) + 1) % 300, true),
      ),
      false,
    );
  });
  test("one kept key moved (tova)", async () => {
    const swap = (data: DataView) => {
      const first = data.getUint8(0);
      for (let i = 1; i < data.byteLength; i++)
        if (data.getUint8(i) !== first) {
          data.setUint8(i, first);
          data.setUint8(0, 1 - first);
          return;
        }
    };
    assert.equal(await damaged("decode-policies", "tova.kept_at_end", swap), false);
  });
  test("a score off by 2e-4 (expected attention)", async () => {
    assert.equal(
      await damaged("baselines", "expected_attention.scores", (data) =>
        data.setFloat32(80, data.getFloat32(80, true) + 2e-4, true),
      ),
      false,
    );
  });
  test("one kept index moved (snapkv)", async () => {
    const next = (data: DataView) => {
      for (let i = 0; i + 8 <= data.byteLength; i += 4)
        if (data.getInt32(i + 4, true) > data.getInt32(i, true) + 1)
          return data.setInt32(i, data.getInt32(i, true) + 1, true);
    };
    assert.equal(await damaged("baselines", "snapkv.kept", next), false);
  });
  test("a LoRA of another scale", async () => {
    const copy = mkdtempSync(join(tmpdir(), "hyperthink-golden-"));
    try {
      for (const folder of ["qwen3", "qwen3-lora"]) cpSync(golden + folder, join(copy, folder), { recursive: true });
      const file = join(copy, "qwen3-lora", "adapter_config.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), lora_alpha: 16.1 }));
      assert.equal(passed(await verify(join(copy, "qwen3-lora"), { device: "reference" })), false);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
  test("the undamaged copy passes", async () => {
    assert.equal(await damaged("qwen3-dms-short", "prompt", () => {}), true);
  });
});
