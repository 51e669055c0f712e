import { badFile } from "../../base/errors.ts";
import { Safetensors, type Tensor } from "../../model/safetensors.ts";
import { openSource } from "../../model/source.ts";

/** The tensors of a golden file, in memory. */
export interface Golden {
  names(): string[];
  has(name: string): boolean;
  float(name: string): Float32Array;
  int(name: string): Int32Array;
  bytes(name: string): Uint8Array;
  /** The first side of a tensor's shape. */
  rows(name: string): number;
}

const MOST = 1 << 30;

export async function readGoldenTensors(path: string): Promise<Golden> {
  const file = await Safetensors.open(await openSource(path));
  const data = new Map<string, { tensor: Tensor; bytes: Uint8Array<ArrayBuffer> }>();
  try {
    let total = 0;
    for (const tensor of file.tensors.values()) {
      total += tensor.bytes;
      if (total > MOST) throw badFile(`${path}: expected at most ${MOST} bytes of golden data`);
      data.set(tensor.name, { tensor, bytes: await file.bytes(tensor) });
    }
  } finally {
    await file.close();
  }
  const find = (name: string, dtype: string) => {
    const hit = data.get(name);
    if (!hit) throw badFile(`${path}: expected a tensor "${name}", found none`);
    if (hit.tensor.dtype !== dtype)
      throw badFile(`${path}: tensor "${name}": expected ${dtype}, got ${hit.tensor.dtype}`);
    return hit.bytes;
  };
  return {
    names: () => [...data.keys()],
    has: (name) => data.has(name),
    float: (name) => new Float32Array(find(name, "F32").buffer),
    int: (name) => new Int32Array(find(name, "I32").buffer),
    bytes: (name) => find(name, "U8"),
    rows: (name) => data.get(name)?.tensor.shape[0] ?? 0,
  };
}
