import { copyFile, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Device } from "../device/device.ts";
import { writeJsonAtomic } from "./aside.ts";
import { isGate, type Parameter } from "./parameters.ts";
import { type SavedTensor, saveSafetensors } from "./save.ts";

/** A tensor as it goes into a file: gates and vectors of gates stay float32, since their logits are scaled by 100. */
export function saved(device: Device, p: Parameter, dtype: SavedTensor["dtype"]): SavedTensor {
  return {
    name: p.name,
    dtype: isGate(p) ? "F32" : dtype,
    shape: [...p.shape],
    read: (into, row) => device.read(p.value, row * p.cols, into),
  };
}

/** Files of a model folder that no training changes: tokenizer, chat template, sampling. */
const BESIDE =
  /^(tokenizer.*|special_tokens_map|added_tokens|vocab|generation_config|chat_template)\.(json|jinja|model)$|^merges\.txt$|^vocab\.txt$/;

/** A whole model folder: config.json, weights, and what stands beside them in `from`. */
export async function saveModel(
  device: Device,
  parameters: readonly Parameter[],
  folder: string,
  config: Record<string, unknown>,
  { from, dtype }: { from: string | null; dtype: SavedTensor["dtype"] },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (from !== null)
    for (const name of await readdir(from)) if (BESIDE.test(name)) await copyFile(join(from, name), join(folder, name));
  await saveSafetensors(
    join(folder, "model.safetensors"),
    parameters.map((p) => saved(device, p, dtype)),
  );
  await writeJsonAtomic(join(folder, "config.json"), config);
}
