// Quest: bounds of pages, and which pages a query reads.
import { PAGE_SLOTS } from "../device.ts";
import type { Given } from "./given.ts";
import { byRank } from "./keep.ts";
import { needBounds } from "./state.ts";
import { keyAt, type LaneStore, laneOf, pageOf, setOf, slotAt } from "./store.ts";

export function bound({ lanes, layer, runs }: Given<"bound">): void {
  const { kvHeads, headDim: D } = lanes.shape;
  for (const { set, rows } of runs)
    for (let h = 0; h < kvHeads; h++) {
      needBounds(lanes, set);
      const lane = laneOf(lanes, set, layer, h);
      const archive = lanes.archive.host[lane];
      const from = Math.floor(Math.max(0, archive - rows) / PAGE_SLOTS);
      for (let p = from; p * PAGE_SLOTS < archive; p++) {
        const [least, most] = [new Float32Array(D).fill(Infinity), new Float32Array(D).fill(-Infinity)];
        for (let s = p * PAGE_SLOTS; s < Math.min(archive, (p + 1) * PAGE_SLOTS); s++) {
          const { k } = keyAt(lanes, slotAt(lanes, "archive", lane, s));
          for (let d = 0; d < D; d++) {
            least[d] = Math.min(least[d], k[d]);
            most[d] = Math.max(most[d], k[d]);
          }
        }
        lanes.bounds[pageOf(lanes, "archive", lane, p * PAGE_SLOTS)] = { least, most };
      }
    }
}

/** Pages (by number in the lane) that the heads of a group read, null where all are; queries [G] of [D]. */
export function chosenPages(store: LaneStore, lane: number, queries: readonly Float32Array[]): Set<number> | null {
  needBounds(store, setOf(store, lane));
  const keys = store.archive.host[lane] + 1;
  const budget = store.budget.host[lane];
  const last = Math.ceil(keys / PAGE_SLOTS) - 1;
  const others = Math.max(3, Math.floor(budget / PAGE_SLOTS)) - 1;
  if (keys <= budget || last <= others) return null;
  const best = Array.from({ length: last }, (_, p) => {
    const { least, most } = store.bounds[pageOf(store, "archive", lane, p * PAGE_SLOTS)]!;
    let total = 0;
    for (const q of queries) for (let d = 0; d < q.length; d++) total += Math.max(q[d] * least[d], q[d] * most[d]);
    return total;
  });
  const ranked = [...best.keys()].sort((a, b) => byRank(best[a], best[b]) || a - b);
  return new Set([last, ...ranked.slice(0, others)]);
}
