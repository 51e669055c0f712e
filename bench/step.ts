// One decode step of several chains, timed.
import type { Runner, Segment } from "../src/engine/runner.ts";

/** Feeds each set the token at `from`; what the pass took, in seconds, with its planning. */
export async function step(runner: Runner, sets: readonly number[], ids: Int32Array, from: number): Promise<number> {
  const segments = sets.map((set): Segment => ({ set, kind: "steps", ids, from, count: 1, logits: "last" }));
  const started = performance.now();
  await runner.run(segments);
  return (performance.now() - started) / 1000;
}
