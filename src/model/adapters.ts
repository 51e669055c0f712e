import { badArgument, badFile } from "../base/errors.ts";
import { hasGates, type ModelConfig } from "./config.ts";
import { LORA_CONFIG, LORA_PICKLE, LORA_WEIGHTS, LoraFile } from "./lora.ts";
import type { Note } from "./match.ts";
import type { Safetensors } from "./safetensors.ts";
import { INDEX, openSource, type Source, WEIGHTS } from "./source.ts";

/** What is laid over a model: gates of at most one folder, and LoRAs, which add up. */
export interface Adapters {
  gates?: Source;
  loras: readonly Source[];
}

/**
 * Folders (or files) with DMS gates, a PEFT LoRA, or both: a folder is a LoRA's where PEFT's files lie in it, and has
 * gates where it is not, or where its config.json has dms_* keys. Throws `bad-file`, `bad-argument` for gates of two.
 */
export async function openAdapters(paths: string | readonly string[] = []): Promise<Adapters> {
  const gates: Source[] = [];
  const loras: Source[] = [];
  for (const path of [paths].flat()) {
    const source = await openSource(path);
    const isLora = await holdsLora(source);
    if (isLora) loras.push(source);
    if (!isLora || (await holdsGates(source))) gates.push(source);
  }
  if (gates.length > 1)
    throw badArgument(
      `adapters ${gates.map(({ path }) => path).join(" and ")} have DMS gates each: expected gates of one of them`,
    );
  return { gates: gates[0], loras };
}

async function holdsLora(source: Source): Promise<boolean> {
  if (source.single) return source.single === LORA_WEIGHTS;
  for (const name of [LORA_CONFIG, LORA_WEIGHTS, LORA_PICKLE]) if (await source.has(name)) return true;
  return false;
}

/** Of a folder with a LoRA. */
async function holdsGates(source: Source): Promise<boolean> {
  if (source.single || !hasGates(await source.json("config.json"))) return false;
  for (const name of [WEIGHTS, INDEX]) if (await source.has(name)) return true;
  throw badFile(
    `${source.path}: its config.json has dms_* keys: expected their gates in ${WEIGHTS}, found none; without gates, remove config.json`,
  );
}

/** Opens LoRAs over a model whose tensors are `base`; each is to be closed. Throws as `LoraFile.open`. */
export async function openLoras(
  sources: readonly Source[],
  config: ModelConfig,
  base: Safetensors,
  note: Note,
): Promise<LoraFile[]> {
  const loras: LoraFile[] = [];
  try {
    for (const source of sources) loras.push(await LoraFile.open(source, config, base, note));
  } catch (error) {
    for (const lora of loras) await lora.close();
    throw error;
  }
  return loras;
}
