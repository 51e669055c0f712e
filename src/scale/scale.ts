import { HyperthinkError } from "../base/errors.ts";
import type { Chain, ChainSpec } from "../engine/chain.ts";
import { Channel } from "../engine/channel.ts";
import type { Engine } from "../engine/engine.ts";
import {
  encodePrompt,
  type GenerateOptions,
  type Prompt,
  policyOf,
  poolBill,
  samplingOf,
  throwIfAborted,
  tokenLimit,
} from "../engine/generate.ts";
import { type Bill, bill, type Receipt, receipt } from "../engine/receipt.ts";
import { greedy } from "../engine/sampling.ts";
import type { Session } from "../engine/session.ts";
import { ChainText } from "../engine/text.ts";
import { type Extraction, extractAnswer, type Thinking } from "./answer.ts";
import { Vote, type VoteGroup } from "./vote.ts";

export interface ScaleOptions extends Omit<GenerateOptions, "logprobs"> {
  /** Chains, default 8. */
  width?: number;
  /** Tags of the thinking, default <think> and </think>; null where the model has none. */
  thinking?: Thinking | null;
  /** Stop as soon as the chains still running cannot change the winner; default true. */
  earlyStop?: boolean;
}

export interface ChainResult extends Receipt {
  answer: Extraction;
}

export interface ScaleResult {
  /** The winning answer as its first chain wrote it; null where every chain abstained. */
  answer: string | null;
  groups: VoteGroup[];
  abstained: number;
  /** Chains that were stopped because the vote was decided. */
  stopped: number;
  /** Tokens that those chains might still have drawn: their limits less what they had. An upper bound. */
  savedTokens: number;
  chains: ChainResult[];
  prompt: { text: string | null; tokens: number };
  bill: Bill;
  policy: string;
}

/** What happens, in order: enough to draw chains and votes as they form. */
export type ScaleEvent =
  | { type: "start"; width: number; promptTokens: number; policy: string }
  | { type: "text"; chain: number; text: string; tokens: number; liveKeys: number }
  | { type: "chain"; result: ChainResult }
  | { type: "vote"; groups: VoteGroup[]; abstained: number; running: number; decided: boolean }
  | { type: "result"; result: ScaleResult };

const THINK: Thinking = { open: "<think>", close: "</think>" };

/** W chains over one prompt and one vote, streamed. Iterate it for events, or await `result`. */
export class Scaling implements AsyncIterable<ScaleEvent> {
  readonly result: Promise<ScaleResult>;
  readonly #events = new Channel<ScaleEvent>();

  constructor(session: Session, prompt: Prompt, options: ScaleOptions) {
    this.result = this.#run(session, prompt, options);
    this.result.then(
      () => this.#events.end(),
      (error) => this.#events.end(error),
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<ScaleEvent> {
    return this.#events[Symbol.asyncIterator]();
  }

  async #run(session: Session, prompt: Prompt, options: ScaleOptions): Promise<ScaleResult> {
    const width = options.width ?? 8;
    if (!Number.isInteger(width) || width < 1 || width > 1024)
      throw new HyperthinkError("bad-argument", `width must be a whole number of chains from 1 to 1024, got ${width}`);
    // Some templates (QwQ's among them) close the thinking at once unless they are told not to; others ignore the variable.
    const template = { enable_thinking: true, ...options.template };
    const { text, ids } = await encodePrompt(session, prompt, { ...options, template });
    const maxTokens = tokenLimit(session, ids.length, options.maxTokens);
    const policy = await policyOf(session, prompt, options, ids.length, ids.length + maxTokens);
    return session.with(policy, async (engine, gauge) => {
      throwIfAborted(options.signal);
      const run = new Run(session, engine, this.#events, { ...options, width, maxTokens, promptText: text ?? "" });
      this.#events.push({ type: "start", width, promptTokens: ids.length, policy: policy.key });
      await run.all(ids);
      const result: ScaleResult = {
        ...run.outcome(),
        prompt: { text, tokens: ids.length },
        bill: { ...bill(run.group!.meter, ids.length, run.group!.chains), ...poolBill(session, gauge) },
        policy: policy.key,
      };
      this.#events.push({ type: "result", result });
      return result;
    });
  }
}

type RunOptions = ScaleOptions & { width: number; maxTokens: number; promptText: string };

/** State of one call: its chains' texts and the vote. */
class Run {
  group: ReturnType<Engine["submit"]> | null = null;
  readonly #session: Session;
  readonly #engine: Engine;
  readonly #events: Channel<ScaleEvent>;
  readonly #options: RunOptions;
  readonly #vote = new Vote();
  readonly #texts: ChainText[];
  readonly #results: ChainResult[] = [];
  #stopped = 0;
  #savedTokens = 0;
  #decided = false;

  constructor(session: Session, engine: Engine, events: Channel<ScaleEvent>, options: RunOptions) {
    this.#session = session;
    this.#engine = engine;
    this.#events = events;
    this.#options = options;
    // Special tokens are shown, as some models have their thinking tags among them (end ids never reach the text).
    this.#texts = Array.from(
      { length: options.width },
      () => new ChainText(session.tokenizer, options.stop ?? [], { special: true }),
    );
  }

  /** Runs all chains to their ends. */
  async all(ids: readonly number[]): Promise<void> {
    const { width, signal } = this.#options;
    const ends = Array.from({ length: width }, () => Promise.withResolvers<void>());
    this.group = this.#engine.submit(
      ids,
      ends.map((end, index) => this.#spec(index, end)),
    );
    const { chains } = this.group;
    const abort = () => {
      for (const chain of chains) this.#engine.abort(chain);
    };
    signal?.addEventListener("abort", abort);
    try {
      const settled = await Promise.allSettled(ends.map((end) => end.promise));
      for (const end of settled) if (end.status === "rejected") throw end.reason;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    throwIfAborted(signal);
  }

  outcome(): Pick<ScaleResult, "answer" | "groups" | "abstained" | "stopped" | "savedTokens" | "chains"> {
    return {
      answer: this.#vote.winner()?.text ?? null,
      groups: this.#vote.groups(),
      abstained: this.#vote.abstained,
      stopped: this.#stopped,
      savedTokens: this.#savedTokens,
      chains: this.#results.toSorted((a, b) => a.chain - b.chain),
    };
  }

  #spec(index: number, end: PromiseWithResolvers<void>): ChainSpec {
    const { maxTokens } = this.#options;
    const text = this.#texts[index];
    const stopIds = new Set(this.#options.stopIds ?? this.#session.config.eosIds);
    return {
      sampling: { ...samplingOf(this.#options, { ...greedy, temperature: 1 }), logprobs: null },
      maxTokens,
      stopIds,
      index,
      onToken: (token) => {
        if (stopIds.has(token.id)) return false;
        const { tokens, meter } = this.group!.chains[index];
        this.#events.push({
          type: "text",
          chain: index,
          text: text.push(token.id),
          tokens: tokens.length,
          liveKeys: meter.live,
        });
        return text.stopped;
      },
      onFinish: (_finish, error) => {
        if (error) {
          end.reject(error);
          for (const chain of this.group!.chains) this.#engine.abort(chain);
          return;
        }
        this.#ended(this.group!.chains[index]);
        end.resolve();
      },
    };
  }

  #ended(chain: Chain): void {
    const { index } = chain.spec;
    this.#texts[index].end();
    const { text } = this.#texts[index];
    const wasStopped = chain.finish === "aborted";
    const answer: Extraction = wasStopped
      ? { kind: "abstain", reason: "stopped" }
      : extractAnswer(text, {
          thinking: this.#options.thinking === undefined ? THINK : this.#options.thinking,
          opened: this.#opened(),
          finished: chain.finish === "stop",
        });
    const result: ChainResult = { ...receipt(chain, text), answer };
    this.#results.push(result);
    this.#events.push({ type: "chain", result });
    if (wasStopped) {
      this.#stopped++;
      this.#savedTokens += this.#options.maxTokens - chain.tokens.length;
    } else this.#vote.cast(index, answer);
    const running = this.group!.chains.filter((c) => !c.finish).map((c) => c.spec.index);
    this.#decided ||= running.length > 0 && this.#vote.decided(running);
    if (!wasStopped)
      this.#events.push({
        type: "vote",
        groups: this.#vote.groups(),
        abstained: this.#vote.abstained,
        running: running.length,
        decided: this.#decided || running.length === 0,
      });
    if (this.#decided && this.#options.earlyStop !== false) for (const c of this.group!.chains) this.#engine.abort(c);
  }

  /** Did the prompt's template already open the thinking? */
  #opened(): boolean {
    const tags = this.#options.thinking === undefined ? THINK : this.#options.thinking;
    if (!tags) return false;
    const { promptText } = this.#options;
    return promptText.lastIndexOf(tags.open) > promptText.lastIndexOf(tags.close);
  }
}

/** W chains, answers extracted, equal ones grouped, a majority vote. Throws (through the iterator and `result`) as `generate` does. */
export const scale = (session: Session, prompt: Prompt, options: ScaleOptions = {}): Scaling =>
  new Scaling(session, prompt, options);
