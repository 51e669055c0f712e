// Random weights, which pretraining begins from.
import { seeded } from "../base/rng.ts";
import type { Device } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { Parameters } from "./parameters.ts";

export interface InitialOptions {
  seed: number;
  /** Standard deviation of matrices; those that write to the residual stream get it divided by sqrt(2 x layers). */
  deviation: number;
  /** KV groups of layer 0, from the first on, that look so many tokens back; see `lookBack`. */
  lookBack: readonly number[];
}

/** Random weights: norms 1, biases 0, matrices normal. Gates start closed: their projections are 0. */
export async function initialParameters(
  device: Device,
  config: ModelConfig,
  { seed, deviation, lookBack }: InitialOptions,
): Promise<Parameters> {
  const parameters = new Parameters(device, config);
  for (const [i, p] of parameters.all.entries()) {
    const values = new Float32Array(p.rows * p.cols);
    const random = seeded(seed, 0x1217a1, i);
    const writes = /\.(o|down)_proj\.weight$/.test(p.name);
    const scale = writes ? deviation / Math.sqrt(2 * config.layers) : deviation;
    if (/norm\.weight$/.test(p.name)) values.fill(1);
    else if (p.cols > 1 && !p.exact) for (let k = 0; k < values.length; k++) values[k] = scale * random.gaussian();
    await parameters.write(p, values);
  }
  if (lookBack.length > 0) await teachToLookBack(parameters, deviation, lookBack, seed);
  return parameters;
}

/** Rotary pairs that turn fast enough to tell neighbours apart. */
const FAST = 5;

/**
 * Makes heads of layer 0 attend to the token so many places back. All embeddings share a direction; keys of the group
 * hold it in the fastest rotary pairs, and its queries hold it turned by as many positions, so that the product is
 * largest there. Small models that must look up facts learn it many times sooner so (models/README.md).
 */
async function teachToLookBack(
  parameters: Parameters,
  deviation: number,
  lookBack: readonly number[],
  seed: number,
): Promise<void> {
  const { config, weights } = parameters;
  const { hidden, headDim, kvHeads, queryHeads, frequencies } = config;
  const random = seeded(seed, 0x100cba, 0);
  const direction = Float32Array.from({ length: hidden }, () => random.gaussian() / Math.sqrt(hidden));
  const size = deviation * Math.sqrt(hidden); // as large as an embedding's random part
  const [embed, q, k] = [weights.embed, weights.layers[0].q, weights.layers[0].k];
  const embedding = await parameters.read(embed);
  for (let i = 0; i < embedding.length; i++) embedding[i] += size * direction[i % hidden];
  await parameters.write(embed, embedding);
  const [queries, keys] = [await parameters.read(q), await parameters.read(k)];
  const group = queryHeads / kvHeads;
  /** Row `row` of a head reads the direction with a factor. */
  const read = (matrix: Float32Array, head: number, row: number, factor: number) => {
    for (let d = 0; d < hidden; d++) matrix[(head * headDim + row) * hidden + d] = factor * direction[d];
  };
  for (const [g, back] of lookBack.slice(0, kvHeads).entries()) {
    for (const [matrix, heads, turn] of [
      [keys, [g], 0],
      [queries, Array.from({ length: group }, (_, i) => g * group + i), -back],
    ] as const)
      for (const head of heads) {
        matrix.fill(0, head * headDim * hidden, (head + 1) * headDim * hidden);
        for (let j = 0; j < Math.min(FAST, headDim / 2); j++) {
          read(matrix, head, j, Math.cos(turn * frequencies[j]));
          read(matrix, head, j + headDim / 2, Math.sin(turn * frequencies[j]));
        }
      }
  }
  await parameters.write(q, queries);
  await parameters.write(k, keys);
}
