import { DTYPE_BYTES, type Dtype } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import { loadConfig } from "./load.ts";
import { Safetensors } from "./safetensors.ts";
import { openSource } from "./source.ts";

/** Facts of a checkpoint, read from its headers alone. */
export interface Inspection {
  path: string;
  config: Omit<ModelConfig, "frequencies">;
  tensors: number;
  dtypes: Record<string, number>; // tensors of each type
  parameters: number;
  diskBytes: number;
  weightBytes: number; // in memory, at `weights`
  weights: Dtype;
  kv: Dtype;
  kvBytesPerToken: number; // uncompressed, over all layers and KV heads
  freeBytes: number;
  /** What the free memory holds beside the weights. */
  fits: Fit[];
}

export interface Fit {
  cr: number;
  tokens: number; // of context, over all chains
  chains4k: number;
  chains32k: number;
}

const CRS = [1, 4, 8];

export async function inspect(
  path: string,
  options: { adapter?: string; weights?: Dtype; kv?: Dtype; freeBytes: number },
): Promise<Inspection> {
  const source = await openSource(path);
  const adapter = options.adapter ? await openSource(options.adapter) : undefined;
  const { frequencies, ...config } = await loadConfig(source, adapter);
  let tensors = 0;
  let parameters = 0;
  let diskBytes = 0;
  const dtypes: Record<string, number> = {};
  for (const part of adapter ? [source, adapter] : [source]) {
    const file = await Safetensors.open(part);
    for (const tensor of file.tensors.values()) {
      tensors++;
      parameters += tensor.shape.reduce((product, n) => product * n, 1);
      diskBytes += tensor.bytes;
      dtypes[tensor.dtype] = (dtypes[tensor.dtype] ?? 0) + 1;
    }
    await file.close();
  }
  const weights = options.weights ?? (Object.keys(dtypes).every((type) => type === "BF16") ? "bf16" : "f32");
  const kv = options.kv ?? "bf16";
  const weightBytes = parameters * DTYPE_BYTES[weights];
  const kvBytesPerToken = config.layers * config.kvHeads * (2 * config.headDim * DTYPE_BYTES[kv] + 4);
  const room = Math.max(0, options.freeBytes - weightBytes);
  return {
    path,
    config,
    tensors,
    dtypes,
    parameters,
    diskBytes,
    weightBytes,
    weights,
    kv,
    kvBytesPerToken,
    freeBytes: options.freeBytes,
    fits: CRS.map((cr) => {
      const tokens = Math.floor((room * cr) / kvBytesPerToken);
      return { cr, tokens, chains4k: Math.floor(tokens / 4096), chains32k: Math.floor(tokens / 32768) };
    }),
  };
}
