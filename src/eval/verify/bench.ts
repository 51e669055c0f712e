import { Runner, type RunnerOptions, type Segment } from "../../engine/runner.ts";
import { openDevice } from "../../engine/session.ts";
import { loadConfig, loadWeights } from "../../model/load.ts";
import { openSource } from "../../model/source.ts";
import { makePolicy } from "../../policy/index.ts";
import type { PolicyOptions } from "../../policy/policy.ts";
import type { VerifyOptions } from "./check.ts";

/** A model and a runner with one set open, for feeding given tokens and looking at everything. */
export interface Bench {
  runner: Runner;
  feed(
    kind: Segment["kind"],
    ids: ArrayLike<number>,
    from: number,
    count: number,
    endsPrompt?: boolean,
  ): Promise<Float32Array[]>;
  /** An empty set in place of the one before. */
  restart(): void;
  /** Live keys of each lane, by position. */
  live(): Int32Array[];
  close(): void;
}

export async function openBench(
  model: string,
  adapter: string | undefined,
  rows: number,
  options: VerifyOptions,
  policy?: string,
  settings?: PolicyOptions,
): Promise<Bench> {
  const source = await openSource(model);
  const gates = adapter ? await openSource(adapter) : undefined;
  const config = await loadConfig(source, gates);
  const device = openDevice(options.device, options.threads);
  const weights = await loadWeights(device, config, source, { weights: options.weights ?? "f32", adapter: gates });
  const runnerOptions: RunnerOptions = {
    kv: options.kv ?? "f32",
    kvBytes: 1 << 30,
    chains: 1,
    sets: 1,
    contextLength: Math.max(rows, 16),
    chunk: rows,
    rows,
    logitRows: rows,
    samplers: 1,
  };
  const runner = new Runner(device, { config, weights }, makePolicy(policy, config, settings), runnerOptions);
  const { table } = runner;
  let set = table.open();
  return {
    runner,
    async feed(kind, ids, from, count, endsPrompt = false) {
      const segment: Segment = { set, kind, ids, from, count, endsPrompt, logits: "all" };
      runner.reserve(segment);
      await runner.step([segment], []);
      table.check();
      const out = Array.from({ length: count }, () => new Float32Array(config.vocabulary));
      for (let i = 0; i < count; i++) await runner.logits(0, out[i], i);
      return out;
    },
    restart() {
      table.close(set);
      set = table.open();
    },
    live: () => Array.from({ length: table.width }, (_, i) => device.live(table.device, set * table.width + i)),
    close: () => device.close(),
  };
}

/** Largest absolute difference; NaN anywhere gives Infinity. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>, from = 0): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const off = Math.abs(a[i] - b[from + i]);
    if (!(off <= most)) most = Number.isNaN(off) ? Infinity : off;
  }
  return most;
}

export const argmax = (row: ArrayLike<number>): number => {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
};
