import { type Kept, replay, type Trace } from "./trace.ts";

export interface StreamingSettings {
  sinks: number;
  recent: number;
}

/** Room is made before the next key is written, so the prompt itself stays whole at event 0. */
export function streaming(x: Trace, { sinks, recent }: StreamingSettings): Kept {
  return replay(x, (live, _, now, event) => (event === 0 ? live : live.filter((p) => p < sinks || p > now - recent)));
}
