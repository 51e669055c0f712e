// The addon of kernels/: its types, where it is found. It must agree with ops.ts, which is what signatures are for.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { HyperthinkError, unsupported } from "../base/errors.ts";
import { signature } from "./cpu/layout.ts";
import type { Numbers } from "./device.ts";

/** An open native device; only the addon looks inside. */
export type Handle = object & { readonly __handle: never };

/** Floats, or bytes as the matrix's format stores them. */
export type Rows = Float32Array | Uint8Array;

/** What kernels/binding.cc exports. Ids are -1 where there was no memory. */
export interface Addon {
  readonly signature: string;
  sets(): string[]; // instruction sets of this machine and build, the best first
  bf16Unit(): boolean; // AVX512-BF16
  open(threads: number, isa: string): Handle;
  share(device: Handle, numbers: Numbers): number;
  hidden(device: Handle, length: number): number;
  matrix(device: Handle, rows: number, cols: number, format: number): number;
  writeRows(device: Handle, matrix: number, first: number, rows: number, values: Rows): void;
  readRows(device: Handle, matrix: number, first: number, into: Float32Array): void;
  lanes(device: Handle, shape: Int32Array, tables: Int32Array): number; // SHAPE, then the page format's number
  attach(device: Handle, lanes: number, set: number, state: Int32Array): number; // 0: no memory
  run(device: Handle, words: Int32Array, count: number): Promise<void>;
  read(device: Handle, buffer: number, from: number, into: Float32Array): void;
  write(device: Handle, buffer: number, from: number, values: Float32Array): void;
  live(device: Handle, lanes: number, lane: number): Int32Array;
  keys(device: Handle, lanes: number, lane: number): Float32Array; // by key: the bits of its position, its score, K, V
  score(device: Handle, lanes: number, lane: number, scores: Float32Array): number; // of live keys; -1: no room
  close(device: Handle): void;
  measureRead(threads: number, isa: string, bytes: number): number; // bytes per second
  measureMultiplyAdd(threads: number, isa: string): number; // operations per second
}

const NAME = `hyperthink-${process.platform}-${process.arch}.node`; // as kernels/build.mjs calls it
const FILE = fileURLToPath(new URL(`../../kernels/build/${NAME}`, import.meta.url));
const ADVICE = "install g++ or clang++ (C++20) and run `npm rebuild` (in a checkout: `npm run install`)";

let loaded: Addon | undefined;

/** The addon. Throws `unsupported` with what to do where it is absent or of another version. */
export function native(): Addon {
  if (loaded) return loaded;
  if (!existsSync(FILE)) {
    throw unsupported(`expected the compiled kernels at ${FILE}, found none: ${ADVICE}`);
  }
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(FILE) as Addon;
  } catch (cause) {
    const message = `the compiled kernels do not load (${(cause as Error).message}): ${ADVICE}`;
    throw new HyperthinkError("unsupported", message, { cause });
  }
  if (addon.signature !== signature()) {
    const got = `an old build (${addon.signature})`;
    throw unsupported(`expected kernels of ${signature()}, got ${got}: ${ADVICE}`);
  }
  loaded = addon;
  return addon;
}
