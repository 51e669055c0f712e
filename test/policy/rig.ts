// A tiny model under a policy: what each layer computed, as traces for the dense references, and what it kept.
import { seeded } from "../../src/base/rng.ts";
import type { Device } from "../../src/device/device.ts";
import { makePolicy } from "../../src/policy/index.ts";
import type { Policy, PolicyOptions } from "../../src/policy/policy.ts";
import { type Part, pass } from "../support/feed.ts";
import { type PolicyOf, speaking, type TinyRunner, tinyRunner } from "../support/runner.ts";
import { type Raw, type TinyOptions, tinyRaw } from "../support/tiny.ts";
import { type Kept, range, rotate, type Trace } from "./dense/trace.ts";
import { Tap, type Tapped } from "./tap.ts";

export interface Setup {
  seed: number;
  prompt: number;
  length: number;
  /** Prompt tokens per pass. */
  chunk: number;
  policy: Policy | PolicyOf;
  layers?: number;
}

/**
 * What one layer did for a chain: queries and keys, what lives after each event, and attention's output at each event.
 */
export interface LayerLife {
  trace: Trace;
  kept: Kept;
  /** [event][query head * D] of the newest token. */
  out: Float32Array[];
  reads: number[][]; // [event][KV head] keys read by that pass
}

/** A chain of one set: tokens to feed, how many were, and its layers. */
export interface Chain {
  set: number;
  ids: number[];
  fed: number;
  layers: LayerLife[];
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

/** What any text is encoded to, and what ends a turn and opens the next. */
const [ASKED, REPLY] = [
  [1001, 1002, 1003],
  [1004, 1005],
];

const SIZES = { queryHeads: 6, kvHeads: 2, headDim: 12 };

/** Numbers of a model, made once: drawing them takes longer than most tests do with them. */
const made = new Map<string, Raw>();
function rawOf(options: TinyOptions): Raw {
  const key = JSON.stringify(options);
  const raw = made.get(key) ?? tinyRaw(options);
  made.set(key, raw);
  return raw;
}

export class PolicyRig {
  readonly runner: TinyRunner;
  readonly setup: Setup;
  readonly #device: Device;
  readonly #tap: Tap;

  constructor(device: Device, setup: Setup) {
    this.#tap = new Tap(device);
    this.#device = this.#tap.device;
    this.setup = setup;
    const options = { seed: setup.seed, layers: setup.layers ?? 1, window: 5, vocabulary: 1024 };
    const longest = Math.max(setup.chunk, setup.prompt);
    const { policy } = setup;
    this.runner = tinyRunner(this.#device, typeof policy === "function" ? policy : () => policy, options, {
      raw: rawOf(options),
      spoken: speaking(ASKED, REPLY),
      sets: 6,
      chunk: longest,
      rows: longest + 16,
    });
    this.#tap.watch(this.runner.activations.layers, this.runner.model.config, longest + 16);
  }

  start(): Chain {
    const { prompt, length, seed, layers = 1 } = this.setup;
    const { frequencies } = this.runner.model.config;
    const layer = (): LayerLife => ({
      trace: { ...SIZES, prompt, length, x: [], q: [], qPre: [], k: [], v: [], z: [], frequencies },
      kept: [],
      out: [],
      reads: [],
    });
    const set = this.runner.open(prompt, length);
    return { set, ids: distinct(seed, length, 0), fed: 0, layers: range(0, layers).map(layer) };
  }

  /** A fork of a chain, which goes on with other tokens. */
  fork(from: Chain, seed: number): Chain {
    const ids = [...from.ids.slice(0, from.fed), ...distinct(seed, from.ids.length - from.fed, seed * 10)];
    const layers = from.layers.map(({ trace, kept, out, reads }) => {
      const { x, q, qPre, k, v, z } = trace;
      const own = { ...trace, x: [...x], q: [...q], qPre: [...qPre], k: [...k], v: [...v], z: [...z] };
      return { trace: own, kept: [...kept], out: [...out], reads: [...reads] };
    });
    return { set: this.runner.sets.fork(from.set), ids, fed: from.fed, layers };
  }

  /** Feeds one prompt chunk or one token of some chains in one pass. */
  async feed(chains: Chain[]): Promise<void> {
    const { runner, setup } = this;
    const parts = chains.map(({ set, ids, fed: from }): Part => {
      const inPrompt = from < setup.prompt;
      const count = inPrompt ? Math.min(setup.chunk, setup.prompt - from) : 1;
      return { set, kind: inPrompt ? "chunk" : "steps", ids, from, count };
    });
    this.#tap.armed = true;
    await pass(runner, parts);
    let row = 0;
    for (const [i, { count, from, set }] of parts.entries()) {
      const chain = chains[i];
      chain.fed += count;
      const saw = chain.fed >= setup.prompt;
      for (const [l, life] of chain.layers.entries()) {
        await this.#read(this.#tap.layers[l], life, row, count, from, saw);
        if (!saw) continue;
        const lanes = range(0, SIZES.kvHeads).map((h) => (set * chain.layers.length + l) * SIZES.kvHeads + h);
        life.kept.push((await this.#device.live(runner.table.device, lanes)).map((positions) => [...positions]));
        life.reads.push(lanes.map((lane) => runner.table.device.reads.host[lane]));
      }
      row += count;
    }
  }

  /** Runs a chain to its end. */
  async finish(chain: Chain): Promise<void> {
    while (chain.fed < this.setup.length) await this.feed([chain]);
  }

  /** Copies rows of the pass into a layer's trace; of attention's output the last, where it `saw` the prompt's end. */
  async #read(from: Tapped, life: LayerLife, row: number, count: number, first: number, saw: boolean): Promise<void> {
    const { queryHeads, kvHeads, headDim: D } = SIZES;
    const rows = async (buffer: Tapped["q"], width: number, skip = 0) => {
      const out = new Float32Array((count - skip) * width);
      await this.#device.read(buffer, (row + skip) * width, out);
      return Array.from({ length: count - skip }, (_, i) => out.slice(i * width, (i + 1) * width));
    };
    const heads = (x: Float32Array[], n: number) =>
      x.map((r) => Array.from({ length: n }, (_, h) => r.slice(h * D, (h + 1) * D)));
    const q = heads(await rows(from.q, queryHeads * D), queryHeads);
    const { trace } = life;
    const back = trace.frequencies.map((f) => -f);
    trace.x.push(...(await rows(from.x, this.runner.model.config.hidden)));
    trace.q.push(...q);
    trace.qPre.push(...q.map((heads, i) => heads.map((x) => rotate(x, first + i, back))));
    trace.k.push(...heads(await rows(from.k, kvHeads * D), kvHeads));
    trace.v.push(...heads(await rows(from.v, kvHeads * D), kvHeads));
    trace.z.push(...(await rows(from.z, kvHeads)));
    if (saw) life.out.push(...(await rows(from.mixed, queryHeads * D, count - 1)));
  }
}

/** Runs one chain to its end. */
export async function run(device: Device, setup: Setup): Promise<Chain> {
  const rig = new PolicyRig(device, setup);
  const chain = rig.start();
  await rig.finish(chain);
  return chain;
}

export const policyOf =
  (name: string, options: PolicyOptions): Setup["policy"] =>
  (model) =>
    makePolicy(name, model, options);

/**
 * What the full cache computes where a model repeats its prompt, `chunk` tokens at a time: traces [chunk][layer] of the
 * prompt, the request (with the last 8 tokens of the chunk before), what opens the reply, and the chunk.
 */
export async function replays(open: () => Device, setup: Setup, ids: number[], chunk: number): Promise<Trace[][]> {
  const { prompt, seed, layers } = setup;
  const all: Trace[][] = [];
  for (let from = 0; from < prompt; from += chunk) {
    const asked = from === 0 ? ASKED : [...ASKED, ...ids.slice(Math.max(0, from - 8), from)];
    const tokens = [...ids.slice(0, prompt), ...asked, ...REPLY, ...ids.slice(from, Math.min(prompt, from + chunk))];
    const { length } = tokens;
    const device = open();
    const full = policyOf("full", {});
    const rig = new PolicyRig(device, { seed, layers, prompt: length, length, chunk: length, policy: full });
    const chain = { ...rig.start(), ids: tokens };
    await rig.feed([chain]);
    device.close();
    all.push(chain.layers.map((layer) => layer.trace));
  }
  return all;
}
