// The addon of kernels/: its types, its operations, where it is found.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../base/errors.ts";
import type { Numbers } from "./device.ts";

/** Words of each operation after its code, which is its place here; kernels/ops.h holds the same list. */
export const OPS = {
  embed: 4, // out, table, ids, rows
  pick: 5, // out, x, index, count, dim
  norm: 6, // out, x, weight, rows, dim, eps
  matmul: 6, // out, x, w, rows, bias | -1, add
  angles: 5, // out, positions, frequencies, rows, half
  rope: 5, // x, angles, rows, heads, dim
  swiglu: 4, // out, gate, up, count
  borrow: 6, // raw, q, rows, query heads, KV heads, dim
  blank: 5, // q, rows, query heads, KV heads, dim
  gate: 7, // z, raw, rows, KV heads, scale, offset, per layer
  attendChunk: 13, // out, q, k, v, lanes, layer, list, first, count, z | -1, threshold, window, shift
  admitChunk: 11, // k, v, lanes, layer, list, first, count, z | -1, threshold, window, shift
  admit: 11, // as admitChunk
  attend: 12, // out, q, lanes, layer, list, first, count, raw | -1, lse | -1, stride, archive query | -1, bounds | -1
  fork: 9, // lanes, list, first, count, board | -1, stride, ring | -1, its queries, moments | -1
  sample: 12, // ids, logprob, top ids, top logprobs, logits, vocabulary, real, whole, seen, list, first, count
  mark: 5, // z, flags, rows, KV heads, fill
  gelu: 2, // x, count
  remember: 9, // ring, its queries, q, lanes, layer, list, first, count, chunk
  sum: 9, // board, stride, q, k, lanes, layer, list, first, count
  clear: 6, // board, stride, lanes, list, first, count
  gather: 8, // sums, skip, q, lanes, layer, list, first, count
  note: 10, // board, stride, z, shift, lanes, layer, list, first, count, chunk
  bound: 7, // bounds, lanes, layer, list, first, count, chunk
  weigh: 11, // board, stride, raw, lse, their stride, lanes, layer, list, first, count, add
  score: 19, // board, stride, ring | -1, its queries, lanes, layer, list, first, count, slack, pool, kind, 5 of the kind, 2 buffers | -1
  keep: 15, // board, stride, lanes, layer, layers, list, first, count, slack, recent (2), pool, floor (2), replace
  replay: 10, // board, stride, q, k, lanes, layer, list, first, count, sinks
} as const;
export type OpName = keyof typeof OPS;

/** An open native device; only the addon looks inside. */
export type Handle = object & { readonly __handle: never };

/** The number of a pool in the words of `score` and `keep`. */
export const POOLS = { lane: 0, layer: 1, set: 2 } as const;
/** The number of a scorer in the words of `score`. */
export const KINDS = {
  norm: 0,
  difference: 1,
  random: 2, // seed
  mean: 3,
  attention: 4, // queries, over, group, pool, kernel
  redundancy: 5, // weight, similar
  expected: 6, // future, covariance, values, epsilon, skip; sums, frequencies
} as const;
export const OVERS = { all: 0, others: 1 } as const;
export const GROUPS = { mean: 0, max: 1, layer: 2 } as const;
export const SMOOTHINGS = { mean: 0, max: 1 } as const;

/** What kernels/binding.cc exports. Ids are -1 where there was no memory. */
export interface Addon {
  readonly ops: Record<string, number>;
  sets(): string[]; // instruction sets of this machine and build, the best first
  open(threads: number, isa: string): Handle;
  share(device: Handle, numbers: Numbers): number;
  hidden(device: Handle, length: number): number;
  matrix(device: Handle, rows: number, cols: number, bf16: boolean): number;
  writeRows(device: Handle, matrix: number, first: number, values: Float32Array): void;
  lanes(device: Handle, shape: Int32Array, tables: Int32Array): number;
  run(device: Handle, words: Int32Array, count: number): Promise<void>;
  read(device: Handle, buffer: number, from: number, into: Float32Array): void;
  live(device: Handle, lanes: number, lane: number): Int32Array;
  keys(device: Handle, lanes: number, lane: number): Float32Array; // by key: the bits of its position, K, V
  close(device: Handle): void;
  measureRead(threads: number, isa: string, bytes: number): number; // bytes a second
  measureMultiplyAdd(threads: number, isa: string): number; // operations a second
}

const NAME = `hyperthink-${process.platform}-${process.arch}.node`; // as kernels/build.mjs calls it
const FILE = fileURLToPath(new URL(`../../kernels/build/${NAME}`, import.meta.url));
const ADVICE = "install g++ or clang++ (C++20) and run `npm rebuild` (in a checkout: `npm run install`)";

let loaded: Addon | undefined;

/** The addon. Throws `unsupported` with what to do where it is absent or of another version. */
export function native(): Addon {
  if (loaded) return loaded;
  if (!existsSync(FILE)) {
    throw new HyperthinkError("unsupported", `expected the compiled kernels at ${FILE}, found none: ${ADVICE}`);
  }
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(FILE) as Addon;
  } catch (cause) {
    const message = `the compiled kernels do not load (${(cause as Error).message}): ${ADVICE}`;
    throw new HyperthinkError("unsupported", message, { cause });
  }
  const [expected, got] = [JSON.stringify(OPS), JSON.stringify(addon.ops)];
  if (expected !== got) {
    throw new HyperthinkError(
      "unsupported",
      `expected kernels with the operations ${expected}, got ${got}, an old build: ${ADVICE}`,
    );
  }
  loaded = addon;
  return addon;
}
