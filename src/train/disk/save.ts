import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { badArgument, badModel } from "../../base/errors.ts";
import { f32ToBf16 } from "../../base/half.ts";
import { allFinite } from "../../model/safetensors.ts";
import { writeAside } from "./aside.ts";

/** A tensor that is asked for block by block, so that it never stands whole in the host's memory. */
export interface SavedTensor {
  name: string;
  dtype: "F32" | "BF16";
  shape: readonly number[];
  /** Fills `into` with whole rows (of the last dimension) from `row` on. Called with ascending rows. */
  read(into: Float32Array, row: number): Promise<void> | void;
}

/** A safetensors file before it is written. */
export interface Layout {
  bytes: number; // of the file
  /** Writes all of it, and returns its sha256. Throws `bad-model` where a number is NaN or infinite. */
  write(handle: FileHandle): Promise<string>;
}

const SIZES = { F32: 4, BF16: 2 };
/** Numbers of a block, but for longer rows. */
const BLOCK = 1 << 20;

/**
 * Saves tensors as a safetensors file; bf16 is rounded to nearest, ties to even. An existing file stays as it was until
 * the new one is whole. Throws `bad-model` where a number is NaN or infinite, `no-memory` where the disk is full.
 */
export async function saveSafetensors(file: string, tensors: readonly SavedTensor[]): Promise<void> {
  const layout = layOut(tensors);
  await writeAside(file, layout.bytes, (handle) => layout.write(handle));
}

/** Throws `bad-argument` for two tensors of one name. */
export function layOut(tensors: readonly SavedTensor[]): Layout {
  const entries: Record<string, object> = { __metadata__: { format: "pt" } };
  let end = 0;
  // The widest numbers first, so that all are aligned.
  const ordered = [...tensors].sort((a, b) => SIZES[b.dtype] - SIZES[a.dtype]);
  for (const { name, dtype, shape } of ordered) {
    if (Object.hasOwn(entries, name)) throw badArgument(`two tensors are named ${name}; expected names that differ`);
    const begin = end;
    end += SIZES[dtype] * numbersOf(shape);
    entries[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const text = Buffer.from(JSON.stringify(entries));
  const head = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, " ");
  head.writeBigUInt64LE(BigInt(head.length - 8));
  text.copy(head, 8);
  return {
    bytes: head.length + end,
    async write(handle) {
      const hash = createHash("sha256");
      const put = async (bytes: Uint8Array) => {
        hash.update(bytes);
        await handle.writeFile(bytes); // goes on where the last one ended
      };
      await put(head);
      for (const tensor of ordered) await writeTensor(tensor, put);
      return hash.digest("hex");
    },
  };
}

const numbersOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

async function writeTensor(tensor: SavedTensor, put: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const cols = tensor.shape.at(-1) ?? 1;
  const rows = cols === 0 ? 0 : numbersOf(tensor.shape) / cols;
  const most = Math.min(rows, Math.max(1, Math.floor(BLOCK / cols)));
  const values = new Float32Array(most * cols);
  const rounded = tensor.dtype === "BF16" ? new Uint16Array(values.length) : null;
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row) * cols;
    const block = values.subarray(0, count);
    await tensor.read(block, row);
    if (!allFinite(block)) throw notFinite(tensor.name, block, row, cols);
    if (rounded) f32ToBf16(block, rounded);
    await put(new Uint8Array((rounded ?? values).buffer, 0, count * SIZES[tensor.dtype]));
  }
}

function notFinite(name: string, block: Float32Array, first: number, cols: number) {
  const at = block.findIndex((x) => !Number.isFinite(x));
  return badModel(
    `tensor ${name}, row ${first + Math.floor(at / cols)}, column ${at % cols}: expected a finite number to save, got ${block[at]}: ` +
      "what was trained is no model any more, and nothing was written; a lower rate, more warm-up steps or a smaller clip may help",
  );
}
