// A small pretraining run of generated pieces, for tests that stop it; as a program, one that they kill.
//   node test/train/pretrained.ts OUT THREADS STEPS
import { writeSync } from "node:fs";
import { seeded } from "../../src/base/rng.ts";
import { openDevice } from "../../src/request/session.ts";
import type { JournalEntry } from "../../src/train/journal.ts";
import type { Pieces } from "../../src/train/pieces.ts";
import { type PretrainOptions, pretrain } from "../../src/train/pretrain.ts";
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

export interface TinyRun extends Partial<Pick<PretrainOptions, "from" | "signal" | "train" | "onEntry" | "note">> {
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

if (process.argv[1] === import.meta.filename) {
  const [out, threads, steps] = process.argv.slice(2);
  // Each step is told before its checkpoint is written.
  const onEntry = ({ step }: JournalEntry) => void writeSync(1, `${step}\n`);
  await tinyPretrain(out, { threads: Number(threads), settings: { steps: Number(steps) }, onEntry });
}
