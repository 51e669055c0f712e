// What this machine can do: bytes per second read from memory, multiply-adds per second in
// float32. `node bench/bandwidth.ts`.
import { availableParallelism } from "node:os";
import { instructionSet } from "../src/device/isa.ts";
import { native } from "../src/device/native.ts";

export interface Machine {
  isa: string;
  threads: number;
  readGBs: { one: number; all: number }; // 10^9 bytes per second out of a 1 GiB buffer
  fmaGflops: { one: number; all: number }; // 10^9 operations a second, a multiply-add being two
}

/**
 * Measures on one thread and on `threads`, with the instruction set that the
 * environment or the machine says. Takes 2 s.
 */
export function measure(threads = availableParallelism()): Machine {
  const addon = native();
  const isa = instructionSet();
  const read = (n: number) => addon.measureRead(n, isa, 2 ** 30) / 1e9;
  const fma = (n: number) => addon.measureMultiplyAdd(n, isa) / 1e9;
  return {
    isa,
    threads,
    readGBs: { one: read(1), all: read(threads) },
    fmaGflops: { one: fma(1), all: fma(threads) },
  };
}

if (import.meta.main) {
  const machine = measure();
  const { readGBs, fmaGflops } = machine;
  console.log(`${machine.isa}, 1 / ${machine.threads} threads`);
  console.log(`reading 1 GiB   ${readGBs.one.toFixed(1)} / ${readGBs.all.toFixed(1)} GB/s`);
  console.log(`f32 FMA         ${fmaGflops.one.toFixed(0)} / ${fmaGflops.all.toFixed(0)} GFLOP/s`);
  console.log(JSON.stringify(machine));
}
