import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Device } from "../device/device.ts";
import { loraNames } from "../model/lora-match.ts";
import { cleanAside, copyInto, makeFolder, writeJsonAtomic } from "./disk/aside.ts";
import { type SavedTensor, saveSafetensors } from "./disk/save.ts";
import { isGate, type Parameter, type Parameters } from "./parameters.ts";

/** A tensor as it goes into a file. What gates come from stays float32, since their logits are scaled by 100. */
function saved(
  device: Device,
  p: Parameter,
  dtype: SavedTensor["dtype"],
  { borrowed }: { borrowed: boolean } = { borrowed: false },
): SavedTensor {
  return {
    name: p.name,
    dtype: isGate(p) || (borrowed && p.name.includes(".q_proj.")) ? "F32" : dtype,
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
  await makeFolder(folder);
  await cleanAside(folder);
  if (from !== null)
    for (const name of await readdir(from)) if (BESIDE.test(name)) await copyInto(join(folder, name), join(from, name));
  const borrowed = config.dms_separate_alpha === false;
  await saveSafetensors(
    join(folder, "model.safetensors"),
    parameters.map((p) => saved(device, p, dtype, { borrowed })),
  );
  const type = dtype === "F32" ? "float32" : "bfloat16";
  await writeJsonAtomic(join(folder, "config.json"), {
    ...config,
    ...("dtype" in config ? { dtype: type } : { torch_dtype: type }),
  });
}

/** An adapter folder: gates as NVIDIA's trainer writes them, and a LoRA as PEFT does, whichever learned. */
export async function saveAdapter(
  device: Device,
  parameters: Parameters,
  folder: string,
  config: Record<string, unknown>,
  { base, dtype }: { base: string; dtype: SavedTensor["dtype"] },
): Promise<void> {
  await makeFolder(folder);
  await cleanAside(folder);
  const low = parameters.all.filter((p) => p.low !== null);
  if (low.length > 0) {
    const tensors = low.flatMap((p) => {
      const { a, b } = loraNames(p.name.replace(/\.weight$/, ""));
      return [
        { ...saved(device, p.low!.a, dtype), name: a },
        { ...saved(device, p.low!.b, dtype), name: b },
      ];
    });
    await saveSafetensors(join(folder, "adapter_model.safetensors"), tensors);
    const { rank, scale } = low[0].low!;
    const modules = new Set(low.map(({ name }) => name.split(".").at(-2)!));
    await writeJsonAtomic(join(folder, "adapter_config.json"), {
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      base_model_name_or_path: base, // from the folder
      r: rank,
      lora_alpha: scale * rank,
      lora_dropout: 0,
      target_modules: [...modules],
      bias: "none",
      fan_in_fan_out: false,
      inference_mode: true,
      use_dora: false,
      use_rslora: false,
      modules_to_save: null,
    });
  }
  const gates = parameters.all.filter(isGate).map((p) => saved(device, p, "F32"));
  await saveSafetensors(join(folder, "model.safetensors"), gates);
  await writeJsonAtomic(join(folder, "config.json"), config);
}
