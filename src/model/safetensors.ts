import type { FileHandle } from "node:fs/promises";
import { badFile, badModel, type HyperthinkError } from "../base/errors.ts";
import { bf16ToF32, f16ToF32 } from "../base/half.ts";
import { parseJson } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import { MOST_POINTER, pointerFault } from "./advice.ts";
import { brief } from "./brief.ts";
import type { Source } from "./source.ts";

/** Where one tensor lies. */
export interface Tensor {
  name: string;
  dtype: string;
  shape: number[];
  file: number; // index of the shard
  start: number; // byte in the file
  bytes: number;
}

export type FloatType = "F32" | "F16" | "BF16";
const SIZES: Record<string, number> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};
const MOST_HEADER = 100 << 20; // as the format's own reader
const MOST_NAME = 512; // characters; names stand in messages
const STAGING = 1 << 20;

/** Tensors of a checkpoint's shards. Headers are checked before anything is read; data is read in blocks of 1 MiB. */
export class Safetensors implements AsyncDisposable {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #files: FileHandle[];
  readonly #staging = new Uint8Array(STAGING);

  private constructor(files: FileHandle[], tensors: Map<string, Tensor>) {
    this.#files = files;
    this.tensors = tensors;
  }

  /** A checkpoint's files, or those named. Throws `bad-file` naming the file and what is wrong with its header. */
  static async open(source: Source, shards?: readonly string[]): Promise<Safetensors> {
    const files: FileHandle[] = [];
    const tensors = new Map<string, Tensor>();
    try {
      for (const name of shards ?? (await source.shards())) {
        const file = await source.open(name);
        files.push(file);
        const path = `${source.path}/${name}`;
        for (const tensor of await readHeader(file, path, files.length - 1)) {
          if (tensors.has(tensor.name)) throw badFile(`${path}: tensor ${tensor.name} stands in another file too`);
          tensors.set(tensor.name, tensor);
        }
      }
    } catch (error) {
      for (const file of files) await file.close();
      throw error;
    }
    return new Safetensors(files, tensors);
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** All bytes of a (small) tensor. */
  async bytes(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(tensor.bytes);
    await readFully(this.#files[tensor.file], bytes, tensor.start, tensor.name);
    return bytes;
  }

  /** Whether two tensors (`b` perhaps of other files) are bit for bit the same. Reads as far as they are. */
  async same(a: Tensor, b: Tensor, files: Safetensors = this): Promise<boolean> {
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
    const other = new Uint8Array(STAGING);
    for (let done = 0; done < a.bytes; done += STAGING) {
      const bytes = Math.min(STAGING, a.bytes - done);
      const [left, right] = [this.#staging.subarray(0, bytes), other.subarray(0, bytes)];
      await readFully(this.#files[a.file], left, a.start + done, a.name);
      await readFully(files.#files[b.file], right, b.start + done, b.name);
      if (Buffer.compare(left, right) !== 0) return false;
    }
    return true;
  }

  /**
   * Calls `take` with consecutive float32 blocks of whole rows of `cols` numbers: `first` is the first
   * row, `bytes` what the block takes in the file. A block is valid until `take` is done. Throws
   * `bad-model` where a number is NaN or infinite.
   */
  async rows(
    tensor: Tensor,
    cols: number,
    take: (values: Float32Array, first: number, bytes: number) => void | Promise<void>,
  ): Promise<void> {
    const size = SIZES[tensor.dtype];
    const total = tensor.bytes / size / cols;
    const most = Math.min(total, Math.max(1, Math.floor(STAGING / (size * cols))));
    const buffer = size * cols > STAGING ? new Uint8Array(size * cols) : this.#staging;
    // float32 is taken where it lies.
    const values = tensor.dtype === "F32" ? new Float32Array(buffer.buffer) : new Float32Array(most * cols);
    for (let row = 0; row < total; row += most) {
      const count = Math.min(most, total - row);
      const bytes = count * cols * size;
      await readFully(
        this.#files[tensor.file],
        buffer.subarray(0, bytes),
        tensor.start + row * cols * size,
        tensor.name,
      );
      const block = values.subarray(0, count * cols);
      if (!widened(buffer, tensor.dtype as FloatType, block)) throw notFinite(tensor, block, row, cols);
      await take(block, row, bytes);
    }
  }
}

/** Widens into `out`, where float32 lies already. True where all numbers are finite. */
function widened(bytes: Uint8Array, dtype: FloatType, out: Float32Array): boolean {
  if (dtype === "F32") return allFinite(out);
  return (dtype === "BF16" ? bf16ToF32 : f16ToF32)(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out);
}

/** Whether no number is NaN or infinite. */
export function allFinite(x: Float32Array): boolean {
  const words = new Uint32Array(x.buffer, x.byteOffset, x.length);
  let carry = 0; // out of an exponent of ones: NaN or infinity
  for (let i = 0; i < words.length; i++) carry |= ((words[i] >>> 23) & 0xff) + 1;
  return (carry & 0x100) === 0;
}

function notFinite({ name, dtype }: Tensor, block: Float32Array, first: number, cols: number): HyperthinkError {
  const at = block.findIndex((x) => !Number.isFinite(x));
  const advice =
    dtype === "F16" ? "or its weights do not fit into float16; get it again, or as BF16 or F32" : "get it again";
  return badModel(
    `tensor ${name}, row ${first + Math.floor(at / cols)}, column ${at % cols}: expected a finite number, got ${block[at]}: the checkpoint is damaged${dtype === "F16" ? ", " : "; "}${advice}`,
  );
}

async function readFully(file: FileHandle, into: Uint8Array, position: number, what: string): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw badFile(`${what}: the file ended ${into.length - done} bytes early`);
    done += bytesRead;
  }
}

async function readHeader(file: FileHandle, path: string, index: number): Promise<Tensor[]> {
  const wrong = (message: string) => badFile(`${path}: ${message}`);
  const { size } = await file.stat();
  if (size < 8) throw wrong(`expected a safetensors file, got ${size} bytes`);
  if (size <= MOST_POINTER) {
    const all = new Uint8Array(size);
    await readFully(file, all, 0, path);
    const fault = pointerFault(new TextDecoder().decode(all));
    if (fault) throw wrong(fault);
  }
  const prefix = new Uint8Array(8);
  await readFully(file, prefix, 0, path);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(Math.min(MOST_HEADER, size - 8)))
    throw wrong(
      `its header claims ${length} bytes, the file has ${size} (and a header at most ${MOST_HEADER}): truncated, or not safetensors`,
    );
  const bytes = new Uint8Array(Number(length));
  await readFully(file, bytes, 8, path);
  const header = parseJson(new TextDecoder().decode(bytes), `${path}: its header`);
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw wrong("its header is not a JSON object");
  const start = 8 + Number(length);
  const tensors: Tensor[] = [];
  for (const [name, entry] of Object.entries(header))
    if (name !== "__metadata__") tensors.push(readEntry(name, entry, index, start, size, wrong));
  const filled = tensors.filter((tensor) => tensor.bytes > 0).sort((a, b) => a.start - b.start);
  for (let i = 1; i < filled.length; i++)
    if (filled[i - 1].start + filled[i - 1].bytes > filled[i].start)
      throw wrong(`tensors ${filled[i - 1].name} and ${filled[i].name} overlap`);
  return tensors;
}

function readEntry(
  name: string,
  entry: unknown,
  file: number,
  start: number,
  size: number,
  wrong: (message: string) => HyperthinkError,
): Tensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (name.length > MOST_NAME || visible(name) !== name)
    throw wrong(`expected names of at most ${MOST_NAME} printable characters, got ${brief(name)}`);
  const natural = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof dtype !== "string" || !Object.hasOwn(SIZES, dtype))
    throw wrong(`tensor ${name}: expected a dtype such as F32, F16 or BF16, got ${brief(dtype)}`);
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(natural))
    throw wrong(`tensor ${name}: expected a shape of whole numbers, got ${brief(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(natural) || offsets[1] < offsets[0])
    throw wrong(`tensor ${name}: expected data_offsets [begin, end], got ${brief(offsets)}`);
  const bytes = offsets[1] - offsets[0];
  const expected = shape.reduce((product, n) => product * BigInt(n), BigInt(SIZES[dtype]));
  if (expected !== BigInt(bytes))
    throw wrong(`tensor ${name}: shape [${shape}] of ${dtype} takes ${expected} bytes, its offsets give ${bytes}`);
  if (start + offsets[1] > size)
    throw wrong(
      `tensor ${name} ends at byte ${start + offsets[1]}, the file has ${size}: truncated, or its header lies`,
    );
  return { name, dtype, shape, file, start: start + offsets[0], bytes };
}
