// Quest: bounds of pages, and which pages a query reads.
import { fromBf16, toBf16 } from "../../base/half.ts";
import { PAGE_SLOTS } from "../device.ts";
import { byRank } from "./keep.ts";
import type { LaneStore } from "./lanes.ts";

/** Numbers [2, D] of a page's bounds where they are bf16. */
function halves({ shape }: LaneStore, bounds: Float32Array, page: number): Uint16Array {
  const length = 2 * shape.headDim;
  return new Uint16Array(bounds.buffer, bounds.byteOffset + 2 * page * length, length);
}

export function writeBounds(store: LaneStore, bounds: Float32Array, page: number, values: number[]): void {
  if (store.shape.dtype === "bf16") halves(store, bounds, page).set(values.map(toBf16));
  else bounds.set(values, page * values.length);
}

function readBounds(store: LaneStore, bounds: Float32Array, page: number): Float32Array {
  const { headDim: D, dtype } = store.shape;
  if (dtype === "bf16") return Float32Array.from(halves(store, bounds, page), fromBf16);
  return bounds.subarray(page * 2 * D, (page + 1) * 2 * D);
}

/** Pages (by number in the lane) that the heads of a group read, null where all are; q [G, D]. */
export function chosenPages(store: LaneStore, lane: number, q: Float32Array, bounds: Float32Array): Set<number> | null {
  const { headDim: D, archivePages } = store.shape;
  const keys = store.archive.host[lane] + 1;
  const budget = store.budget.host[lane];
  const last = Math.ceil(keys / PAGE_SLOTS) - 1;
  const others = Math.max(3, Math.floor(budget / PAGE_SLOTS)) - 1;
  if (keys <= budget || last <= others) return null;
  const most = Array.from({ length: last }, (_, p) => {
    const both = readBounds(store, bounds, store.archiveTable.host[lane * archivePages + p]);
    let total = 0;
    for (let i = 0; i < q.length; i++) total += Math.max(q[i] * both[i % D], q[i] * both[(i % D) + D]);
    return total;
  });
  const ranked = [...most.keys()].sort((a, b) => byRank(most[a], most[b]) || a - b);
  return new Set([last, ...ranked.slice(0, others)]);
}
