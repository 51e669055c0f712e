import type { LaneTable } from "./lanes.ts";

/**
 * What a chain's cache has cost. Keys are means over layers and KV heads; one read is one key attended by one query.
 */
export interface Meter {
  /** KV token reads while decoding, the newcomer included. */
  decodeReads: number;
  /** KV token reads while reading the prompt; of a group, this stands with the root. */
  prefillReads: number;
  /** Reads repeated after preemption; not part of the two above. */
  recomputeReads: number;
  /** Reads that the full cache would have made in the same decode steps. */
  fullReads: number;
  live: number;
  peakLive: number;
  /** Pages referred to, shared ones counted in full. */
  pages: number;
  peakPages: number;
  /** Tokens seen. */
  seen: number;
  /** Keys that decode attention really read: a span that chains share counts for one of them. */
  physicalReads: number;
  /** Decode reads of each lane, [layers * Hkv]; empty until the first step. */
  laneReads: Float64Array;
}

export const newMeter = (): Meter => ({
  decodeReads: 0,
  prefillReads: 0,
  recomputeReads: 0,
  fullReads: 0,
  live: 0,
  peakLive: 0,
  pages: 0,
  peakPages: 0,
  seen: 0,
  physicalReads: 0,
  laneReads: new Float64Array(0),
});

/**
 * Adds a pass over one set to its meter, after `LaneTable.commit`. `rows` tokens were fed, the last at position
 * `seen` - 1; where a cut followed, `beforeCut` is what lived until then.
 */
export function meterPass(
  meter: Meter,
  table: LaneTable,
  set: number,
  kind: "decode" | "prefill" | "recompute",
  rows: number,
  seen: number,
  beforeCut?: { live: number; pages: number },
): void {
  let reads = 0;
  let physical = 0;
  let live = 0;
  const { width } = table;
  if (meter.laneReads.length !== width) meter.laneReads = new Float64Array(width);
  for (let i = 0; i < width; i++) {
    const lane = set * width + i;
    const read = table.device.reads.host[lane];
    reads += read;
    physical += table.device.physical.host[lane];
    live += table.live(lane);
    if (kind === "decode") meter.laneReads[i] += read;
  }
  reads /= width;
  meter.physicalReads += physical / width;
  meter.live = live / width;
  meter.seen = seen;
  meter.pages = table.pagesOf(set);
  meter.peakLive = Math.max(meter.peakLive, meter.live, beforeCut?.live ?? 0);
  meter.peakPages = Math.max(meter.peakPages, meter.pages, beforeCut?.pages ?? 0);
  if (kind === "prefill") meter.prefillReads += reads;
  else if (kind === "recompute") meter.recomputeReads += reads;
  else {
    meter.decodeReads += reads;
    meter.fullReads += rows * seen - (rows * (rows - 1)) / 2;
  }
}

/** What reading a prompt has cost so far, for one who goes on from there as if it had read it alone. */
export function inherit(meter: Meter, { prefillReads, live, peakLive, pages, peakPages, seen }: Meter): void {
  Object.assign(meter, { prefillReads, live, peakLive, pages, peakPages, seen });
}

/**
 * Achieved compression ratio: sum of tokens seen over sum of tokens kept, over the decode steps (before the first one,
 * at the end of the prompt). 8 means 8x smaller.
 */
export function ratio(meter: Meter): number {
  if (meter.decodeReads > 0) return meter.fullReads / meter.decodeReads;
  return meter.live > 0 ? meter.seen / meter.live : 1;
}

/** The same for each layer and KV head, [layers * Hkv]. */
export const laneRatios = (meter: Meter): number[] =>
  Array.from(meter.laneReads, (reads) => (reads > 0 ? meter.fullReads / reads : 1));
