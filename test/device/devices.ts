// The devices that every device test runs on, each behind the checking wrapper.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import type { Seeded } from "../../src/base/rng.ts";
import type { Buffer, Device, F32, Hidden, I32, Matrix, Numbers, Pass, WeightFormat } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";
import { checked } from "../support/checked.ts";
import { distant } from "../support/distant.ts";

export interface Candidate {
  name: string;
  open: () => Device;
  tolerance: number; // |got - expected| <= tolerance * (1 + |expected|)
}

/** The reference, and the native device where it is built; its absence is a skipped test. */
export const devices: Candidate[] = [{ name: "reference", open: () => checked(reference()), tolerance: 1e-6 }];

const cpu = await loadCpu();
if (typeof cpu === "string") test("cpu device", (t) => t.skip(`UNRUN: ${cpu}`));
else {
  for (const threads of [1, 2]) {
    devices.push({ name: `cpu, threads ${threads}`, open: () => checked(cpu({ threads })), tolerance: 1e-4 });
  }
}

/** With the reference behind messages, which shares no memory: for the device suite and equal bits. */
export const allDevices: readonly Candidate[] = [
  devices[0],
  { name: "distant", open: () => checked(distant()), tolerance: 1e-6 },
  ...devices.slice(1),
];

/** The factory, or why there is none. Only a missing file or addon counts as absent; other errors are failures. */
async function loadCpu(): Promise<string | ((options: { threads: number }) => Device)> {
  const file = new URL("../../src/device/cpu.ts", import.meta.url);
  try {
    const { cpu } = await import(file.href);
    cpu({ threads: 1 }).close();
    return cpu;
  } catch (error) {
    if (error instanceof HyperthinkError && error.code === "unsupported") return error.message;
    const { code, url } = error as { code?: string; url?: string };
    if (code === "ERR_MODULE_NOT_FOUND" && url === file.href) return "src/device/cpu.ts does not exist";
    throw error;
  }
}

/** Shorthands over one device. */
export interface Rig {
  device: Device;
  f32(values: ArrayLike<number>): F32;
  i32(values: ArrayLike<number>): I32;
  u32(values: ArrayLike<number>): Buffer<Uint32Array>;
  matrix(values: Float32Array, cols: number, format: WeightFormat): Matrix;
  run(record: (pass: Pass) => void): Promise<void>;
  read(buffer: Hidden): Promise<Float32Array>;
  close(values: Float32Array, expected: ArrayLike<number>, what: string): void;
}

export function rig(candidate: Candidate): Rig {
  const device = candidate.open();
  return {
    device,
    f32: (values) => put(device.f32(values.length), values),
    i32: (values) => put(device.i32(values.length), values),
    u32: (values) => put(device.u32(values.length), values),
    matrix(values, cols, format) {
      const matrix = device.matrix(values.length / cols, cols, format);
      device.writeRows(matrix, 0, values);
      return matrix;
    },
    async run(record) {
      const pass = device.begin();
      record(pass);
      await device.run(pass);
    },
    async read(buffer) {
      const values = new Float32Array(buffer.length);
      await device.read(buffer, 0, values);
      return values;
    },
    close(values, expected, what) {
      assert.equal(values.length, expected.length, what);
      for (let i = 0; i < values.length; i++) {
        const off = Math.abs(values[i] - expected[i]);
        if (!(off <= candidate.tolerance * (1 + Math.abs(expected[i])))) {
          assert.fail(`${what}: number ${i}: expected ${expected[i]}, got ${values[i]}`);
        }
      }
    },
  };
}

/** Writes numbers of a buffer from `at` on, as hosts do. */
export function put<B extends Buffer<Numbers>>(buffer: B, values: ArrayLike<number>, at = 0): B {
  buffer.host.set(values, at);
  buffer.wrote(at, values.length);
  return buffer;
}

/** Writes numbers [from, to) of a buffer, all if nothing is said. */
export function fill(buffer: Buffer, value: number, from = 0, to = buffer.length): void {
  buffer.host.fill(value, from, to);
  buffer.wrote(from, to - from);
}

export function gaussians(random: Seeded, length: number): Float32Array {
  return Float32Array.from({ length }, () => random.gaussian());
}
