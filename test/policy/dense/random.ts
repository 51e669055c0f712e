import { uniform } from "../../../src/base/rng.ts";
import { due, type Kept, replay, type Trace, topk } from "./trace.ts";

export interface RandomSettings {
  keys: number;
  sinks: number;
  recent: number;
  seed: number;
  every: number;
}

/** One number a key and head, drawn once: the highest stay, with the sinks and the newest. */
export const random = (x: Trace, { keys, sinks, recent, seed, every }: RandomSettings): Kept =>
  replay(x, (live, head, now, event) => {
    if (!due(event, every) || live.length <= keys) return live;
    const rank = (p: number) => (p < sinks || p > now - recent ? Infinity : uniform(seed, 0x6b76, head, p));
    const forced = live.filter((p) => rank(p) === Infinity).length;
    return topk(live.map(rank), Math.max(keys, forced)).map((i) => live[i]);
  });
