// What a set's lanes should hold and answer, from nothing but the keys it was ever given and the eviction rule.
import { roundBf16 } from "../../src/base/half.ts";

/** One token's key in one lane. */
interface Entry {
  k: Float64Array;
  v: Float64Array;
  z: number;
}

/** How keys are labelled. */
export interface Rule {
  threshold: number;
  window: number;
  shift: 0 | 1;
}

/** The keys of one lane by position, and those that a victim policy took. */
export interface Track {
  entries: Entry[];
  gone: Set<number>;
}

export function track(): Track {
  return { entries: [], gone: new Set() };
}

export function copyTrack(from: Track): Track {
  return { entries: [...from.entries], gone: new Set(from.gone) };
}

export function feed(to: Track, k: Float32Array, v: Float32Array, z: number, bf16: boolean): void {
  const kept = (x: Float32Array) => Float64Array.from(x, bf16 ? roundBf16 : Number);
  to.entries.push({ k: kept(k), v: kept(v), z });
}

/** Positions that query `q` sees. */
export function visible(lane: Track, q: number, rule: Rule | null): number[] {
  const evicted = (i: number) =>
    rule !== null && q - i > rule.window && lane.entries[i + rule.shift].z > rule.threshold;
  return Array.from({ length: q + 1 }, (_, i) => i).filter((i) => !evicted(i) && !lane.gone.has(i));
}

export interface Attended {
  out: Float64Array; // [D]
  probabilities: number[]; // of `positions`, in their order
}

export function attention(lane: Track, positions: number[], query: Float32Array): Attended {
  const scores = positions.map((i) => {
    let dot = 0;
    for (let d = 0; d < query.length; d++) dot += query[d] * lane.entries[i].k[d];
    return dot / Math.sqrt(query.length);
  });
  const most = Math.max(...scores);
  const total = scores.reduce((sum, s) => sum + Math.exp(s - most), 0);
  const probabilities = scores.map((s) => Math.exp(s - most) / total);
  const out = new Float64Array(query.length);
  for (const [n, i] of positions.entries()) {
    for (let d = 0; d < out.length; d++) out[d] += probabilities[n] * lane.entries[i].v[d];
  }
  return { out, probabilities };
}
