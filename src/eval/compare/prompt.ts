import { HyperthinkError } from "../../base/errors.ts";
import { CHUNK, type F32, type Work } from "../../device/device.ts";
import type { Runner, Segment } from "../../engine/runner.ts";
import { UNTIL_PROMPT_ENDS } from "../../model/attention.ts";
import { KEEP_ALL, WATCH_NOTHING } from "../../policy/options.ts";
import type { Gate, Policy, Watch } from "../../policy/policy.ts";
import { tokensOf } from "../../policy/protect.ts";

const FOREVER_KEPT = 1e30; // a threshold that no gate exceeds
const NEVER_LABELLED = -1e30; // a gate that exceeds no threshold

/** Prompts that were made, to tell their policies apart. */
let made = 0;

/** Lanes that hold a prompt under one policy, ready to decode. */
export interface Started {
  set: number; // -1: no lanes were free
  cutMs: number; // ranking and cutting at the end of the prompt
  pages: number; // most that the prompt took
}

/**
 * A text's prompt, read once with everything watched: policies with a dense prefill start from it. Those that cut take a fork;
 * those that label take a copy whose keys are admitted again under their labels. Others read the prompt themselves.
 */
export class Prompt {
  readonly #runner: Runner;
  /** Keeps all, and watches whatever any policy wants that starts from it. */
  readonly policy: Policy;
  readonly #queries: number;
  readonly #hosted: boolean;
  #set = -1;
  /** Gates of the prompt, by layer: [prefix, Hkv]. */
  #gates: Float32Array[] = [];
  #rows: { k: F32; v: F32; z: F32; work: Work } | null = null;

  constructor(runner: Runner, policies: readonly Policy[]) {
    this.#runner = runner;
    const dense = policies.filter(({ prefill }) => prefill === "dense");
    const watches = dense.flatMap(({ cut }) => (cut ? [cut.watch] : []));
    const gates = dense.flatMap(({ labels }) => (labels && labels.source !== "all" ? [labels.source] : []));
    const watch: Watch = {
      ...WATCH_NOTHING,
      queries: Math.max(0, ...watches.map(({ queries }) => queries)),
      sums: watches.some(({ sums }) => sums),
      moments: watches.find(({ moments }) => moments)?.moments ?? null,
    };
    this.#queries = watch.queries;
    this.#hosted = policies.some(({ cut }) => cut?.rescore);
    const anything = () => 2 ** 30;
    this.policy = {
      ...KEEP_ALL,
      name: "compare",
      key: `compare ${++made}`, // work under other prompts waits for this one's end
      labels: gates.length ? { source: gates[0], threshold: FOREVER_KEPT, window: 0, spare: 0 } : null,
      cut: {
        watch,
        atPrompt: null,
        decode: null,
        rule: { slack: 1, recent: 0, pool: "lane", floor: 0, replace: false },
        budget: anything,
        protect: 0,
      },
      reads: dense.some(({ reads }) => reads?.pages)
        ? { archivePosition: null, pages: { budget: anything, from: 0 } }
        : null,
    };
  }

  /** Can a policy start from here? What one pass cannot give two policies (moments from other positions, two kinds of gates) it does not. */
  serves({ prefill, labels, cut, reads }: Policy): boolean {
    if (prefill !== "dense") return false;
    if (labels) return !reads?.pages && (labels.source === "all" || labels.source === this.policy.labels?.source);
    if (!cut) return true;
    const { moments, gates } = cut.watch;
    return !gates && (!moments || moments.skip === this.policy.cut!.watch.moments!.skip);
  }

  /** Reads the first `prefix` of `ids`; `close` gives the lanes back, whatever failed. */
  async read(ids: readonly number[], prefix: number, signal?: AbortSignal): Promise<void> {
    const runner = this.#runner;
    runner.sides.queries = this.#queries;
    runner.sides.hosted = this.#hosted;
    runner.adopt(this.policy);
    this.#set = runner.open(prefix, ids.length);
    const { layers, kvHeads } = runner.model.config;
    this.#gates = this.policy.labels ? Array.from({ length: layers }, () => new Float32Array(prefix * kvHeads)) : [];
    await readPrompt(runner, this.#set, ids, prefix, async (from, count) => {
      signal?.throwIfAborted();
      for (const [layer, gates] of this.#gates.entries())
        await runner.device.read(
          runner.workspace.z[layer],
          0,
          gates.subarray(from * kvHeads, (from + count) * kvHeads),
        );
    });
  }

  /** Lanes under `policy`, which the runner holds and this prompt serves (or not: then they read it themselves). */
  async start(policy: Policy, ids: readonly number[], prefix: number, signal?: AbortSignal): Promise<Started> {
    const runner = this.#runner;
    const { table } = runner;
    runner.checkPrompt(prefix);
    if (this.serves(policy) && !policy.labels) {
      const set = table.fork(this.#set);
      const started = performance.now();
      await this.#closing(set, async () => {
        runner.allot(set, prefix, ids.length);
        await runner.cutPrompt({ set, ids, prompt: prefix }, prefix - 1);
      });
      const cutMs = performance.now() - started;
      return { set, cutMs, pages: Math.max(table.pagesOf(this.#set), runner.beforeCut.get(set)?.pages ?? 0) };
    }
    const set = runner.open(prefix, ids.length);
    let pages = 0;
    await this.#closing(set, () =>
      this.serves(policy)
        ? this.#label(set, policy.labels!, prefix)
        : readPrompt(runner, set, ids, prefix, async () => {
            signal?.throwIfAborted();
            pages = Math.max(pages, table.pagesOf(set), runner.beforeCut.get(set)?.pages ?? 0);
          }),
    );
    return { set, cutMs: 0, pages: Math.max(pages, table.pagesOf(set)) };
  }

  close(): void {
    if (this.#set >= 0) this.#runner.table.close(this.#set);
    this.#set = -1;
    this.#runner.sides.queries = 0;
    this.#runner.sides.hosted = false;
  }

  async #closing(set: number, work: () => Promise<void>): Promise<void> {
    if (set < 0) return;
    try {
      await work();
    } catch (error) {
      this.#runner.table.close(set);
      throw error;
    }
  }

  /** Admits the prompt's keys to a set once more, under labels: what a dense prefill of its own would have left. */
  async #label(set: number, gate: Gate, prefix: number): Promise<void> {
    const { device, table, model, options } = this.#runner;
    const { layers, kvHeads, headDim, dms } = model.config;
    const shift = gate.source === "dms" && dms ? dms.shift : 0;
    const rows = options.chunk;
    this.#rows ??= {
      k: device.f32(rows * kvHeads * headDim),
      v: device.f32(rows * kvHeads * headDim),
      z: device.f32(rows * kvHeads),
      work: { list: device.i32(CHUNK), first: 0, count: 1 },
    };
    const { k, v, z, work } = this.#rows;
    const labels = { z, threshold: gate.threshold, window: UNTIL_PROMPT_ENDS, shift };
    for (let from = 0; from < prefix; from += rows) {
      const count = Math.min(rows, prefix - from);
      needPages(this.#runner, table.demand(set, count, "chunk"));
      table.reserve(set, count, "chunk");
      work.list.host.set([set, 0, count, from]);
      for (let layer = 0; layer < layers; layer++) {
        this.#keysOf(layer, from, count, k, v);
        gatesOf(gate, shift, this.#gates[layer], from, count, prefix, kvHeads, z.host);
        const pass = device.begin();
        pass.admitChunk(k, v, table.device, layer, work, labels);
        await device.run(pass);
      }
      table.commit(set);
    }
  }

  /** Rows [count, Hkv, D] of the prompt's keys and values from position `from` on; nothing was dropped, so slot = position. */
  #keysOf(layer: number, from: number, count: number, k: F32, v: F32): void {
    const { device, table, model } = this.#runner;
    const { kvHeads, headDim: D } = model.config;
    for (let head = 0; head < kvHeads; head++) {
      const { keys, values } = device.keys(table.device, this.#set * table.width + layer * kvHeads + head);
      for (let i = 0; i < count; i++) {
        const [at, to] = [(from + i) * D, (i * kvHeads + head) * D];
        k.host.set(keys.subarray(at, at + D), to);
        v.host.set(values.subarray(at, at + D), to);
      }
    }
  }
}

/** Gates of rows from position `from` on, with those that may not label turned off. */
function gatesOf(
  { source, spare }: Gate,
  shift: 0 | 1,
  recorded: Float32Array | undefined,
  from: number,
  count: number,
  prompt: number,
  kvHeads: number,
  into: Float32Array,
): void {
  const first = tokensOf(spare, prompt);
  for (let i = 0; i < count; i++)
    for (let head = 0; head < kvHeads; head++) {
      const free = from + i - shift >= first;
      const raw = source === "all" ? 1 : recorded![(from + i) * kvHeads + head];
      into[i * kvHeads + head] = free ? raw : NEVER_LABELLED;
    }
}

/** Reads a prompt into a set under the policy at hand, chunk by chunk. */
async function readPrompt(
  runner: Runner,
  set: number,
  ids: readonly number[],
  prefix: number,
  onChunk: (from: number, count: number) => Promise<void>,
): Promise<void> {
  const { chunk } = runner.options;
  for (let from = 0; from < prefix; from += chunk) {
    const count = Math.min(chunk, prefix - from);
    await feed(runner, { set, kind: "chunk", ids, from, count, prompt: prefix, logits: "none" });
    await onChunk(from, count);
  }
}

/** Runs one pass over one segment. Throws `no-memory` where its pages are not free. */
export async function feed(runner: Runner, segment: Segment): Promise<void> {
  needPages(runner, runner.demand(segment));
  runner.reserve(segment);
  await runner.step([segment], []);
}

function needPages({ table }: Runner, need: number): void {
  if (need > table.pool.free)
    throw new HyperthinkError(
      "no-memory",
      `${need} pages are needed and ${table.pool.free} free: raise --kv-memory or take shorter texts`,
    );
}
