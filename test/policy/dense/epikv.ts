import { best, type Kept, mean, range, replay, type Trace } from "./trace.ts";

export interface EpikvSettings {
  keys: number;
  recent: number;
  window: number;
  /** Hidden states [length] -> [hidden] after the early and after the late layers. */
  early: Float32Array[];
  late: Float32Array[];
}

/** How far the hidden state moved with the token at `p`. */
const moved = (x: Float32Array[], p: number): number =>
  p === 0 ? 0 : Math.hypot(...[...x[p]].map((value, d) => value - x[p - 1][d]));

/** Where the last of some changes stands among them. */
function standing(changes: number[]): number {
  if (changes.length < 2) return 0;
  const mu = mean(changes);
  return (changes[changes.length - 1] - mu) / (Math.sqrt(mean(changes.map((c) => (c - mu) ** 2))) + 1e-6);
}

/** The prompt, the newest, and those with which the state changed; one set for all layers and heads. */
export function epikv(x: Trace, { keys, recent, window, early, late }: EpikvSettings): Kept {
  const score = (p: number): number => {
    const near = range(Math.max(x.prompt, p - window + 1), p + 1);
    const z = (states: Float32Array[]) => standing(near.map((q) => moved(states, q)));
    return z(early) - z(late);
  };
  const scores = range(0, x.length).map((p) => (p < x.prompt ? 0 : score(p)));
  return replay(x, (live, _head, now) => {
    if (live.length <= keys) return live;
    return best(
      live,
      live.map((p) => scores[p]),
      keys,
      (p) => p < x.prompt || p > now - recent,
    );
  });
}
