import { type Kept, range, replay, type Trace } from "./trace.ts";

export interface DmsSettings {
  threshold: number;
  window: number;
  shift: number;
  dense: boolean;
  /** First positions whose keys are never labelled. */
  protect?: number;
}

export function dms(x: Trace, { threshold, window, shift, dense, protect = 0 }: DmsSettings): Kept {
  return replay(x, (_, head, now, event) => {
    const visible = (i: number): boolean => !(i >= protect && now - i > window && x.z[i + shift][head] > threshold);
    return dense && event === 0 ? range(0, now + 1) : range(0, now + 1).filter(visible);
  });
}
