// Golden gradients as other folders of their kind may hold them: one loss of the three, no gates, borrowed ones.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { verify } from "../../src/eval/verify.ts";
import { Safetensors } from "../../src/model/safetensors.ts";
import { openSource } from "../../src/model/source.ts";
import { f32, safetensors, type Tensors } from "../support/checkpoint.ts";

const golden = fileURLToPath(new URL("../../golden/", import.meta.url));
const folders = mkdtempSync(join(tmpdir(), "hyperthink-gradients-"));
after(() => rmSync(folders, { recursive: true }));

const recorded = JSON.parse(readFileSync(join(golden, "train/golden.json"), "utf8"));

/** The recorded folder with other settings, another model, and the tensors that `has` leaves. */
async function changed(
  settings: Record<string, unknown>,
  { model = "qwen3-dms-head", has = (_: string): boolean => true, more = {} as Tensors } = {},
): Promise<string> {
  const folder = mkdtempSync(join(folders, "made-"));
  const kept: Tensors = {};
  await using file = await Safetensors.open(await openSource(join(golden, "train/golden.safetensors")));
  for (const [name, tensor] of file.tensors)
    if (has(name))
      kept[name] = { dtype: tensor.dtype, shape: [...tensor.shape], data: new Uint8Array(await file.bytes(tensor)) };
  writeFileSync(join(folder, "golden.safetensors"), safetensors({ ...kept, ...more }));
  const json = { ...recorded, model: relative(folder, join(golden, model)), ...settings };
  writeFileSync(join(folder, "golden.json"), JSON.stringify(json));
  return folder;
}

async function passes(folder: string): Promise<string[]> {
  const { checks } = await verify(folder);
  assert.deepEqual(
    checks.filter(({ status }) => status !== "PASS"),
    [],
  );
  return checks.map(({ name }) => name);
}

const refused = async (folder: string, message: RegExp) =>
  assert.rejects(verify(folder), (error) => error instanceof HyperthinkError && message.test(error.message));

const { distill, ntp, pretrain } = recorded.loss;

describe("golden gradients", () => {
  test("of one loss alone", async () => {
    const names = await passes(await changed({ loss: { distill } }));
    assert.ok(names.length === 8 && names.every((name) => name.startsWith("distill")), names.join());
    await passes(await changed({ loss: { ntp } }));
  });

  test("of plain pretraining, which knows neither noise nor what gates act by", async () => {
    const plain = { tau: undefined, window: undefined, target_evicted_fraction: undefined };
    await passes(await changed({ ...plain, loss: { pretrain } }, { has: (name) => name !== "noise" }));
  });

  test("a model that borrows channels is taught by itself without them", async () => {
    const at = "distill.grad.model.norm.weight";
    const zero = { total: 0, data_term: 0, sparsity_term: 0 };
    const still = { overrides: { dms_initial_alpha_offset: 1e6 }, target_evicted_fraction: 0, loss: { distill: zero } };
    const folder = await changed(still, {
      model: "qwen3-dms-query-neuron",
      has: (name) => name === "input_ids" || name === "noise",
      more: { [at]: f32([64], new Float32Array(64)) },
    });
    await passes(folder);
  });

  test("what is missing is named", async () => {
    await refused(await changed({ loss: {} }), /golden\.json: loss: expected distill, ntp or pretrain, found none/);
    await refused(await changed({ loss: { kl: distill } }), /golden\.json: loss/);
    await refused(await changed({ tau: undefined, loss: { distill } }), /golden\.json: tau/);
    await refused(await changed({ loss: { ntp } }, { has: (name) => name !== "noise" }), /"noise", found none/);
    await refused(await changed({ loss: { ntp }, overrides: {} }, { model: "qwen3" }), /expected a model with gates/);
  });
});
