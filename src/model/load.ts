import { HyperthinkError, noMemory } from "../base/errors.ts";
import { gib } from "../base/gib.ts";
import { type Device, WEIGHT_FORMATS, type WeightFormat } from "../device/device.ts";
import { openLoras } from "./adapters.ts";
import { allocate } from "./allocate.ts";
import { applyAdapter, type ModelConfig, parseConfig } from "./config.ts";
import type { Lora, LoraFile } from "./lora.ts";
import { hasOwnHead, match, type Note } from "./match.ts";
import { addLoras } from "./merge.ts";
import { entries, tensorTable } from "./names.ts";
import { Safetensors } from "./safetensors.ts";
import type { Source } from "./source.ts";
import type { Weights } from "./weights.ts";

export interface WeightOptions {
  weights: WeightFormat;
  /** Bytes that this machine has; more is refused before anything is allocated. Default: no limit. */
  memory?: number;
  /** A folder with gates. */
  adapter?: Source;
  /** Folders with a LoRA each, which are added to the weights in float32, before these are rounded. */
  loras?: readonly Source[];
  note?: Note;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/**
 * The configuration of a model as its files make it: an adapter's gates laid over it, and tied only where no head of
 * its own says otherwise. Throws `bad-file`, `bad-model`, `unsupported`.
 */
export async function loadConfig(source: Source, adapter?: Source, note: Note = () => {}): Promise<ModelConfig> {
  const json = await source.json("config.json");
  if (json === null) throw await source.lacks("config");
  const config = parseConfig(json, await source.json("generation_config.json"));
  if (config.tied) {
    await using file = await Safetensors.open(source);
    config.tied = !(await hasOwnHead(file));
    if (!config.tied)
      note("config.json has tie_word_embeddings true, and lm_head.weight is not the embedding: lm_head.weight is used");
  }
  if (!adapter) return config;
  const gates = await adapter.json("config.json");
  if (gates === null) throw await adapter.lacks("config");
  return applyAdapter(config, gates);
}

/** bf16 where the checkpoint's projections are bf16, so that nothing is lost; else f32. */
export async function defaultDtype(source: Source): Promise<WeightFormat> {
  await using file = await Safetensors.open(source);
  const projections = [...file.tensors.values()].filter(({ name }) =>
    /\.(q|k|v|o|gate|up|down)_proj\.weight$/.test(name),
  );
  return projections.length > 0 && projections.every(({ dtype }) => dtype === "BF16") ? "bf16" : "f32";
}

/**
 * Streams a checkpoint into a device: block by block through a small staging buffer into the device's own layout, so
 * that no tensor is held twice. Device memory is taken when all tensors were found to fit `config`, and this
 * machine. Throws `bad-file` (a damaged file), `bad-model` (tensors that are missing, unknown or of a wrong shape or
 * type, by name), `no-memory`, `aborted`.
 */
export async function loadWeights(
  device: Device,
  config: ModelConfig,
  source: Source,
  options: WeightOptions,
): Promise<Weights> {
  const { note = () => {} } = options;
  const files: Safetensors[] = [];
  const loras: LoraFile[] = [];
  try {
    files.push(await Safetensors.open(source));
    if (options.adapter) files.push(await Safetensors.open(options.adapter));
    const found = match(config, files, source.path, note, options.adapter?.path);
    loras.push(...(await openLoras(options.loras ?? [], config, files[0], note)));
    checkMemory(config, options, loras);
    const added = await readLoras(loras);
    const { weights, targets } = allocate(device, config, {
      weights: options.weights,
      has: (wanted) => found.has(wanted.names[0]),
      rounds: ({ names: [name] }) => added.has(name) || found.get(name)?.tensor.dtype !== "BF16",
    });
    const jobs = targets.map(({ wanted, put }) => ({
      ...found.get(wanted.names[0])!,
      put,
      cols: wanted.shape[1] ?? 1,
      add: added.get(wanted.names[0]),
    }));
    const total = jobs.reduce((sum, job) => sum + job.tensor.bytes, 0);
    let done = 0;
    for (const { file, tensor, cols, put, add } of jobs)
      await file.rows(tensor, cols, (values, row, bytes) => {
        if (options.signal?.aborted) throw new HyperthinkError("aborted", "loading was aborted");
        if (add) addLoras(values, row, cols, add, tensor.name);
        put(values, row);
        done += bytes;
        options.onProgress?.(done, total);
      });
    return weights;
  } finally {
    for (const file of [...files, ...loras]) await file.close();
  }
}

/** By the name of the tensor that they are added to. */
async function readLoras(files: readonly LoraFile[]): Promise<Map<string, Lora[]>> {
  const added = new Map<string, Lora[]>();
  for (const file of files)
    for (const part of file.parts) {
      const name = part.wanted.names[0];
      added.set(name, [...(added.get(name) ?? []), await file.read(part)]);
    }
  return added;
}

/** A system that gives memory which it does not have ends the process when weights reach it, without a word. */
function checkMemory(
  config: ModelConfig,
  { weights, memory: machine = Number.POSITIVE_INFINITY }: WeightOptions,
  loras: readonly LoraFile[],
): void {
  const bytes = entries(tensorTable(config))
    .filter((wanted) => !wanted.optional)
    .reduce((sum, { shape: [rows, cols = 1], exact }) => {
      return sum + rows * WEIGHT_FORMATS[exact ? "f32" : weights].bytesPerRow(cols);
    }, 0);
  const more = loras.reduce((sum, lora) => sum + lora.bytes, 0);
  if (bytes + more <= machine) return;
  throw noMemory(
    `the weights take ${gib(bytes)} as ${weights}${more ? ` and their adapters ${gib(more)}` : ""}, this machine has ${gib(machine)}: expected a smaller model${weights === "f32" ? ", or --weights bf16" : ""}`,
  );
}
