import { badArgument } from "../base/errors.ts";
import type { Chain, ChainSpec, Group } from "../engine/chain.ts";
import { greedy, type Sampling } from "../engine/sampling.ts";
import type { Policy } from "../policy/policy.ts";
import type { Channel } from "../request/channel.ts";
import { type Depth, type DepthOptions, depthOf, tagsOf } from "../request/depth.ts";
import { opensThinking } from "../request/opening.ts";
import { Output } from "../request/output.ts";
import { prepare, type RequestOptions } from "../request/prepare.ts";
import type { Prompt } from "../request/prompt.ts";
import { chooseSampling, type SamplingUsed } from "../request/sampling.ts";
import type { Session } from "../request/session.ts";
import type { Stop } from "../request/stop.ts";
import { ChainText } from "../request/text.ts";
import type { Thinking } from "../request/thinking.ts";
import { type ChainUsage, chainUsage, type Usage, usageOf } from "../request/usage.ts";
import { type Extraction, extractAnswer } from "./answer.ts";
import { Equality } from "./equality/equality.ts";
import { type Merge, Merging } from "./equality/merge.ts";
import { Vote, type VoteGroup } from "./vote.ts";

/**
 * As for `generate`, but the temperature is 1 where nobody names one, or where the checkpoint asks for greedy: equal
 * chains cannot vote.
 */
export interface ScaleOptions extends RequestOptions, DepthOptions, Partial<Omit<Sampling, "logprobs">> {
  /** Chains, default 8. */
  width?: number;
  /** Stop as soon as the chains still running cannot change the winner; default true. */
  earlyStop?: boolean;
  /**
   * Merge answers that are equal in other spellings, \frac{\sqrt2}{2} and 1/\sqrt{2}; default false. Votes of numbers
   * and choices alone need none of it. An `Equality` of one's own stays open.
   */
  merge?: boolean | Equality;
}

export interface ChainResult extends ChainUsage {
  answer: Extraction;
}

export interface ScaleResult {
  /** The winning answer as its first chain wrote it; null where every chain abstained. */
  answer: string | null;
  groups: VoteGroup[];
  /** Groups with as many chains as the winner's: it won by the order of chains alone. Empty where it leads. */
  tied: VoteGroup[];
  /** Groups that were merged: two spellings each, and what showed them equal. */
  merges: Merge[];
  abstained: number;
  /** Chains that were stopped because the vote was decided, or because the reader left. */
  stopped: number;
  /** Tokens that those chains might still have drawn: their limits less what they had. An upper bound. */
  savedTokens: number;
  chains: ChainResult[];
  prompt: { text: string | null; tokens: number };
  sampling: SamplingUsed;
  usage: Usage;
  policy: string;
}

/** What happens, in order: enough to draw chains and votes as they form. */
export type ScaleEvent =
  | { type: "start"; width: number; promptTokens: number; policy: string }
  | { type: "text"; chain: number; text: string; tokens: number; liveKeys: number }
  | { type: "chain"; result: ChainResult }
  | { type: "merge"; merge: Merge }
  | { type: "vote"; groups: VoteGroup[]; abstained: number; running: number; decided: boolean }
  | { type: "result"; result: ScaleResult };

/**
 * W chains over one prompt and one vote, streamed. Iterate it for events, or await `result`. A reader who comes late
 * finds each chain's text so far in one event.
 */
export class Scaling extends Output<ScaleEvent, ScaleResult> {
  constructor(session: Session, prompt: Prompt, options: ScaleOptions) {
    super(
      (events, stop) => session.during(stop, () => runChains(session, prompt, options, events, stop)),
      options.signal,
    );
  }
}

async function runChains(
  session: Session,
  prompt: Prompt,
  options: ScaleOptions,
  events: Channel<ScaleEvent>,
  stop: Stop,
): Promise<ScaleResult> {
  const width = options.width ?? 8;
  if (!Number.isInteger(width) || width < 1 || width > 1024)
    throw badArgument(`width must be a whole number of chains from 1 to 1024, got ${width}`);
  // Some templates (QwQ's among them) close the thinking at once unless they are told not to; others ignore the
  // variable.
  const template = { enable_thinking: true, ...options.template };
  const asked = { ...options, template, signal: stop.signal };
  const { text, ids, maxTokens, stopIds, policy } = await prepare(session, prompt, asked);
  const { sampling: suggested } = session.suggested;
  const sampling = chooseSampling(
    { ...options, logprobs: undefined },
    { ...suggested, temperature: suggested.temperature || undefined },
    { ...greedy, temperature: 1 },
  );
  const thinking = tagsOf(options);
  const opened = thinking !== null && opensThinking(session, prompt, template, thinking);
  const depth = await depthOf(session, { ...options, stopIds }, () => opened);
  stop.signal.throwIfAborted();
  await using owned = options.merge === true ? new Equality() : null;
  const equality = owned ?? (options.merge instanceof Equality ? options.merge : null);
  const chosen = { width, maxTokens, sampling, stopIds, thinking, opened, depth };
  const run = new Run(session, events, { ...asked, equality, ...chosen });
  events.push({ type: "start", width, promptTokens: ids.length, policy: policy.key });
  const group = await run.all(ids, policy, stop);
  const result: ScaleResult = {
    ...run.outcome(),
    prompt: { text, tokens: ids.length },
    sampling,
    usage: usageOf(session, group),
    policy: policy.key,
  };
  events.push({ type: "result", result });
  return result;
}

const textEvent = ({ spec: { index }, tokens, meter }: Chain, text: string): ScaleEvent => ({
  type: "text",
  chain: index,
  text,
  tokens: tokens.length,
  liveKeys: meter.live,
});

interface RunOptions extends Omit<ScaleOptions, "stopIds"> {
  width: number;
  maxTokens: number;
  sampling: SamplingUsed;
  stopIds: ReadonlySet<number>;
  thinking: Thinking | null;
  opened: boolean;
  depth: Depth;
  equality: Equality | null;
}

/** State of one call: its chains' texts and the vote. */
class Run {
  group: Group | null = null;
  readonly #session: Session;
  readonly #events: Channel<ScaleEvent>;
  readonly #options: RunOptions;
  readonly #merging: Merging | null;
  readonly #vote: Vote;
  readonly #texts: ChainText[];
  readonly #soFar: (() => ScaleEvent)[];
  readonly #results: ChainResult[] = [];
  #stopped = 0;
  #savedTokens = 0;
  #decided = false;
  /** Whether the last vote that was told was decided. */
  #told = false;
  /** What of the merging is at work. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(session: Session, events: Channel<ScaleEvent>, options: RunOptions) {
    this.#session = session;
    this.#events = events;
    this.#options = options;
    this.#merging = options.equality && new Merging(options.equality);
    this.#vote = new Vote(this.#merging);
    // Special tokens are shown, as some models have their thinking tags among them (end ids never reach the text).
    this.#texts = Array.from(
      { length: options.width },
      () => new ChainText(session.tokenizer, options.stop ?? [], { special: true }),
    );
    this.#soFar = this.#texts.map((text, i) => () => textEvent(this.group!.chains[i], text.text));
  }

  /** Runs all chains to their ends. */
  async all(ids: readonly number[], policy: Policy, stop: Stop): Promise<Group> {
    const ends = Array.from({ length: this.#options.width }, () => Promise.withResolvers<void>());
    this.group = this.#session.engine.submit(
      ids,
      policy,
      ends.map((end, index) => this.#spec(index, end)),
    );
    const { chains } = this.group;
    const settled = await stop.during(Promise.allSettled(ends.map((end) => end.promise)), () => {
      for (const chain of chains) this.#session.engine.abort(chain);
    });
    for (const end of settled) if (end.status === "rejected") throw end.reason;
    if (stop.signal.aborted) return this.group;
    await this.#settled;
    if (!this.#told) this.#count(true, true); // what is undecided stays apart
    return this.group;
  }

  outcome(): Pick<
    ScaleResult,
    "answer" | "groups" | "tied" | "merges" | "abstained" | "stopped" | "savedTokens" | "chains"
  > {
    return {
      answer: this.#vote.winner()?.text ?? null,
      groups: this.#vote.groups(),
      tied: this.#vote.tied(),
      merges: this.#merging?.merges ?? [],
      abstained: this.#vote.abstained,
      stopped: this.#stopped,
      savedTokens: this.#savedTokens,
      chains: this.#results.toSorted((a, b) => a.chain - b.chain),
    };
  }

  #spec(index: number, end: PromiseWithResolvers<void>): ChainSpec {
    const { maxTokens, sampling, stopIds, depth } = this.#options;
    const text = this.#texts[index];
    return {
      sampling,
      maxTokens,
      stopIds,
      index,
      steer: depth?.(),
      onToken: (token) => {
        if (stopIds.has(token.id)) return false;
        this.#show(this.group!.chains[index], text.push(token.id));
        return text.stopped;
      },
      onFinish: (_finish, error) => {
        if (error) {
          end.reject(error);
          for (const chain of this.group!.chains) this.#session.engine.abort(chain);
          return;
        }
        this.#ended(this.group!.chains[index]);
        end.resolve();
      },
    };
  }

  #show(chain: Chain, text: string): void {
    this.#events.push(textEvent(chain, text), this.#soFar[chain.spec.index]);
  }

  #ended(chain: Chain): void {
    const { index } = chain.spec;
    const last = this.#texts[index].end();
    if (last) this.#show(chain, last);
    const { text } = this.#texts[index];
    const wasStopped = chain.finish === "aborted";
    const answer: Extraction = wasStopped
      ? { kind: "abstain", reason: "stopped" }
      : extractAnswer(text, {
          thinking: this.#options.thinking,
          opened: this.#options.opened,
          finished: chain.finish === "stop",
        });
    const result: ChainResult = { ...chainUsage(this.#session, chain, text), answer };
    this.#results.push(result);
    this.#events.push({ type: "chain", result });
    if (wasStopped) {
      this.#stopped++;
      this.#savedTokens += this.#options.maxTokens - chain.tokens.length;
    } else this.#vote.cast(index, answer);
    this.#count(!wasStopped);
    if (answer.kind === "answer") this.#merge();
  }

  /** Looks at the vote as it stands, tells it, and stops what cannot change it. `settled`: nothing is left to merge. */
  #count(tell: boolean, settled = false): void {
    const running = this.group!.chains.filter((c) => !c.finish).map((c) => c.spec.index);
    const certain = this.#vote.decided(running);
    this.#decided ||= running.length > 0 && certain;
    const decided = this.#decided || certain || (settled && running.length === 0);
    if (tell) {
      const groups = this.#vote.groups();
      this.#events.push({ type: "vote", groups, abstained: this.#vote.abstained, running: running.length, decided });
      this.#told = decided;
    }
    if (this.#decided && this.#options.earlyStop !== false)
      for (const c of this.group!.chains) this.#session.engine.abort(c);
  }

  /** Compares a new answer with the others while chains run on. */
  #merge(): void {
    const merged = this.#merging?.settle(
      () => this.#vote.groups(),
      () => this.#options.signal?.aborted ?? false,
      (merge) => this.#events.push({ type: "merge", merge }),
    );
    if (!merged) return;
    this.#settled = merged.then((found) => found && this.#count(true));
    this.#settled.catch(() => {}); // told by `all`
  }
}

/**
 * W chains, answers extracted, equal ones grouped, a majority vote. Throws (through the iterator and `result`) as
 * `generate` does.
 */
export const scale = (session: Session, prompt: Prompt, options: ScaleOptions = {}): Scaling =>
  new Scaling(session, prompt, options);
