// Tokens fed by hand, without scheduling.
import type { Runner, Segment } from "../../src/engine/runner.ts";
import { hashBits } from "./compare.ts";

/** Tokens [from, from + count) of a set. */
export type Part = Pick<Segment, "set" | "kind" | "ids" | "from" | "count">;

/** Runs parts of several sets in one pass. */
export async function pass(
  runner: Runner,
  parts: readonly Part[],
  logits: Segment["logits"] = "none",
): Promise<Segment[]> {
  const segments = parts.map((part): Segment => ({ ...part, logits }));
  await runner.run(segments);
  runner.table.check();
  return segments;
}

/** Feeds a part and returns all its rows of logits. */
export async function feed(runner: Runner, part: Part): Promise<Float32Array[]> {
  await pass(runner, [part], "all");
  const rows = Array.from({ length: part.count }, () => new Float32Array(runner.model.config.vocabulary));
  for (let i = 0; i < rows.length; i++) await runner.logits(0, rows[i], i);
  return rows;
}

/** Reads a prompt into a set, a chunk per pass. */
export async function readPrompt(runner: Runner, set: number, ids: readonly number[], prompt: number): Promise<void> {
  const { chunk } = runner.options;
  for (let from = 0; from < prompt; from += chunk)
    await pass(runner, [{ set, kind: "chunk", ids, from, count: Math.min(chunk, prompt - from) }], "last");
}

/** Hash of the logits that stand after the pass before. */
export async function hashLast(runner: Runner): Promise<string> {
  const logits = new Float32Array(runner.model.config.vocabulary);
  await runner.logits(0, logits);
  return hashBits(logits);
}

/** Feeds a set's tokens one by one from the prompt's end on: hash of the logits after each. */
export async function decode(
  runner: Runner,
  set: number,
  ids: readonly number[],
  prompt: number,
  after: () => void = () => {},
): Promise<string[]> {
  const hashes: string[] = [];
  for (let from = prompt; from < ids.length; from++) {
    await pass(runner, [{ set, kind: "steps", ids, from, count: 1 }], "last");
    hashes.push(await hashLast(runner));
    after();
  }
  return hashes;
}
