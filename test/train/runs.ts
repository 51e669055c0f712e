// Small runs of generated pieces, for tests that stop them; as a program, for tests that kill it.
//   node test/train/runs.ts OUT THREADS STEPS [MODEL]     a retrofit where a model is given
import { writeSync } from "node:fs";
import { seeded } from "../../src/base/rng.ts";
import { openDevice } from "../../src/request/session.ts";
import type { Pieces } from "../../src/train/data/pieces.ts";
import type { JournalEntry } from "../../src/train/disk/journal.ts";
import { type PretrainOptions, pretrain } from "../../src/train/pretrain.ts";
import { retrofit } from "../../src/train/retrofit.ts";
import type { RetrofitSettings } from "../../src/train/retrofitOptions.ts";
import { TRAIN_SETTINGS, type TrainSettings } from "../../src/train/settings.ts";

/** Counting up by a stride that differs from piece to piece: the third token on can be known. */
export function countingPieces(seed: number, count = Number.POSITIVE_INFINITY): Pieces {
  return {
    description: "counting",
    fingerprint: `counting ${seed}`,
    count,
    at(index) {
      const random = seeded(seed, 0xc0117, index);
      const [first, stride, length] = [random.below(40), 1 + random.below(3), 4 + random.below(9)];
      return { ids: Int32Array.from({ length }, (_, i) => (first + i * stride) % 40), learn: null };
    },
  };
}

export const tinyConfig = {
  ...{ model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], tie_word_embeddings: true },
  ...{ vocab_size: 40, hidden_size: 24, intermediate_size: 36, num_hidden_layers: 2, max_position_embeddings: 64 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8 },
};

export const tinySettings: TrainSettings = {
  ...TRAIN_SETTINGS,
  ...{ steps: 20, windows: 2, length: 24, accumulate: 2, heldOutWindows: 4, evaluateEach: 5, checkpointEach: 3 },
  optimizer: { ...TRAIN_SETTINGS.optimizer, matrices: "muon", rate: 1e-2 },
  schedule: { warmup: 3, shape: "cosine", last: 0.1 },
};

export interface TinyRun
  extends Partial<Pick<PretrainOptions, "from" | "beside" | "signal" | "train" | "onEntry" | "note" | "dtype">> {
  threads?: number;
  settings?: Partial<TrainSettings>;
}

export async function tinyPretrain(out: string, { threads = 1, settings, ...options }: TinyRun = {}): Promise<void> {
  await pretrain(
    {
      ...{ config: tinyConfig, from: { seed: 1, deviation: 0.1, lookBack: [1] }, beside: null, out },
      ...{ train: countingPieces(1), test: countingPieces(2, 8), settings: { ...tinySettings, ...settings } },
      dtype: "F32",
      ...options,
    },
    () => openDevice(undefined, threads),
  );
}

export interface TinyRetrofit extends TinyRun {
  train?: never;
  from?: never;
  beside?: never;
  achieve?: number[];
  saveEach?: number;
  retrofit?: Partial<RetrofitSettings>;
}

/** Gates that open within a few steps, and low-rank changes. */
export async function tinyRetrofit(model: string, out: string, options: TinyRetrofit = {}): Promise<void> {
  const { threads = 1, settings, retrofit: own, ...others } = options;
  const optimizer = { ...tinySettings.optimizer, matrices: "adamw", gateRate: 0.012 } as const;
  await retrofit(
    {
      ...{ model, adapters: [], earlier: null, teacher: null, out, start: null, achieve: [], saveEach: 0 },
      ...{ train: countingPieces(3), test: countingPieces(4, 8), dtype: "F32" },
      settings: { ...tinySettings, evaluateEach: 2, optimizer, ...settings },
      retrofit: {
        ...{ loss: { kind: "distill", direction: "reverse" }, train: "lora", gates: "own", per: "head", window: 1 },
        ...{
          shift: 1,
          trigger: "random",
          tau: 0.3,
          alphaScale: 10,
          alphaOffset: 5,
          ramp: { from: 1, cr: 4, perUnit: 6 },
        },
        ...{ sparsityWeight: 5, rank: 3, loraScale: 1 },
        ...own,
      },
      ...others,
    },
    () => openDevice(undefined, threads),
  );
}

if (process.argv[1] === import.meta.filename) {
  const [out, threads, steps, model] = process.argv.slice(2);
  const options = {
    ...{ threads: Number(threads), settings: { steps: Number(steps) } },
    /** A step is told before its checkpoint is written. */
    onEntry: ({ step }: JournalEntry) => void writeSync(1, `${step}\n`),
  };
  await (model ? tinyRetrofit(model, out, options) : tinyPretrain(out, options));
}
