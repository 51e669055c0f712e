// Quest: which pages a query reads.
import { PAGE_SLOTS } from "../device.ts";
import type { LaneStore } from "./lanes.ts";

/** Pages (by number in the lane) that the heads of a group read, null where all are; q [G, D]. */
export function chosenPages(store: LaneStore, lane: number, q: Float32Array, bounds: Float32Array): Set<number> | null {
  const { headDim: D, archivePages } = store.shape;
  const keys = store.archive.host[lane] + 1;
  const budget = store.budget.host[lane];
  const last = Math.ceil(keys / PAGE_SLOTS) - 1;
  const others = Math.max(3, Math.floor(budget / PAGE_SLOTS)) - 1;
  if (keys <= budget || last <= others) return null;
  const most = Array.from({ length: last }, (_, p) => {
    const page = store.archiveTable.host[lane * archivePages + p];
    let total = 0;
    for (let i = 0; i < q.length; i++) {
      const at = page * 2 * D + (i % D);
      total += Math.max(q[i] * bounds[at], q[i] * bounds[at + D]);
    }
    return total;
  });
  const ranked = [...most.keys()].sort((a, b) => most[b] - most[a] || a - b);
  return new Set([last, ...ranked.slice(0, others)]);
}
