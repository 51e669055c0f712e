import { Runner, type RunnerOptions, type Segment } from "../../engine/runner.ts";
import { openAdapters } from "../../model/adapters.ts";
import { loadConfig, loadWeights } from "../../model/load.ts";
import { addProbe } from "../../model/probe.ts";
import { openSource } from "../../model/source.ts";
import { makePolicy } from "../../policy/index.ts";
import type { Policy, PolicyOptions } from "../../policy/policy.ts";
import { type LoadOptions, openDevice } from "../../request/session.ts";
import type { VerifyOptions } from "./check.ts";

/** A model and a runner with one set open, for feeding given tokens and looking at everything. */
export interface Bench {
  runner: Runner;
  feed(kind: Segment["kind"], ids: ArrayLike<number>, from: number, count: number): Promise<Float32Array[]>;
  /** The set's number. */
  readonly set: number;
  readonly policy: Policy;
  /** An empty set in place of the one before. */
  restart(): void;
  /** Live keys of each lane, by position. */
  live(): Promise<Int32Array[]>;
  close(): void;
}

/**
 * What a bench holds: the most tokens fed, those of them that are the prompt's (all,
 * if not said), and what it runs under.
 */
export interface BenchSetup {
  rows: number;
  prompt?: number;
  adapter?: LoadOptions["adapter"];
  probe?: string;
  policy?: string;
  settings?: PolicyOptions;
  /** Another policy to hold the set under at first. */
  held?: (policy: Policy) => Policy;
}

export async function openBench(model: string, setup: BenchSetup, options: VerifyOptions): Promise<Bench> {
  const { rows, prompt = rows } = setup;
  const source = await openSource(model);
  const { gates, loras } = await openAdapters(setup.adapter);
  const config = await loadConfig(source, gates);
  const device = openDevice(options.device, options.threads);
  const format = options.weights ?? "f32";
  const weights = await loadWeights(device, config, source, { weights: format, adapter: gates, loras });
  if (setup.probe) await addProbe(device, config, weights, await openSource(setup.probe));
  const runnerOptions: RunnerOptions = {
    kv: options.kv ?? "f32",
    kvBytes: 1 << 30,
    chains: 1,
    sets: 2,
    contextLength: Math.max(rows, 16),
    chunk: rows,
    rows,
    logitRows: rows,
    samplers: 1,
  };
  const trained = { ...config, probe: setup.probe !== undefined };
  const policy = makePolicy(setup.policy, trained, setup.settings);
  const runner = new Runner(device, { config, weights }, runnerOptions);
  const { table, sets } = runner;
  let set = sets.take(setup.held?.(policy) ?? policy, prompt, rows);
  return {
    runner,
    async feed(kind, ids, from, count) {
      await runner.run([{ set, kind, ids, from, count, logits: "all" }]);
      table.check();
      const out = Array.from({ length: count }, () => new Float32Array(config.vocabulary));
      for (let i = 0; i < count; i++) await runner.logits(0, out[i], i);
      return out;
    },
    policy,
    get set() {
      return set;
    },
    restart() {
      sets.close(set);
      set = sets.take(policy, prompt, rows);
    },
    live: () => liveOf(runner, set),
    close: () => device.close(),
  };
}

/** Live keys of each lane of a set, by position. */
export const liveOf = ({ device, table }: Runner, set: number): Promise<Int32Array[]> =>
  device.live(table.device, table.lanes(set));

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
