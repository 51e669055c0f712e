import { HyperthinkError } from "../base/errors.ts";
import { type KvFormat, PAGE_FORMATS, PAGE_SLOTS, WEIGHT_FORMATS, type WeightFormat } from "../device/device.ts";
import { openAdapters, openLoras } from "./adapters.ts";
import type { ModelConfig } from "./config.ts";
import { defaultDtype, loadConfig } from "./load.ts";
import type { LoraFile } from "./lora.ts";
import { match } from "./match.ts";
import { entries, tensorTable } from "./names.ts";
import { readRecipe } from "./recipe.ts";
import { Safetensors } from "./safetensors.ts";
import { openSource } from "./source.ts";

/** Facts of a checkpoint, read from its headers (and its head, where config.json calls it tied). */
export interface Inspection {
  path: string;
  config: Omit<ModelConfig, "frequencies">;
  tensors: number;
  dtypes: Record<string, number>; // tensors of each type
  parameters: number; // gates included
  diskBytes: number;
  /** LoRAs that are added to the weights, none of whose numbers are counted above. */
  loras: LoraFacts[];
  /** How this project's trainer made the model or its adapters, folder by folder. */
  recipes: { path: string; settings: Record<string, string | number | boolean> }[];
  weightBytes: number; // in memory, at `weights`
  weights: WeightFormat;
  kv: KvFormat;
  kvBytesPerToken: number; // uncompressed, over all layers and KV heads
  freeBytes: number;
  /** What the free memory holds beside the weights. */
  fits: Fit[];
  /** What a user should know of it: tensors that are not used, or why it does not load. */
  notes: string[];
}

export interface LoraFacts {
  path: string;
  modules: Record<string, number>; // matrices by the last word of their name, such as q_proj
  ranks: number[]; // each once, ascending
  scales: number[]; // as `ranks`: alpha / rank, or alpha / sqrt(rank)
  bytes: number; // on disk
}

export interface Fit {
  cr: number;
  tokens: number; // of context, windows aside
  chains4k: number;
  chains32k: number;
}

const CRS = [1, 4, 8];

export async function inspect(
  path: string,
  options: { adapter?: string | readonly string[]; weights?: WeightFormat; kv?: KvFormat; freeBytes: number },
): Promise<Inspection> {
  const source = await openSource(path);
  const { gates, loras: sources } = await openAdapters(options.adapter);
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const whole = await loadConfig(source, gates, note);
  const { frequencies, ...config } = whole;
  let tensors = 0;
  let diskBytes = 0;
  const dtypes: Record<string, number> = {};
  const files: Safetensors[] = [];
  const loras: LoraFile[] = [];
  try {
    for (const part of gates ? [source, gates] : [source]) files.push(await Safetensors.open(part));
    for (const tensor of files.flatMap((file) => [...file.tensors.values()])) {
      tensors++;
      diskBytes += tensor.bytes;
      dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + 1;
    }
    match(whole, files, path, note);
    loras.push(...(await openLoras(sources, whole, files[0], note)));
  } catch (error) {
    if (!(error instanceof HyperthinkError && error.code === "bad-model")) throw error;
    note(`it does not load: ${error.message}`);
  } finally {
    for (const file of [...files, ...loras]) await file.close();
  }
  const recipes: Inspection["recipes"] = [];
  for (const part of new Map([source, ...(gates ? [gates] : []), ...sources].map((s) => [s.path, s])).values()) {
    const settings = await readRecipe(part);
    if (settings) recipes.push({ path: part.path, settings });
  }
  const weights = options.weights ?? (await defaultDtype(source));
  const kv = options.kv ?? "bf16";
  // What the engine keeps, not what lies in the files: those may hold a copy of a tied head, or old RoPE tables.
  const sizes = entries(tensorTable(whole)).map(({ shape, optional, exact }) => ({
    numbers: optional ? 0 : shape.reduce((product, n) => product * n, 1),
    bytes: WEIGHT_FORMATS[exact ? "f32" : weights].bytesPerRow(1),
  }));
  const parameters = sizes.reduce((sum, { numbers }) => sum + numbers, 0);
  const weightBytes = sizes.reduce((sum, { numbers, bytes }) => sum + numbers * bytes, 0);
  const kvBytesPerToken = (config.layers * config.kvHeads * PAGE_FORMATS[kv].bytes(config.headDim)) / PAGE_SLOTS;
  const room = Math.max(0, options.freeBytes - weightBytes);
  return {
    path,
    config,
    tensors,
    dtypes,
    parameters,
    diskBytes,
    loras: loras.map(factsOf),
    recipes,
    weightBytes,
    weights,
    kv,
    kvBytesPerToken,
    freeBytes: options.freeBytes,
    fits: CRS.map((cr) => fit(room / kvBytesPerToken, cr, config.dms?.window ?? 0)),
    notes,
  };
}

function factsOf({ path, parts }: LoraFile): LoraFacts {
  const modules: Record<string, number> = {};
  for (const { wanted } of parts) {
    const word = wanted.names[0].split(".").at(-2)!;
    modules[word] = (modules[word] ?? 0) + 1;
  }
  const each = (numbers: number[]) => [...new Set(numbers)].sort((a, b) => a - b);
  return {
    path,
    modules,
    ranks: each(parts.map(({ rank }) => rank)),
    scales: each(parts.map(({ scale }) => scale)),
    bytes: parts.reduce((sum, { a, b }) => sum + a.bytes + b.bytes, 0),
  };
}

/**
 * What `keys` keys per lane hold at a compression ratio: a chain of n tokens keeps n / cr of them for good,
 * and the doomed ones of its last `window` tokens for a while, which short chains feel (4096 tokens at CR 8
 * and window 512: 960 keys, not 512).
 */
export function fit(keys: number, cr: number, window: number): Fit {
  const doomed = 1 - 1 / cr;
  const held = (tokens: number) => tokens / cr + doomed * Math.min(tokens, window);
  const tokens = Math.floor(keys * cr);
  return { cr, tokens, chains4k: Math.floor(keys / held(4096)), chains32k: Math.floor(keys / held(32768)) };
}
