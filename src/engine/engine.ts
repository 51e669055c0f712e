import { asError, badArgument } from "../base/errors.ts";
import { meterPass } from "../cache/meter.ts";
import { MAX_TOP } from "../device/ops.ts";
import { badLogits } from "../model/bad-logits.ts";
import type { Policy } from "../policy/policy.ts";
import { forksFrom } from "../policy/together.ts";
import {
  type Chain,
  type ChainSpec,
  type Finish,
  type Group,
  newChain,
  newGroup,
  type Steered,
  type Stem,
  type Token,
} from "./chain.ts";
import { checkPrompt, checkSpec } from "./checks.ts";
import type { Runner } from "./runner.ts";
import { markSeen, writeSampler } from "./sampling.ts";
import { isChain, isStem, type Plan, Scheduler } from "./scheduler.ts";

export interface EngineOptions {
  /** Called with every row of logits that a token was drawn from: for tests and studies, not for production. */
  onLogits?: (chain: Chain, index: number, logits: Float32Array) => void;
  /** Called after every step; the next one waits for what it returns. */
  onStep?: () => void | Promise<void>;
}

/** Runs chains of any number of prompts over one pool: schedule, plan, forward, sample, commit, until none is left. */
export class Engine {
  readonly runner: Runner;
  readonly scheduler: Scheduler;
  readonly options: EngineOptions;
  #age = 0;
  #running: Promise<void> | null = null;
  readonly #guests: (() => Promise<void>)[] = []; // work that waits for the cache to itself
  #hosts = false; // a guest is at work
  readonly #freeSamplers: number[] = [];
  readonly #logits: Float32Array;

  constructor(runner: Runner, options: EngineOptions = {}) {
    this.runner = runner;
    this.options = options;
    this.scheduler = new Scheduler(runner, (chain, error) => this.#end(chain, "error", error));
    for (let i = runner.options.samplers - 1; i >= 0; i--) this.#freeSamplers.push(i);
    this.#logits = new Float32Array(options.onLogits ? runner.model.config.vocabulary : 0);
  }

  /**
   * A beginning for groups that will read one prompt under these policies: those that drop nothing while a prompt is
   * read, and set no labels, start from what was read once. Null where fewer than two do, or the prompt has only one
   * chunk, or its pages are sealed when full. `closeStem` lets its lanes go.
   */
  stem(prompt: readonly number[], policies: readonly Policy[]): Stem | null {
    const stem = this.scheduler.roots.stem(prompt, policies);
    if (stem === null) return null;
    checkPrompt(this.runner, prompt, stem.policy);
    this.scheduler.roots.stems.push(stem);
    return stem;
  }

  /** Says that no more groups will come: the lanes of a stem go back once those that came have begun. */
  closeStem(stem: Stem): void {
    stem.closed = true;
    if (!this.#running) this.scheduler.roots.dropStems("done");
  }

  /**
   * Starts chains that share one prompt, under a policy of their own, from a stem of this prompt where the policy can.
   * Throws `bad-argument` before anything runs.
   */
  submit(
    prompt: readonly number[],
    policy: Policy,
    specs: readonly ChainSpec[],
    { stem = null }: { stem?: Stem | null } = {},
  ): Group {
    checkPrompt(this.runner, prompt, policy);
    if (stem && (stem.prompt.length !== prompt.length || stem.prompt.some((id, i) => id !== prompt[i])))
      throw badArgument("the stem is another prompt's");
    if (specs.length === 0) throw badArgument("expected at least one chain, got 0");
    if (specs.length > this.#freeSamplers.length)
      throw badArgument(
        `expected at most ${this.#freeSamplers.length} more chains at a time, got ${specs.length}; wait for others to end`,
      );
    for (const spec of specs) checkSpec(spec);
    const most = Math.max(...specs.map((spec) => spec.maxTokens));
    const group = newGroup(prompt, policy, most, stem && !stem.closed && forksFrom(stem.policy, policy) ? stem : null);
    for (const spec of specs) this.#add(spec, group);
    this.#wake();
    return group;
  }

  /** Starts a chain that continues from where `parent` stands now, with its own sampling. */
  fork(parent: Chain, spec: ChainSpec): Chain {
    checkSpec(spec);
    if (parent.finish) throw badArgument("cannot fork a chain that has ended");
    if (this.#freeSamplers.length === 0) throw badArgument("no sampler is free: too many chains");
    const child = this.#add(spec, parent.group);
    child.tokens.push(...parent.tokens);
    child.ids.push(...parent.tokens);
    child.recomputeUntil = Math.max(parent.cached, parent.recomputeUntil);
    if (parent.set >= 0) child.parent = parent;
    this.#mark(child, parent.ids);
    this.#wake();
    return child;
  }

  /** Ends a chain at the next step boundary; its pages go back to the pool. */
  abort(chain: Chain): void {
    if (chain.finish) return;
    chain.aborted = true;
    if (this.#hosts)
      this.#end(chain, "aborted"); // it holds nothing yet
    else this.#wake();
  }

  /**
   * Runs work that feeds the cache by hand, with the cache to itself: what has begun ends first, and what has not
   * waits. Rejects when the signal fires before it begins.
   */
  alone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const guest = () => {
      signal.removeEventListener("abort", leave);
      return work().then(resolve, reject);
    };
    const leave = () => {
      this.#guests.splice(this.#guests.indexOf(guest), 1);
      reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#guests.push(guest);
    if (signal.aborted) leave();
    this.#wake();
    return promise;
  }

  /** Resolves when no chain is left. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #add(spec: ChainSpec, group: Group): Chain {
    const chain = newChain(spec, group, this.#age++, this.#freeSamplers.pop()!);
    group.chains.push(chain);
    this.scheduler.chains.push(chain);
    writeSampler(this.runner.samplers, chain.sampler, spec.sampling, spec.index);
    this.#mark(chain, group.prompt);
    return chain;
  }

  #mark({ sampler, spec }: Chain, ids: readonly number[]): void {
    markSeen(this.runner.samplers, sampler, spec.sampling, ids);
  }

  #wake(): void {
    if (this.#running) return;
    this.#running = Promise.resolve()
      .then(() => this.#loop())
      .finally(() => {
        this.#running = null;
        this.scheduler.roots.dropStems("done");
        if (this.scheduler.chains.length || this.#guests.length) this.#wake();
      });
  }

  async #loop(): Promise<void> {
    try {
      while (this.scheduler.chains.length || this.#guests.length) {
        this.scheduler.roots.dropStems(this.#guests.length ? "all" : "done");
        if (this.#guests.length && this.runner.sets.inUse === 0) {
          this.#hosts = true;
          await this.#guests.shift()!();
          this.#hosts = false;
        } else await this.step();
      }
    } catch (error) {
      for (const chain of [...this.scheduler.chains]) this.#end(chain, "error", asError(error));
      this.scheduler.roots.dropStems("all"); // the pass that failed may have fed them
    }
  }

  /** One step: schedule and plan (pages), forward and sample (one pass), commit. */
  async step(): Promise<void> {
    for (const chain of [...this.scheduler.chains]) if (chain.aborted) this.#end(chain, "aborted");
    const waiting = this.scheduler.chains.length;
    const plan = this.scheduler.schedule(this.#guests.length === 0);
    if (plan.segments.length === 0) {
      if (waiting > 0 && this.scheduler.chains.length === waiting && this.runner.sets.inUse > 0)
        throw new Error("the scheduler found nothing to run");
      return;
    }
    const failed = new Map<number, Error>();
    await this.runner.run(plan.segments, plan.draws, (set, error) => failed.set(set, error));
    if (this.options.onLogits) await this.#observeLogits(plan, this.options.onLogits);
    this.#commit(plan, failed);
    await this.options.onStep?.();
  }

  async #observeLogits(plan: Plan, onLogits: NonNullable<EngineOptions["onLogits"]>): Promise<void> {
    for (let i = 0; i < plan.draws.length; i++) {
      await this.runner.logits(plan.draws[i].segment, this.#logits);
      onLogits(plan.drawn[i], plan.drawn[i].tokens.length, this.#logits);
    }
  }

  /** `failed`: sets whose own policy failed after the pass, and with it the chains that they belong to. */
  #commit(plan: Plan, failed: ReadonlyMap<number, Error>): void {
    const { table } = this.runner;
    plan.segments.forEach(({ set, count }, i) => {
      const before = this.runner.beforeCut.get(set);
      const owner = plan.owners[i];
      if (isChain(owner)) {
        owner.cached += count;
        const kind = owner.cached <= owner.recomputeUntil ? "recompute" : "decode";
        meterPass(owner.meter, table, set, kind, count, owner.cached, before);
      } else {
        owner.rootCached += count;
        const kind = owner.rootCached <= owner.meter.seen ? "recompute" : "prefill";
        meterPass(owner.meter, table, set, kind, count, Math.max(owner.rootCached, owner.meter.seen), before);
      }
    });
    plan.owners.forEach((owner, i) => {
      const error = failed.get(plan.segments[i].set);
      if (error && !isStem(owner))
        for (const chain of isChain(owner) ? [owner] : owner.chains) this.#end(chain, "error", error);
    });
    plan.drawn.forEach((chain, i) => {
      const token = this.#token(i, chain.spec.sampling.logprobs);
      if (token.id >= 0) this.#take(chain, token);
      else this.#end(chain, "error", badLogits(whereOf(chain)));
    });
    for (const owner of new Set(plan.owners.map((owner) => (isChain(owner) ? owner.group : owner))))
      if (!isStem(owner)) this.scheduler.roots.tidy(owner);
  }

  #token(draw: number, logprobs: number | null): Token {
    const { ids, logprob, topIds, topLogprobs } = this.runner.samplers.drawn;
    const length = Math.min(logprobs ?? 0, this.runner.model.config.vocabulary);
    const top = Array.from({ length }, (_, j) => ({
      id: topIds.host[draw * MAX_TOP + j],
      logprob: topLogprobs.host[draw * MAX_TOP + j],
    }));
    return { id: ids.host[draw], logprob: logprobs === null ? null : logprob.host[draw], top };
  }

  /** A drawn token, and what the chain is made to say instead or after it, which goes through the cache like it. */
  #take(chain: Chain, token: Token): void {
    if (chain.finish) return;
    let steered: Steered | null;
    try {
      steered = chain.spec.steer?.(token) ?? null;
    } catch (error) {
      this.#end(chain, "error", asError(error));
      return;
    }
    const { keep, forced } = steered ?? { keep: true, forced: [] };
    if (keep) this.#accept(chain, token);
    for (const id of forced) {
      if (!chain.finish) chain.forced++;
      this.#accept(chain, { id, logprob: null, top: [] });
    }
  }

  #accept(chain: Chain, token: Token): void {
    if (chain.finish) return;
    chain.tokens.push(token.id);
    chain.ids.push(token.id);
    this.#mark(chain, [token.id]);
    const { spec } = chain;
    let stop = spec.stopIds.has(token.id);
    try {
      if (spec.onToken?.(token)) stop = true;
    } catch (error) {
      this.#end(chain, "error", asError(error));
      return;
    }
    if (stop) this.#end(chain, "stop");
    else if (chain.tokens.length >= spec.maxTokens) this.#end(chain, "length");
    else if (chain.ids.length >= this.runner.options.contextLength) this.#end(chain, "context");
  }

  #end(chain: Chain, finish: Finish, error?: Error): void {
    if (chain.finish) return;
    this.scheduler.evict(chain);
    chain.finish = finish;
    const { chains } = this.scheduler;
    chains.splice(chains.indexOf(chain), 1);
    this.#freeSamplers.push(chain.sampler);
    this.scheduler.roots.tidy(chain.group);
    chain.spec.onFinish?.(finish, error);
  }
}

const whereOf = ({ spec, tokens, ids }: Chain): string =>
  `chain ${spec.index}, token ${tokens.length + 1} (position ${ids.length})`;
