import { badArgument, noMemory } from "../../base/errors.ts";
import { meterPass, newMeter } from "../../cache/meter.ts";
import type { Runner } from "../../engine/runner.ts";
import { badLogits } from "../../model/bad-logits.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Session } from "../../request/session.ts";
import { Stop } from "../../request/stop.ts";
import { type Baseline, divergence, newBaseline, record } from "./distance.ts";
import { checkReference, fullCacheOf } from "./reference.ts";
import { SharedPrompt } from "./shared-prompt.ts";
import { feedSteps } from "./steps.ts";

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
  /** Of a reference's full cache: mean, of the tokens that came. */
  referenceNll?: number;
}

export interface CompareOptions {
  /** Tokens read as the prompt; the rest of a text is fed one by one. */
  prefix: number;
  /**
   * A model with the same tokens, whose full cache takes the place of this model's: `full` is then measured as the
   * others are. For weights that an adapter has changed.
   */
  reference?: Session;
  onScore?: (text: number, done: number) => void;
  signal?: AbortSignal;
}

/** One text, and the distributions that it is measured against, where they are not its own full cache's. */
interface Work {
  ids: readonly number[];
  given?: Baseline;
  signal: AbortSignal;
}

/**
 * Teacher-forced comparison of policies with the full cache, text by text. A text's prompt is
 * read once for all that cut after it.
 */
export class Comparison {
  readonly #runner: Runner;
  readonly #session: Session;
  readonly #candidates: readonly Candidate[];
  readonly #options: CompareOptions;
  readonly #prompt: SharedPrompt;
  #baseline: Baseline | null = null;

  constructor(session: Session, candidates: readonly Candidate[], options: CompareOptions) {
    const { reference } = options;
    if (reference) checkReference(session, reference);
    else if (candidates[0]?.policy.key !== "full")
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
  }

  /** Scores every policy on one text of token ids. */
  async run(text: number, ids: readonly number[]): Promise<TextRun> {
    const { prefix } = this.#options;
    if (!(prefix >= 1 && ids.length > prefix + 1))
      throw badArgument(`expected a text of more than ${prefix + 1} tokens, got ${ids.length}`);
    const { reference, signal: caller } = this.#options;
    for (const { runner } of reference ? [this.#session, reference] : [this.#session])
      if (ids.length > runner.options.contextLength)
        throw badArgument(
          `a text has ${ids.length} tokens, the context ${runner.options.contextLength}: raise --context or take shorter texts`,
        );
    const said = reference && (await fullCacheOf(reference, ids, prefix, caller));
    const stop = new Stop(caller);
    const { signal } = stop;
    const { engine } = this.#session;
    const work = () => engine.alone(() => this.#run(text, { ids, signal, given: said?.baseline }), signal);
    const run = await this.#session.during(stop, work).finally(() => stop.release());
    return said ? { ...run, referenceNll: said.nll } : run;
  }

  async #run(text: number, work: Work): Promise<TextRun> {
    const { prefix, onScore } = this.#options;
    const scores: TextScore[] = [];
    try {
      await this.#prompt.read(work.ids, prefix, work.signal);
      for (const [i, candidate] of this.#candidates.entries()) {
        if (candidate.texts !== undefined && text >= candidate.texts) continue;
        scores.push(await this.#score(candidate, work));
        onScore?.(text, i + 1);
      }
    } finally {
      this.#prompt.close();
    }
    return { text, scores };
  }

  async #score(candidate: Candidate, work: Work): Promise<TextScore> {
    const { ids, signal } = work;
    const { table, sets } = this.#runner;
    const { set, cutMs, pages } = await this.#prompt.start(candidate.policy, ids, this.#options.prefix, signal);
    if (set < 0) throw noMemory("no set of lanes is free: raise --chains");
    try {
      return {
        ...(await this.#decode(candidate, set, work)),
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
    { ids, signal, given }: Work,
  ): Promise<Omit<TextScore, "prefillBytes" | "cutMs">> {
    const { table } = this.#runner;
    const { policy, label } = candidate;
    const { prefix } = this.#options;
    const records = !given && candidate === this.#candidates[0];
    const baseline = given ?? this.#own(ids.length - prefix);
    const meter = newMeter();
    const kl: number[] = [];
    let agrees = 0;
    let nll = 0;
    let decodeMs = 0;
    const liveAtStart = table.meanLive(set);
    const startBytes = table.pagesOf(set) * table.device.bytesPerPage;
    await feedSteps(this.#runner, {
      set,
      ids,
      from: prefix,
      single: policy.cut?.rescore !== undefined,
      signal,
      onPass: (to, count, ms) => {
        decodeMs += ms;
        meterPass(meter, table, set, "decode", count, to);
      },
      onRow: (at, logits) => {
        const row = at - prefix;
        const d = records
          ? { ...record(baseline, row, logits), kl: 0, agrees: true }
          : divergence(baseline, row, logits);
        if (!Number.isFinite(d.lse + d.kl)) throw badLogits(`${label}, token ${at + 1} of the text`);
        kl.push(d.kl);
        if (d.agrees) agrees++;
        if (at + 1 < ids.length) nll += d.lse - logits[ids[at + 1]];
      },
    });
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

  /** Room for the distributions of this model's full cache: used again where texts are equally long. */
  #own(rows: number): Baseline {
    if (this.#baseline?.plogp.length !== rows) this.#baseline = newBaseline(rows, this.#runner.model.config.vocabulary);
    return this.#baseline;
  }
}
