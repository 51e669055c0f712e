import { badArgument } from "../../base/errors.ts";

/** What one program may use, with all processes that it starts. */
export interface Limits {
  wallSeconds: number;
  cpuSeconds: number; // of all processes together
  memoryBytes: number; // address space of each process, and what all of them hold together
  outputBytes: number; // stdout and stderr together
  scratchBytes: number; // all files together
  files: number; // in the scratch folder
  processes: number; // and threads, at once
  openFiles: number; // of each process
}

export const DEFAULT_LIMITS: Limits = {
  wallSeconds: 10,
  cpuSeconds: 10,
  memoryBytes: 2 ** 30,
  outputBytes: 2 ** 20,
  scratchBytes: 2 ** 24,
  files: 1000,
  processes: 16,
  openFiles: 64,
};

/** Below these Python does not start, beyond these a limit is none: [least, most]. */
const RANGES: Record<keyof Limits, [number, number]> = {
  wallSeconds: [0.1, 86_400],
  cpuSeconds: [0.1, 86_400],
  memoryBytes: [2 ** 26, 2 ** 40],
  outputBytes: [0, 2 ** 28],
  scratchBytes: [2 ** 12, 2 ** 32],
  files: [1, 1_000_000],
  processes: [1, 4096],
  openFiles: [16, 4096],
};

/** The given limits, and the default ones where none is given. Throws `bad-argument` for one out of its range. */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(RANGES) as (keyof Limits)[]) {
    const value = given[name] ?? limits[name];
    const [least, most] = RANGES[name];
    if (!(value >= least && value <= most && (name.endsWith("Seconds") || Number.isInteger(value))))
      throw badArgument(`${name} of a sandbox: expected ${least} to ${most}, got ${value}`);
    limits[name] = value;
  }
  return limits;
}
