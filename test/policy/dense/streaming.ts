import { dot, type Kept, range, replay, rotate, softmax, type Trace } from "./trace.ts";

export interface StreamingSettings {
  sinks: number;
  recent: number;
  /** While the prompt is read, each query already sees no more than sinks and window. */
  sparse?: boolean;
}

/** Room is made before the next key is written, so a dense prompt itself stays whole at event 0. */
export function streaming(x: Trace, { sinks, recent, sparse = false }: StreamingSettings): Kept {
  return replay(x, (live, _, now, event) =>
    event === 0 && !sparse ? live : live.filter((p) => p < sinks || p > now - recent),
  );
}

/**
 * Attention as the authors have it: keys are stored before RoPE and rotated by their slot in the cache, the query by
 * its own, the last. A prompt is read at its original positions.
 */
export function inCache(x: Trace, j: number, now: number, seen: number[]): number[] {
  const head = Math.floor(j / (x.queryHeads / x.kvHeads));
  const back = x.frequencies.map((f) => -f);
  const slots = now < x.prompt ? seen : range(0, seen.length);
  const q = rotate(x.qPre[now][j], slots[slots.length - 1], x.frequencies);
  const keys = seen.map((p, i) => rotate(rotate(x.k[p][head], p, back), slots[i], x.frequencies));
  return softmax(keys.map((k) => dot(k, q) / Math.sqrt(x.headDim)));
}
