import { badArgument, noMemory } from "../../base/errors.ts";
import { meterPass, newMeter } from "../../cache/meter.ts";
import type { Runner } from "../../engine/runner.ts";
import { badLogits } from "../../model/bad-logits.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Session } from "../../request/session.ts";
import { Stop } from "../../request/stop.ts";
import { type Baseline, divergence, newBaseline, record } from "./distance.ts";
import { SharedPrompt } from "./shared-prompt.ts";

/** A policy to compare, under the name it is shown by. */
export interface Candidate {
  label: string;
  policy: Policy;
  /** The ratio it was asked for; null where it was not asked by one. */
  cr: number | null;
  /** How to make it for a prompt of another length, where its budget is a share of that. */
  spec?: { policy: string; cr?: number };
  /** Score only this many texts: what replays a prompt costs as much as reading it again. */
  texts?: number;
}

/** What one policy did on one text. Keys are means over layers and KV heads; bytes are of whole pages. */
export interface TextScore {
  label: string;
  kl: number[]; // of each scored token, nats
  agrees: number; // tokens whose likeliest successor is the full cache's
  nll: number; // mean, of the tokens that came
  reads: number; // while decoding
  fullReads: number;
  laneReads: number[]; // [layers * Hkv] while decoding
  liveAtStart: number; // after the prompt
  liveAtEnd: number;
  prefillBytes: number; // most while the prompt was read
  startBytes: number; // after the prompt and its cut
  endBytes: number;
  cutMs: number; // ranking and cutting at the end of the prompt
  decodeMs: number; // all scored tokens, up to ROWS of them per pass
}

export interface TextRun {
  text: number; // index
  scores: TextScore[];
}

export interface CompareOptions {
  /** Tokens read as the prompt; the rest of a text is fed one by one. */
  prefix: number;
  onScore?: (text: number, done: number) => void;
  signal?: AbortSignal;
}

/**
 * Most tokens per pass: each goes through decode attention (and cuts) on its own, but weights are read once for all.
 */
const ROWS = 64;

/**
 * Teacher-forced comparison of policies with the full cache, text by text. A text's prompt is
 * read once for all that cut after it.
 */
export class Comparison {
  readonly #runner: Runner;
  readonly #session: Session;
  readonly #candidates: readonly Candidate[];
  readonly #options: CompareOptions;
  readonly #logits: Float32Array;
  readonly #prompt: SharedPrompt;
  #baseline: Baseline | null = null;

  constructor(session: Session, candidates: readonly Candidate[], options: CompareOptions) {
    if (candidates[0]?.policy.key !== "full")
      throw badArgument("the first policy of a comparison is `full`: the others are measured against it");
    this.#session = session;
    this.#runner = session.runner;
    this.#candidates = candidates.map((c) => {
      const sound = session.check(c.policy);
      return c.policy.cut?.rescore ? { ...c, policy: sound } : c;
    });
    this.#options = options;
    this.#prompt = new SharedPrompt(
      this.#runner,
      this.#candidates.map(({ policy }) => policy),
    );
    this.#logits = new Float32Array(this.#runner.model.config.vocabulary);
  }

  /** Scores every policy on one text of token ids. */
  async run(text: number, ids: readonly number[]): Promise<TextRun> {
    const { prefix } = this.#options;
    if (!(prefix >= 1 && ids.length > prefix + 1))
      throw badArgument(`expected a text of more than ${prefix + 1} tokens, got ${ids.length}`);
    if (ids.length > this.#runner.options.contextLength)
      throw badArgument(
        `a text has ${ids.length} tokens, the context ${this.#runner.options.contextLength}: raise --context or take shorter texts`,
      );
    const stop = new Stop(this.#options.signal);
    const { signal } = stop;
    const { engine } = this.#session;
    const work = () => engine.alone(() => this.#run(text, ids, signal), signal);
    return this.#session.during(stop, work).finally(() => stop.release());
  }

  async #run(text: number, ids: readonly number[], signal: AbortSignal): Promise<TextRun> {
    const { prefix, onScore } = this.#options;
    const scores: TextScore[] = [];
    try {
      await this.#prompt.read(ids, prefix, signal);
      for (const [i, candidate] of this.#candidates.entries()) {
        if (candidate.texts !== undefined && text >= candidate.texts) continue;
        scores.push(await this.#score(candidate, ids, signal));
        onScore?.(text, i + 1);
      }
    } finally {
      this.#prompt.close();
    }
    return { text, scores };
  }

  async #score(candidate: Candidate, ids: readonly number[], signal: AbortSignal): Promise<TextScore> {
    const { table, sets } = this.#runner;
    const { set, cutMs, pages } = await this.#prompt.start(candidate.policy, ids, this.#options.prefix, signal);
    if (set < 0) throw noMemory("no set of lanes is free: raise --chains");
    try {
      return {
        ...(await this.#decode(candidate, set, ids, signal)),
        prefillBytes: pages * table.device.bytesPerPage,
        cutMs,
      };
    } finally {
      sets.close(set);
    }
  }

  async #decode(
    candidate: Candidate,
    set: number,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<Omit<TextScore, "prefillBytes" | "cutMs">> {
    const runner = this.#runner;
    const { table } = runner;
    const { policy, label } = candidate;
    const { prefix } = this.#options;
    const V = this.#logits.length;
    const isFull = candidate === this.#candidates[0];
    if (isFull)
      this.#baseline =
        this.#baseline?.plogp.length === ids.length - prefix ? this.#baseline : newBaseline(ids.length - prefix, V);
    const meter = newMeter();
    const kl: number[] = [];
    let agrees = 0;
    let nll = 0;
    let decodeMs = 0;
    const liveAtStart = table.meanLive(set);
    const startBytes = table.pagesOf(set) * table.device.bytesPerPage;
    const score = (at: number) => {
      const next = ids[at + 1];
      let lse: number;
      if (isFull) {
        ({ lse } = record(this.#baseline!, at - prefix, this.#logits));
        kl.push(0);
        agrees++;
      } else {
        const d = divergence(this.#baseline!, at - prefix, this.#logits);
        lse = d.lse;
        kl.push(d.kl);
        if (d.agrees) agrees++;
      }
      if (!Number.isFinite(lse + kl.at(-1)!)) throw badLogits(`${label}, token ${at + 1} of the text`);
      if (next !== undefined) nll += lse - this.#logits[next];
    };
    const rows = policy.cut?.rescore ? 1 : Math.min(ROWS, runner.options.logitRows);
    for (let from = prefix; from < ids.length; from += rows) {
      signal.throwIfAborted();
      const count = Math.min(rows, ids.length - from);
      const started = performance.now();
      await runner.run([{ set, kind: "steps", ids, from, count, logits: "all" }]);
      decodeMs += performance.now() - started;
      meterPass(meter, table, set, "decode", count, from + count);
      for (let i = 0; i < count; i++) {
        await runner.logits(0, this.#logits, i);
        score(from + i);
      }
    }
    return {
      label,
      kl,
      agrees,
      nll: nll / (ids.length - prefix - 1),
      reads: meter.decodeReads,
      fullReads: meter.fullReads,
      laneReads: [...meter.laneReads],
      liveAtStart,
      liveAtEnd: meter.live,
      startBytes,
      endBytes: table.pagesOf(set) * table.device.bytesPerPage,
      decodeMs,
    };
  }
}
