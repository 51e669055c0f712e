// Victim policies: the keys that a step's attention found least probable leave.
import type { Weights } from "./attention.ts";
import { type LaneStore, laneOf, moveKey } from "./lanes.ts";

export function evict(store: LaneStore, layer: number, steps: Int32Array[], weights: Weights, budget: number): void {
  for (const [i, [set]] of steps.entries()) {
    const lanes = Array.from({ length: store.shape.kvHeads }, (_, h) => laneOf(store, set, layer, h));
    const archive = store.archive.host[lanes[0]];
    for (const lane of lanes) {
      if (store.archive.host[lane] !== archive || store.tail.host[lane] !== store.head.host[lane]) {
        throw new Error(
          `lane ${lane}: expected the ${archive} archive slots of its layer and no doomed key; labels and victims do not mix`,
        );
      }
    }
    if (archive + 1 <= budget) continue;
    const probability = meanProbability(store, weights, i, archive + 1);
    // Most probable first; of equals the lower slot stays. Slot `archive` stands for the pending key.
    const ranked = [...probability.keys()].sort((a, b) => probability[b] - probability[a] || a - b);
    const gone = new Set(ranked.slice(Math.max(budget, 0)));
    const pendingGone = gone.has(archive);
    for (const lane of lanes) {
      store.dead.host[lane] = pendingGone ? -2 : gone.size === 1 ? ranked[archive] : -1;
      if (gone.size > 1) compact(store, lane, archive, gone);
    }
  }
}

/** [slots] attention probability of each slot at step `i`, averaged over the layer's query heads. */
function meanProbability(store: LaneStore, weights: Weights, i: number, slots: number): Float64Array {
  const { queryHeads } = store.shape;
  const mean = new Float64Array(slots);
  for (let j = 0; j < queryHeads; j++) {
    const row = i * queryHeads + j;
    for (let s = 0; s < slots; s++)
      mean[s] += Math.exp(weights.raw[row * weights.stride + s] - weights.lse[row]) / queryHeads;
  }
  return mean;
}

/** Closes the gaps, order kept. Pages past the new end stay in the table for the host to give back. */
function compact(store: LaneStore, lane: number, archive: number, gone: Set<number>): void {
  let to = 0;
  for (let s = 0; s < archive; s++) {
    if (gone.has(s)) continue;
    if (s !== to) moveKey(store, lane, s, to);
    to++;
  }
  store.archive.host[lane] = to;
}
