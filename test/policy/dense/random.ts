import { uniform } from "../../../src/base/rng.ts";
import { best, due, type Kept, replay, type Trace } from "./trace.ts";

export interface RandomSettings {
  keys: number;
  sinks: number;
  recent: number;
  seed: number;
  every: number;
  layer?: number;
}

/** One number per key and lane, drawn once: the highest stay, with the sinks and the newest. */
export const random = (x: Trace, { keys, sinks, recent, seed, every, layer = 0 }: RandomSettings): Kept =>
  replay(x, (live, head, now, event) => {
    if (!due(event, every) || live.length <= keys) return live;
    const drawn = live.map((p) => uniform(seed, 0x6b76, layer * x.kvHeads + head, p));
    return best(live, drawn, keys, (p) => p < sinks || p > now - recent);
  });
