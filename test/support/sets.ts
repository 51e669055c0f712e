import type { Runner, Segment } from "../../src/engine/runner.ts";

/** Live key positions of every lane of a set. */
export const liveSets = (runner: Runner, set: number): number[][] =>
  Array.from({ length: runner.table.width }, (_, i) => [
    ...runner.device.live(runner.table.device, set * runner.table.width + i),
  ]);

/** Feeds tokens [from, from + count) of one set and returns all rows of logits. */
export async function feed(
  runner: Runner,
  part: Pick<Segment, "set" | "kind" | "ids" | "from" | "count"> & { prompt?: number },
): Promise<Float32Array[]> {
  const segment: Segment = { prompt: part.ids.length, ...part, logits: "all" };
  runner.reserve(segment);
  await runner.step([segment], []);
  runner.table.check();
  const rows = Array.from({ length: part.count }, () => new Float32Array(runner.model.config.vocabulary));
  for (let i = 0; i < rows.length; i++) await runner.logits(0, rows[i], i);
  return rows;
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}
