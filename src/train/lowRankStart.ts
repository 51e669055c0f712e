import { seeded } from "../base/rng.ts";
import type { Parameters } from "./parameters.ts";

/** LoRA begins as no change: b is 0, a uniform within 1 / sqrt(inputs), as PEFT draws it. */
export async function startLowRank(parameters: Parameters, seed: number): Promise<void> {
  for (const [i, { low, cols }] of parameters.all.entries()) {
    if (!low) continue;
    const random = seeded(seed, 0x10a000, i);
    const bound = 1 / Math.sqrt(cols);
    const values = Float32Array.from({ length: low.rank * cols }, () => (2 * random.next() - 1) * bound);
    await parameters.write(low.a, values);
  }
}
