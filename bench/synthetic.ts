import { seeded } from "../src/base/rng.ts";
import type { Device, WeightFormat } from "../src/device/device.ts";
import { allocate, type Target } from "../src/model/allocate.ts";
import type { DmsConfig, ModelConfig } from "../src/model/config.ts";
import { ropeFrequencies } from "../src/model/rope.ts";
import type { Weights } from "../src/model/weights.ts";

/** Qwen3-0.6B's shape, for benches: what a step costs does not depend on what the weights say. */
export const qwen3_06b = (): ModelConfig => ({
  architecture: "qwen3",
  vocabulary: 151936,
  hidden: 1024,
  intermediate: 3072,
  layers: 28,
  queryHeads: 16,
  kvHeads: 8,
  headDim: 128,
  normEps: 1e-6,
  contextLength: 40960,
  tied: true,
  biases: { qkv: false, output: false, mlp: false },
  headNorm: true,
  frequencies: ropeFrequencies(128, { rope_theta: 1e6 }),
  eosIds: [151645],
  bosId: null,
  dms: null,
});

/**
 * Settings under which random gates doom 1 - 1 / cr of all keys: a decision's raw
 * value is then close to standard normal.
 */
export const syntheticGates = (cr: number, window: number): DmsConfig => ({
  scale: 1,
  // The quantile 1 / cr of the normal distribution, within 0.01 (Tukey's lambda).
  offset: 4.91 * ((1 / cr) ** 0.14 - (1 - 1 / cr) ** 0.14),
  window,
  borrowed: false,
  perLayer: false,
  shift: 1,
  cr,
});

const BLOCK = 1 << 20; // random numbers that are drawn; matrices repeat them from different offsets

/**
 * Random weights of a config, written straight into the device: matrices keep the size of
 * their input, norms are 1, biases 0.
 */
export function syntheticWeights(
  device: Device,
  config: ModelConfig,
  options: { weights: WeightFormat; seed: number },
): Weights {
  const rng = seeded(options.seed);
  const noise = Float32Array.from({ length: BLOCK }, () => rng.gaussian());
  const { weights, targets } = allocate(device, config, {
    weights: options.weights,
    has: () => false,
    rounds: () => options.weights === "bf16",
  });
  // A borrowed gate's rows are copies: they get the numbers of the tensor that they were copied from.
  for (const [wanted, places] of Map.groupBy(targets, (target: Target) => target.wanted)) {
    const put = (values: Float32Array, row: number) => {
      for (const place of places) place.put(values, row);
    };
    const [rows, cols] = wanted.shape;
    if (cols === undefined) put(new Float32Array(rows).fill(wanted.names[0].endsWith(".bias") ? 0 : 1), 0);
    else fill(rows, cols, put);
  }
  return weights;

  function fill(rows: number, cols: number, put: Target["put"]): void {
    const most = Math.max(1, Math.floor(BLOCK / 2 / cols));
    const block = new Float32Array(most * cols);
    const scale = 1 / Math.sqrt(cols);
    for (let row = 0; row < rows; row += most) {
      const values = block.subarray(0, Math.min(most, rows - row) * cols);
      const from = rng.below(BLOCK - values.length + 1);
      for (let i = 0; i < values.length; i++) values[i] = noise[from + i] * scale;
      put(values, row);
    }
  }
}
