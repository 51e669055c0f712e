// One layer of a tiny model under a policy: what it computed, as a trace for the dense references, and what it kept.
import { seeded } from "../../src/base/rng.ts";
import type { Device } from "../../src/device/device.ts";
import { Runner, type Segment } from "../../src/engine/runner.ts";
import { makePolicy } from "../../src/policy/index.ts";
import type { Policy, PolicyOptions } from "../../src/policy/policy.ts";
import { tinyModel, tinyRaw } from "../support/tiny.ts";
import { type Kept, rotate, type Trace } from "./dense/trace.ts";

export interface Setup {
  seed: number;
  prompt: number;
  length: number;
  /** Prompt tokens a pass. */
  chunk: number;
  policy: Policy | ((model: Parameters<typeof makePolicy>[1]) => Policy);
  layers?: number;
}

/** A chain of one set: tokens fed, their queries and keys, what lives after each event, and attention's output at each event. */
export interface Life {
  trace: Trace;
  kept: Kept;
  /** [event][query head * D] of the newest token. */
  out: Float32Array[];
  reads: number[][]; // [event][KV head] keys read by that pass
}

/** Tokens that do not repeat: with one layer, equal tokens would have keys of equal norm, and rounding would choose. */
const distinct = (seed: number, count: number, offset: number): number[] => {
  const rng = seeded(seed);
  const ids = Array.from({ length: 256 }, (_, i) => i + offset);
  for (let i = ids.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [ids[i], ids[j]] = [ids[j], ids[i]];
  }
  return ids.slice(0, count);
};

/** What any text is encoded to. */
export const ASKED = [1001, 1002, 1003];

const SIZES = { queryHeads: 6, kvHeads: 2, headDim: 12 };

export class PolicyRig {
  readonly runner: Runner;
  readonly setup: Setup;
  readonly #device: Device;

  constructor(device: Device, setup: Setup) {
    this.#device = device;
    this.setup = setup;
    const options = { seed: setup.seed, layers: setup.layers ?? 1, window: 5, vocabulary: 1024 };
    const model = tinyModel(device, options, tinyRaw(options));
    const rng = seeded(setup.seed + 1);
    for (const layer of model.weights.layers) {
      const { kvHeads, hidden } = model.config;
      const out = device.matrix(kvHeads, hidden, "f32");
      device.writeRows(
        out,
        0,
        Float32Array.from({ length: kvHeads * hidden }, () => rng.gaussian() / Math.sqrt(hidden)),
      );
      layer.probe = { inner: null, innerBias: null, out, outBias: null };
    }
    const policy =
      typeof setup.policy === "function"
        ? setup.policy({ ...model.config, probe: true, encode: () => [...ASKED] })
        : setup.policy;
    this.runner = new Runner(device, model, policy, {
      kv: "f32",
      kvBytes: 4 << 20,
      chains: 4,
      sets: 6,
      contextLength: 512,
      chunk: Math.max(setup.chunk, setup.prompt),
      rows: Math.max(setup.chunk, setup.prompt) + 16,
      logitRows: 8,
      samplers: 1,
    });
  }

  start(): { set: number; ids: number[]; life: Life } {
    const { prompt, length, seed } = this.setup;
    const ids = distinct(seed, length, 0);
    const frequencies = this.runner.model.config.frequencies;
    const trace: Trace = { ...SIZES, prompt, length, q: [], qPre: [], k: [], v: [], z: [], frequencies };
    return { set: this.runner.open(prompt, length), ids, life: { trace, kept: [], out: [], reads: [] } };
  }

  /** A fork of a chain, which goes on with other tokens. */
  fork(from: ReturnType<PolicyRig["start"]>, seed: number): ReturnType<PolicyRig["start"]> {
    const at = from.life.trace.q.length;
    const ids = [...from.ids.slice(0, at), ...distinct(seed, from.ids.length - at, seed * 10)];
    const { trace } = from.life;
    const copy = { q: [...trace.q], qPre: [...trace.qPre], k: [...trace.k], v: [...trace.v], z: [...trace.z] };
    const life = {
      trace: { ...trace, ...copy },
      kept: [...from.life.kept],
      out: [...from.life.out],
      reads: [...from.life.reads],
    };
    return { set: this.runner.table.fork(from.set), ids, life };
  }

  /** Feeds one prompt chunk or one token of some chains in one pass. */
  async feed(chains: ReturnType<PolicyRig["start"]>[]): Promise<void> {
    const { runner, setup } = this;
    const segments = chains.map(({ set, ids, life }): Segment => {
      const from = life.trace.q.length;
      const inPrompt = from < setup.prompt;
      const count = inPrompt ? Math.min(setup.chunk, setup.prompt - from) : 1;
      return { set, kind: inPrompt ? "chunk" : "steps", ids, from, count, prompt: setup.prompt, logits: "none" };
    });
    for (const segment of segments) runner.reserve(segment);
    await runner.step(segments, []);
    runner.table.check();
    let row = 0;
    for (const [i, { count, from }] of segments.entries()) {
      await this.#read(chains[i].life, row, count, from);
      row += count;
      if (from + count < setup.prompt) continue;
      const lanes = [0, 1].map((h) => chains[i].set * 2 + h);
      chains[i].life.kept.push(lanes.map((lane) => [...this.#device.live(runner.table.device, lane)]));
      chains[i].life.reads.push(lanes.map((lane) => runner.table.device.reads.host[lane]));
    }
  }

  /** Copies rows of the pass into a chain's trace. */
  async #read(life: Life, row: number, count: number, from: number): Promise<void> {
    const { workspace: w } = this.runner;
    const { queryHeads, kvHeads, headDim: D } = SIZES;
    const rows = async (buffer: (typeof w)["q"], width: number) => {
      const out = new Float32Array(count * width);
      await this.#device.read(buffer, row * width, out);
      return Array.from({ length: count }, (_, i) => out.slice(i * width, (i + 1) * width));
    };
    const heads = (x: Float32Array[], n: number) =>
      x.map((r) => Array.from({ length: n }, (_, h) => r.slice(h * D, (h + 1) * D)));
    const q = heads(await rows(w.q, queryHeads * D), queryHeads);
    const { trace } = life;
    const back = trace.frequencies.map((f) => -f);
    trace.q.push(...q);
    trace.qPre.push(...q.map((row, i) => row.map((x) => rotate(x, from + i, back))));
    trace.k.push(...heads(await rows(w.k, kvHeads * D), kvHeads));
    trace.v.push(...heads(await rows(w.v, kvHeads * D), kvHeads));
    trace.z.push(...(await rows(w.z[0], kvHeads)));
    const out = await rows(w.mixed, queryHeads * D);
    if (from + count >= this.setup.prompt) life.out.push(out[count - 1]);
  }
}

/** Runs one chain to its end. */
export async function run(device: Device, setup: Setup): Promise<Life> {
  const rig = new PolicyRig(device, setup);
  const chain = rig.start();
  while (chain.life.trace.q.length < setup.length) await rig.feed([chain]);
  return chain.life;
}

/** What a rig's chain would compute for other tokens under the full cache. */
export async function traceOf(device: Device, seed: number, ids: number[]): Promise<Trace> {
  const rig = new PolicyRig(device, {
    seed,
    prompt: ids.length,
    length: ids.length,
    chunk: ids.length,
    policy: policyOf("full", {}),
  });
  const chain = { ...rig.start(), ids };
  await rig.feed([chain]);
  return chain.life.trace;
}

export const policyOf =
  (name: string, options: PolicyOptions): Setup["policy"] =>
  (model) =>
    makePolicy(name, model, options);
