import { newBatch, packBatch, type TrainBatch } from "./batch.ts";
import type { Pieces } from "./data/pieces.ts";

/** Batches of at least so many windows, as far as pieces go, for evaluations: the same ones each time. */
export function evaluationBatches(pieces: Pieces, total: number, windows: number, length: number): TrainBatch[] {
  const batches: TrainBatch[] = [];
  let cursor = 0;
  for (let left = total; left > 0 && cursor < pieces.count; left -= windows) {
    const batch = newBatch(windows, length);
    cursor = packBatch(batch, pieces, cursor);
    batches.push(batch);
  }
  return batches;
}
