import { HyperthinkError } from "../base/errors.ts";
import { type Device, DTYPE_BYTES, type Dtype } from "../device/device.ts";
import { allocate } from "./allocate.ts";
import { applyAdapter, type ModelConfig, parseConfig } from "./config.ts";
import { entries, ignored, tensorTable, type Wanted } from "./names.ts";
import { Safetensors, type Tensor } from "./safetensors.ts";
import type { Source } from "./source.ts";
import type { Weights } from "./weights.ts";

export interface WeightOptions {
  weights: Dtype;
  /** Bytes that this machine has; more is refused before anything is allocated. Default: no limit. */
  memory?: number;
  adapter?: Source;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** The configuration of a model, with an adapter's gates laid over it. */
export async function loadConfig(source: Source, adapter?: Source): Promise<ModelConfig> {
  const json = await source.json("config.json");
  if (json === null)
    throw new HyperthinkError(
      "bad-file",
      `${source.path}: expected config.json, found none; is it a Hugging Face model folder?`,
    );
  const config = parseConfig(json, await source.json("generation_config.json"));
  return adapter ? applyAdapter(config, await adapter.json("config.json")) : config;
}

/** bf16 where the checkpoint's projections are bf16, so that nothing is lost; else f32. */
export async function defaultDtype(source: Source): Promise<Dtype> {
  const file = await Safetensors.open(source);
  await file.close();
  const projections = [...file.tensors.values()].filter(({ name }) =>
    /\.(q|k|v|o|gate|up|down)_proj\.weight$/.test(name),
  );
  return projections.length > 0 && projections.every(({ dtype }) => dtype === "BF16") ? "bf16" : "f32";
}

/**
 * Streams a checkpoint into a device: block by block through a small staging buffer into the device's own layout, so that no
 * tensor is held twice. Device memory is taken when all tensors were found to fit `config`, and this machine.
 * Throws `bad-file` (a damaged file), `bad-model` (tensors that are missing, unknown or of a wrong shape or type, by name),
 * `no-memory`, `aborted`.
 */
export async function loadWeights(
  device: Device,
  config: ModelConfig,
  source: Source,
  options: WeightOptions,
): Promise<Weights> {
  const files: Safetensors[] = [];
  try {
    files.push(await Safetensors.open(source));
    if (options.adapter) files.push(await Safetensors.open(options.adapter));
    const found = match(config, files, source.path);
    checkMemory(config, options);
    const { weights, targets } = allocate(device, config, {
      weights: options.weights,
      has: (wanted) => found.has(wanted.names[0]),
      rounds: (wanted) => found.get(wanted.names[0])?.tensor.dtype !== "BF16",
    });
    const jobs = targets.map(({ wanted, put }) => ({
      ...found.get(wanted.names[0])!,
      put,
      cols: wanted.shape[1] ?? 1,
    }));
    const total = jobs.reduce((sum, job) => sum + job.tensor.bytes, 0);
    let done = 0;
    for (const { file, tensor, cols, put } of jobs)
      await file.rows(tensor, cols, (values, row, bytes) => {
        if (options.signal?.aborted) throw new HyperthinkError("aborted", "loading was aborted");
        put(values, row);
        done += bytes;
        options.onProgress?.(done, total);
      });
    return weights;
  } finally {
    for (const file of files) await file.close();
  }
}

/** A system that gives memory which it does not have ends the process when weights reach it, without a word. */
function checkMemory(
  config: ModelConfig,
  { weights, memory: machine = Number.POSITIVE_INFINITY }: WeightOptions,
): void {
  const bytes = entries(tensorTable(config))
    .filter((wanted) => !wanted.optional)
    .reduce((sum, { shape, exact }) => sum + shape.reduce((a, b) => a * b, DTYPE_BYTES[exact ? "f32" : weights]), 0);
  if (bytes <= machine) return;
  const gib = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  throw new HyperthinkError(
    "no-memory",
    `the weights take ${gib(bytes)} as ${weights}, this machine has ${gib(machine)}: expected a smaller model${weights === "f32" ? ", or --weights bf16" : ""}`,
  );
}

interface Found {
  file: Safetensors;
  tensor: Tensor;
}

/** Each wanted tensor (by its first name) where it lies. Throws one `bad-model` that tells all that does not fit. */
function match(config: ModelConfig, files: readonly Safetensors[], path: string): Map<string, Found> {
  const found = new Map<string, Found>();
  const left = new Set(files.flatMap((file) => [...file.tensors.keys()].filter((name) => !ignored(name, config))));
  const faults = { missing: [] as string[], twice: [] as string[], wrong: [] as string[] };
  for (const wanted of entries(tensorTable(config))) {
    const hits = files.flatMap((file) =>
      wanted.names.flatMap((name) => ({ file, tensor: file.tensors.get(name) })).filter((hit) => hit.tensor),
    ) as Found[];
    for (const { tensor } of hits) left.delete(tensor.name);
    if (hits.length > 1) faults.twice.push(hits[0].tensor.name);
    else if (hits.length === 0 && !wanted.optional) faults.missing.push(wanted.names[0]);
    else if (hits.length === 1) {
      const wrong = misfit(hits[0].tensor, wanted);
      if (wrong) faults.wrong.push(wrong);
      found.set(wanted.names[0], hits[0]);
    }
  }
  const told = [
    tell("missing", faults.missing),
    tell("in two places, expected in one (the model or its adapter)", faults.twice),
    tell("wrong", faults.wrong),
    tell("unknown", [...left]),
  ].filter((text) => text !== null);
  if (told.length)
    throw new HyperthinkError(
      "bad-model",
      `${path}: the tensors do not fit config.json (${config.architecture}, ${config.layers} layers); ${told.join("; ")}`,
    );
  return found;
}

function misfit({ name, shape, dtype }: Tensor, wanted: Wanted): string | null {
  if (shape.length !== wanted.shape.length || shape.some((n, i) => n !== wanted.shape[i]))
    return `${name} (expected shape [${wanted.shape}], got [${shape}])`;
  if (!["F32", "F16", "BF16"].includes(dtype))
    return `${name} (expected F32, F16 or BF16, got ${dtype}: quantised checkpoints are not read)`;
  return null;
}

const SHOWN = 5;

function tell(what: string, names: string[]): string | null {
  if (names.length === 0) return null;
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return `${what}: ${names.slice(0, SHOWN).join(", ")}${more}`;
}
