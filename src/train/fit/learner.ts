// How surrogates learn: fed prompt by prompt and layer by layer, each ends with candidates for held-out text to judge.
import type { Device } from "../../device/device.ts";
import type { ModelConfig } from "../../model/config.ts";
import { MLP, MlpTrainer } from "./mlp.ts";
import { Ridge } from "./ridge.ts";
import { Sample } from "./sample.ts";
import type { LayerScores } from "./scores.ts";
import type { Surrogate } from "./surrogate.ts";

export interface Learner {
  /** Of hidden layers; 0: linear. */
  readonly width: number;
  /** Scores of the prompt of a number. */
  add(scores: LayerScores, prompt: number): void;
  /** After all of them; `done`: so many layers have learned. */
  finish(done: (layers: number) => void): Promise<Surrogate[]>;
}

/** Penalties of candidates, in mean variances of an input. */
export const PENALTIES = [1e-4, 1e-3, 1e-2, 1e-1];

export function linearLearner({ hidden, kvHeads, layers }: ModelConfig): Learner {
  const sums = Array.from({ length: layers }, () => new Ridge(hidden, kvHeads));
  return {
    width: 0,
    add: ({ layer, x, y, rows }) => sums[layer].add(x, y, rows),
    async finish(done) {
      const candidates = PENALTIES.map((penalty): Surrogate => ({ description: `ridge ${penalty}`, layers: [] }));
      for (const [l, ridge] of sums.entries()) {
        candidates.forEach(({ layers }, i) => {
          layers.push({ inner: null, out: ridge.solve(PENALTIES[i]) });
        });
        done(l + 1);
      }
      return candidates;
    },
  };
}

/** The paper's hidden layer is an eighth of the input. */
export const widthOf = (hidden: number): number => Math.max(1, Math.floor(hidden / 8));

/** `prompts` of at most `length` tokens will come. */
export function mlpLearner(
  device: Device,
  config: ModelConfig,
  prompts: number,
  length: number,
  settings = MLP,
): Learner {
  const { hidden, kvHeads, layers } = config;
  const width = widthOf(hidden);
  const sample = new Sample(config, prompts, length, settings.seed);
  return {
    width,
    add: (scores, prompt) => sample.add(scores, prompt),
    async finish(done) {
      const { rows } = sample;
      const trainer = new MlpTrainer(device, { hidden, kvHeads, width }, rows, settings);
      const found: Surrogate = { description: `MLP of ${width}, ${rows} keys of each head`, layers: [] };
      for (let l = 0; l < layers; l++) {
        const { x, y } = sample.layer(l);
        found.layers.push(await trainer.train(l, x, y));
        done(l + 1);
      }
      return [found];
    },
  };
}
