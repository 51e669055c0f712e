import type { ModelConfig } from "../model/config.ts";
import type { TrainBatch } from "./batch.ts";

/**
 * Keys that the queries of a batch read under hard gates, by the engine's rule (a labelled key serves queries up to
 * `window` tokens later), and those that a full cache would have them read; summed over layers and KV heads. z:
 * [layers] of [rows, Hkv].
 */
export function keptShare(
  z: readonly Float32Array[],
  { kvHeads, dms }: ModelConfig,
  { documents, documentCount, window: windows }: TrainBatch,
  window: number,
): { kept: number; full: number } {
  const { shift } = dms!;
  let [kept, full] = [0, 0];
  for (let d = 0; d < documentCount; d++) {
    const [row, rows] = documents.subarray(3 * d, 3 * d + 2);
    if (windows[row] < 0) continue;
    full += (z.length * kvHeads * rows * (rows + 1)) / 2;
    for (const layer of z)
      for (let i = 0; i < rows; i++)
        for (let h = 0; h < kvHeads; h++) {
          // Key i serves rows - i queries, or window + 1 where its label says so and comes.
          const labelled = i + shift < rows && layer[(row + i + shift) * kvHeads + h] > 0;
          kept += labelled ? Math.min(rows - i, window + 1) : rows - i;
        }
  }
  return { kept, full };
}
