import type { LaneTable } from "./lanes.ts";

/** What a chain's cache has cost. Keys are means over layers and KV heads; one read is one key attended by one query. */
export interface Meter {
  /** KV token reads while decoding, the newcomer included. */
  decodeReads: number;
  /** KV token reads while reading the prompt; of a group, this stands with the root. */
  prefillReads: number;
  /** Reads repeated after preemption; not part of the two above. */
  replayReads: number;
  /** Reads that the full cache would have made in the same decode steps. */
  fullReads: number;
  live: number;
  peakLive: number;
  /** Pages referred to, shared ones counted in full. */
  pages: number;
  peakPages: number;
  /** Tokens seen. */
  seen: number;
}

export const newMeter = (): Meter => ({
  decodeReads: 0,
  prefillReads: 0,
  replayReads: 0,
  fullReads: 0,
  live: 0,
  peakLive: 0,
  pages: 0,
  peakPages: 0,
  seen: 0,
});

/** Adds a pass over one set to its meter, after `LaneTable.commit`. `rows` tokens were fed, the last at position `seen` - 1. */
export function observe(
  meter: Meter,
  table: LaneTable,
  set: number,
  kind: "decode" | "prefill" | "replay",
  rows: number,
  seen: number,
): void {
  let reads = 0;
  let live = 0;
  for (let lane = set * table.width; lane < (set + 1) * table.width; lane++) {
    reads += table.device.reads.host[lane];
    live += table.live(lane);
  }
  reads /= table.width;
  meter.live = live / table.width;
  meter.seen = seen;
  meter.pages = table.pagesOf(set);
  if (meter.live > meter.peakLive) meter.peakLive = meter.live;
  if (meter.pages > meter.peakPages) meter.peakPages = meter.pages;
  if (kind === "prefill") meter.prefillReads += reads;
  else if (kind === "replay") meter.replayReads += reads;
  else {
    meter.decodeReads += reads;
    meter.fullReads += rows * seen - (rows * (rows - 1)) / 2;
  }
}

/** Tokens seen over tokens kept, per layer and KV head, [layers * Hkv]; 8 means 8x smaller. */
export function laneRatios(table: LaneTable, set: number, seen: number): Float64Array {
  return Float64Array.from({ length: table.width }, (_, i) => seen / table.live(set * table.width + i));
}

/** Achieved compression ratio of a set: sum of seen over sum of live. */
export const ratio = (meter: Meter): number => (meter.live > 0 ? meter.seen / meter.live : 1);
