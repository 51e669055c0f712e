import type { Runner } from "../../engine/runner.ts";

/**
 * Most tokens per pass: each goes through decode attention (and cuts) on its own, but weights are read once for all.
 */
const ROWS = 64;

export interface Steps {
  set: number; // holds the first `from` of `ids`
  ids: readonly number[];
  from: number;
  /** One token a pass. */
  single?: boolean;
  signal: AbortSignal;
  /** After tokens up to `to`, `count` of them, took `ms`. */
  onPass?: (to: number, count: number, ms: number) => void;
  /** Logits after token `at`, valid until it returns. */
  onRow: (at: number, logits: Float32Array) => void;
}

/** Feeds the rest of a text as decoding would, token by token. Throws the signal's reason. */
export async function feedSteps(runner: Runner, steps: Steps): Promise<void> {
  const { set, ids, signal, onPass, onRow } = steps;
  const logits = new Float32Array(runner.model.config.vocabulary);
  const rows = steps.single ? 1 : Math.min(ROWS, runner.options.logitRows);
  for (let { from } = steps; from < ids.length; from += rows) {
    signal.throwIfAborted();
    const count = Math.min(rows, ids.length - from);
    const started = performance.now();
    await runner.run([{ set, kind: "steps", ids, from, count, logits: "all" }]);
    onPass?.(from + count, count, performance.now() - started);
    for (let i = 0; i < count; i++) {
      await runner.logits(0, logits, i);
      onRow(from + i, logits);
    }
  }
}
