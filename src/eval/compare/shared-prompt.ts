import { noMemory } from "../../base/errors.ts";
import type { Runner } from "../../engine/runner.ts";
import type { Labelling, Policy } from "../../policy/policy.ts";
import { tokensOf } from "../../policy/protect.ts";
import { forksFrom, startsFrom, togetherOf } from "../../policy/together.ts";

const NEVER_LABELLED = -1e30; // a gate that exceeds no threshold

/** Lanes that hold a prompt under one policy, ready to decode. */
export interface Started {
  set: number; // -1: no lanes were free
  cutMs: number; // ranking and cutting at the end of the prompt
  pages: number; // most that the prompt took
}

/**
 * A text's prompt, read once with everything watched: policies with a dense prefill start from it.
 * Those that cut take a fork; those that label take a copy whose keys are admitted again under their
 * labels. Others read the prompt themselves.
 */
export class SharedPrompt {
  readonly #runner: Runner;
  /** Keeps all, and watches whatever any policy wants that starts from it. */
  readonly policy: Policy;
  #set = -1;
  /** Gates of the prompt, by layer: [prefix, Hkv]. */
  #gates: Float32Array[] = [];

  constructor(runner: Runner, policies: readonly Policy[]) {
    this.#runner = runner;
    this.policy = togetherOf("compare", policies);
  }

  /** Reads the first `prefix` of `ids`; `close` gives the lanes back, whatever failed. */
  async read(ids: readonly number[], prefix: number, signal?: AbortSignal): Promise<void> {
    const runner = this.#runner;
    this.#set = runner.sets.take(this.policy, prefix, ids.length);
    if (this.#set < 0) throw noMemory("no set of lanes is free: raise --chains");
    const { layers, kvHeads } = runner.model.config;
    this.#gates = this.policy.labels ? Array.from({ length: layers }, () => new Float32Array(prefix * kvHeads)) : [];
    await readPrompt(runner, this.#set, ids, prefix, async (from, count) => {
      signal?.throwIfAborted();
      for (const [layer, gates] of this.#gates.entries()) {
        const { z } = runner.activations.layers[layer];
        await runner.device.read(z, 0, gates.subarray(from * kvHeads, (from + count) * kvHeads));
      }
    });
  }

  /** Lanes under `policy`, which this prompt serves (or not: then they read it themselves). */
  async start(policy: Policy, ids: readonly number[], prefix: number, signal?: AbortSignal): Promise<Started> {
    const runner = this.#runner;
    const { table, sets, beforeCut } = runner;
    runner.check(policy, prefix);
    if (forksFrom(this.policy, policy)) {
      const set = sets.fork(this.#set, policy);
      const started = performance.now();
      await this.#closing(set, () => runner.cutPrompt(set, ids, prefix - 1));
      const cutMs = performance.now() - started;
      return { set, cutMs, pages: Math.max(table.pagesOf(this.#set), beforeCut.get(set)?.pages ?? 0) };
    }
    const set = sets.take(policy, prefix, ids.length);
    let pages = 0;
    await this.#closing(set, () =>
      startsFrom(this.policy, policy)
        ? this.#label(set, policy.labels!, prefix)
        : readPrompt(runner, set, ids, prefix, async () => {
            signal?.throwIfAborted();
            pages = Math.max(pages, table.pagesOf(set), beforeCut.get(set)?.pages ?? 0);
          }),
    );
    return { set, cutMs: 0, pages: Math.max(pages, table.pagesOf(set)) };
  }

  close(): void {
    if (this.#set >= 0) this.#runner.sets.close(this.#set);
    this.#set = -1;
  }

  async #closing(set: number, work: () => Promise<void>): Promise<void> {
    if (set < 0) return;
    try {
      await work();
    } catch (error) {
      this.#runner.sets.close(set);
      throw error;
    }
  }

  /** Admits the prompt's keys to a set once more, under labels: what a dense prefill of its own would have left. */
  async #label(set: number, labels: Labelling, prefix: number): Promise<void> {
    const runner = this.#runner;
    const { layers, kvHeads, dms } = runner.model.config;
    const shift = labels.source === "dms" && dms ? dms.shift : 0;
    for (let from = 0; from < prefix; from += runner.options.chunk) {
      const count = Math.min(runner.options.chunk, prefix - from);
      const z = new Float32Array(layers * count * kvHeads);
      for (let layer = 0; layer < layers; layer++) {
        const into = z.subarray(layer * count * kvHeads, (layer + 1) * count * kvHeads);
        gatesOf(labels, shift, this.#gates[layer], from, count, prefix, kvHeads, into);
      }
      await runner.readmit(this.#set, set, from, count, z);
    }
  }
}

/** Gates of rows from position `from` on, with those that may not label turned off. */
function gatesOf(
  { source, protect }: Labelling,
  shift: 0 | 1,
  recorded: Float32Array | undefined,
  from: number,
  count: number,
  prompt: number,
  kvHeads: number,
  into: Float32Array,
): void {
  const first = tokensOf(protect, prompt);
  for (let i = 0; i < count; i++)
    for (let head = 0; head < kvHeads; head++) {
      const free = from + i - shift >= first;
      const raw = source === "all" ? 1 : recorded![(from + i) * kvHeads + head];
      into[i * kvHeads + head] = free ? raw : NEVER_LABELLED;
    }
}

/** Reads a prompt into a set, chunk by chunk. */
export async function readPrompt(
  runner: Runner,
  set: number,
  ids: readonly number[],
  prefix: number,
  onChunk: (from: number, count: number) => Promise<void>,
): Promise<void> {
  const { chunk } = runner.options;
  for (let from = 0; from < prefix; from += chunk) {
    const count = Math.min(chunk, prefix - from);
    await runner.run([{ set, kind: "chunk", ids, from, count, logits: "none" }]);
    await onChunk(from, count);
  }
}
