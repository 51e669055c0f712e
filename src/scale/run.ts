import type { Chain, ChainSpec, Group, Token } from "../engine/chain.ts";
import type { ChatMessage } from "../model/chat.ts";
import type { Policy } from "../policy/policy.ts";
import type { Channel } from "../request/channel.ts";
import type { Depth } from "../request/depth.ts";
import type { SamplingUsed } from "../request/sampling.ts";
import type { Session } from "../request/session.ts";
import type { Stop } from "../request/stop.ts";
import { ChainText } from "../request/text.ts";
import type { Thinking } from "../request/thinking.ts";
import { chainUsage } from "../request/usage.ts";
import type { Choice } from "./aggregate/ballot.ts";
import { majority } from "./aggregate/majority.ts";
import { chainConfidence, tokenConfidence } from "./aggregate/measure.ts";
import { type Extraction, extractAnswer } from "./answer.ts";
import { ballotsOf, verifierChain, withScores } from "./ballots.ts";
import type { Chooser } from "./chooser.ts";
import type { Equality } from "./equality/equality.ts";
import { Merging } from "./equality/merge.ts";
import type { ChainResult, ScaleEvent, ScaleResult } from "./result.ts";
import { type Score, scoresOf } from "./verifier/verifier.ts";
import { Vote, type VoteGroup } from "./vote.ts";

const textEvent = ({ spec: { index }, tokens, meter }: Chain, text: string): ScaleEvent => ({
  type: "text",
  chain: index,
  text,
  tokens: tokens.length,
  liveKeys: meter.live,
});

export interface RunOptions extends Chooser {
  width: number;
  stop?: readonly string[];
  signal?: AbortSignal;
  maxTokens: number;
  sampling: SamplingUsed;
  stopIds: ReadonlySet<number>;
  thinking: Thinking | null;
  opened: boolean;
  depth: Depth;
  equality: Equality | null;
  messages: readonly ChatMessage[]; // what was asked
}

/** State of one call: its chains' texts, the vote, and who chooses in its place. */
export class Run {
  group: Group | null = null;
  readonly #session: Session;
  readonly #events: Channel<ScaleEvent>;
  readonly #options: RunOptions;
  readonly #merging: Merging | null;
  readonly #vote: Vote;
  readonly #texts: ChainText[];
  readonly #soFar: (() => ScaleEvent)[];
  readonly #results: ChainResult[] = [];
  readonly #confidences: number[][]; // by chain and token, where they are measured
  #scores: Score[] = [];
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
    this.#confidences = this.#texts.map(() => []);
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
    if (this.#options.aggregator !== majority) await this.#choose(stop);
    else if (!this.#told) this.#count(true, true); // what is undecided stays apart
    return this.group;
  }

  /** Asks the verifier, and tells what the aggregator makes of it. */
  async #choose(stop: Stop): Promise<void> {
    const { aggregator, verifier, messages, thinking, opened } = this.#options;
    const due = new Set(aggregator.scored?.(this.#ballots()).map(({ chain }) => chain));
    const chains = this.#chains().filter(({ chain }) => due.has(chain));
    if (verifier && chains.length > 0) {
      this.#events.push({ type: "verify", verifier: verifier.name, chains: chains.length });
      const read = chains.map((chain) => verifierChain(chain, messages, thinking, opened));
      try {
        this.#scores = await scoresOf(verifier, read, stop.signal);
      } catch (error) {
        if (!stop.left) throw error;
      }
    }
    const groups = this.#groupsOf(aggregator.choose(this.#ballots()));
    this.#events.push({ type: "vote", groups, abstained: this.#vote.abstained, running: 0, decided: true });
  }

  outcome(): Omit<ScaleResult, "prompt" | "sampling" | "usage" | "policy"> {
    const { aggregator, verifier } = this.#options;
    const choice = aggregator.choose(this.#ballots());
    const groups = this.#groupsOf(choice);
    const tied = new Set(choice.tied.map(({ key }) => key));
    return {
      answer: choice.answer,
      aggregator: aggregator.key,
      verifier: verifier?.name ?? null,
      chosen: choice.chosen,
      votes: choice.votes,
      groups,
      tied: groups.filter(({ key }) => tied.has(key)),
      merges: this.#merging?.merges ?? [],
      abstained: this.#vote.abstained,
      stopped: this.#stopped,
      savedTokens: this.#savedTokens,
      chains: this.#chains(),
    };
  }

  #chains(): ChainResult[] {
    return this.#results.toSorted((a, b) => a.chain - b.chain);
  }

  #ballots() {
    const measure = this.#options.aggregator.confidence?.measure ?? null;
    return withScores(ballotsOf(this.#chains(), this.#vote.groups(), measure), this.#scores);
  }

  /** A choice's groups, with the spellings that they are merged of; the majority's weights are counts. */
  #groupsOf(choice: Choice): VoteGroup[] {
    const groups = this.#vote.groups();
    if (this.#options.aggregator === majority) return groups;
    const keys = new Map(groups.map((group) => [group.key, group.keys]));
    return choice.groups.map((group) => ({ ...group, ...(keys.get(group.key) && { keys: keys.get(group.key) }) }));
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
        this.#measure(index, token);
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

  #measure(index: number, token: Token): void {
    const confidence = this.#options.confidence && tokenConfidence(token);
    if (confidence !== null) this.#confidences[index].push(confidence);
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
    const { confidence } = this.#options;
    const result: ChainResult = {
      ...chainUsage(this.#session, chain, text),
      answer,
      ...(confidence && { confidence: chainConfidence(this.#confidences[index], confidence.window) }),
    };
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
    const certain = this.#options.aggregator === majority && this.#vote.decided(running);
    this.#decided ||= running.length > 0 && certain;
    const decided = this.#decided || certain || (settled && running.length === 0);
    if (tell) {
      const groups = this.#vote.groups();
      this.#events.push({ type: "vote", groups, abstained: this.#vote.abstained, running: running.length, decided });
      this.#told = decided;
    }
    if (this.#decided && this.#options.earlyStop) for (const c of this.group!.chains) this.#session.engine.abort(c);
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
