import { noMemory } from "../base/errors.ts";
import { type Chain, type Group, rootReady, type Stem, unfinished } from "./chain.ts";
import { freshOf, Roots } from "./roots.ts";
import { type Draw, type Runner, recomputeRows, type Segment } from "./runner.ts";

export type Owner = Chain | Group | Stem;

/** What one step does: segments to feed, what each belongs to, and tokens to draw. */
export interface Plan {
  segments: Segment[];
  owners: Owner[];
  draws: Draw[];
  drawn: Chain[]; // the chain of each draw
  /** Sources of this pass's forks: their lanes must outlive the pass. */
  pinned: Set<Owner>;
  /** Sets whose cut was given pages for those that others hold now: nobody may share more of them before it ran. */
  cutting: Set<number>;
  extraRows: number; // step rows beyond one per chain
  pages: number; // that the segments may take
}

export const isChain = (owner: Owner): owner is Chain => "spec" in owner;
export const isStem = (owner: Owner): owner is Stem => "kind" in owner && owner.kind === "stem";

/**
 * Continuous batching over a bounded pool. Chains that run take a row each (when they recompute: many); waiting chains
 * start in order of age; one prompt chunk rides along. Worst page demands are met before the pass: where they cannot
 * be, the youngest chain loses its lanes and waits. The oldest chain never does, so every chain that fits alone ends.
 */
export class Scheduler {
  /** Unfinished chains, oldest first. */
  readonly chains: Chain[] = [];
  readonly roots: Roots;
  preemptions = 0;
  readonly #runner: Runner;
  readonly #fail: (chain: Chain, error: Error) => void;

  constructor(runner: Runner, fail: (chain: Chain, error: Error) => void) {
    this.#runner = runner;
    this.#fail = fail;
    this.roots = new Roots(runner, this.chains, fail);
  }

  /** `begin`: may groups begin that have not? */
  schedule(begin = true): Plan {
    const plan: Plan = {
      segments: [],
      owners: [],
      draws: [],
      drawn: [],
      pinned: new Set(),
      cutting: new Set(),
      extraRows: 0,
      pages: 0,
    };
    let open = true; // no chain starts before an older one that waits
    for (const chain of [...this.chains])
      if (chain.set >= 0) this.#feed(chain, plan);
      else if (open && !chain.finish && (begin || chain.group.begun)) open = this.#start(chain, plan);
    return plan;
  }

  /** Frees the lanes of a chain; its record stays, so that it can resume. */
  evict(chain: Chain): void {
    if (chain.set < 0) return;
    this.#runner.sets.close(chain.set);
    chain.set = -1;
    chain.recomputeUntil = Math.max(chain.recomputeUntil, chain.cached);
    chain.cached = 0;
  }

  /** Plans a chain's next rows. False if it lost its lanes for want of pages. */
  #feed(chain: Chain, plan: Plan): boolean {
    const { options, sets } = this.#runner;
    const extra = options.rows - options.chunk - options.sets - plan.extraRows;
    const most = Math.min(recomputeRows(chain.group.policy, options.chunk), 1 + Math.max(0, extra));
    // A recomputation stops where its record of reads does, so that the meter can tell repeated reads from new ones.
    const until = chain.cached < chain.recomputeUntil ? chain.recomputeUntil : chain.ids.length;
    const rows = (count: number): Segment => ({
      set: chain.set,
      kind: "steps",
      ids: chain.ids,
      from: chain.cached,
      count,
      logits: chain.cached + count === chain.ids.length ? "last" : "none",
    });
    let segment = rows(Math.min(until - chain.cached, most));
    let need = sets.demand(segment);
    if (this.#free(plan) < need) {
      segment = rows(1);
      need = sets.demand(segment);
    }
    for (; this.#free(plan) < need; need = sets.demand(segment)) {
      if (this.#makeRoom(chain, plan)) continue;
      if (this.#oldest() !== chain) this.#preempt(chain);
      else this.#tooSmall([chain], need);
      return false;
    }
    if (sets.write(segment) === "cuts") plan.cutting.add(segment.set);
    plan.extraRows += segment.count - 1;
    if (segment.logits === "last") this.#draw(plan, chain);
    this.#plan(plan, segment, chain, need);
    return true;
  }

  /** Pages that no segment of the plan may take. */
  #free(plan: Plan): number {
    return this.#runner.table.pool.free - plan.pages;
  }

  #plan(plan: Plan, segment: Segment, owner: Owner, pages: number): void {
    plan.pages += pages;
    plan.segments.push(segment);
    plan.owners.push(owner);
  }

  #draw(plan: Plan, chain: Chain): void {
    const { sampling } = chain.spec;
    plan.draws.push({
      segment: plan.segments.length,
      sampler: chain.sampler,
      position: chain.tokens.length,
      top: sampling.logprobs ?? -1,
    });
    plan.drawn.push(chain);
  }

  /** Gives lanes to a waiting chain, or reads a chunk of the prompt that it lacks. False: it still waits. */
  #start(chain: Chain, plan: Plan): boolean {
    const { group, parent } = chain;
    if (this.chains.filter((c) => c.set >= 0).length >= this.#runner.options.chains) return false;
    if (parent && parent.set >= 0 && parent.cached < chain.ids.length) {
      if (!this.#fork(parent, parent.set, chain, parent.cached, plan)) return false;
    } else if (!rootReady(group)) {
      this.#readPrompt(group, chain, plan);
      return false;
    } else if (
      unfinished(group) === 1 ||
      (this.#oldest() === chain && !this.#canFork(group.rootSet, chain, group.rootCached, plan))
    ) {
      chain.set = group.rootSet; // nobody else needs the root (or there is no room for two): it becomes the chain's own
      chain.cached = group.rootCached;
      group.rootSet = -1;
      group.rootCached = 0;
    } else if (!this.#fork(group, group.rootSet, chain, group.rootCached, plan)) return false;
    chain.parent = null;
    return this.#feed(chain, plan);
  }

  /**
   * Room for a fork (or for what the chain had before) and one page more in every lane, lest it be preempted at once.
   */
  #canFork(set: number, chain: Chain, cached: number, plan: Plan): boolean {
    const { table, sets } = this.#runner;
    if (sets.free <= 0) return false;
    const next = sets.write({ set, kind: "steps", ids: chain.ids, from: cached, count: 1, logits: "none" });
    const step = table.width + (next === "cuts" ? table.pagesOf(set) : 0); // a cut copies what the source holds too
    return this.#free(plan) >= Math.max(table.forkDemand(set), chain.lostPages) + step;
  }

  #fork(owner: Chain | Group, source: number, chain: Chain, cached: number, plan: Plan): boolean {
    if (plan.cutting.has(source) || this.#runner.table.copies("to", source)) return false;
    if (!this.#canFork(source, chain, cached, plan)) return false;
    chain.set = this.#runner.sets.fork(source);
    chain.cached = cached;
    plan.pinned.add(owner);
    return true;
  }

  /** Reads a chunk of a group's prompt, or of the stem that it begins from. */
  #readPrompt(group: Group, chain: Chain, plan: Plan): void {
    const root = this.roots.next(group);
    if (root.rootSet < 0 && !this.#open(root, chain, plan)) return;
    let segment = this.roots.chunk(root);
    let need = this.#runner.sets.demand(segment);
    for (; this.#free(plan) < need; need = this.#runner.sets.demand(segment)) {
      if (this.#oldest() !== chain) return; // older chains run: their pages will come back
      if (this.#makeRoom(chain, plan)) continue;
      if (group.stem && plan.pinned.has(group.stem)) {
        // It was forked in this plan, and there is no room for what it holds and a copy that is cut.
        plan.pinned.delete(group.stem);
        this.roots.drop(group);
        if (!this.#openAlone(group, group.stem, chain)) return;
        segment = this.roots.chunk(group);
        continue;
      }
      const waiting = group.chains.filter((c) => !c.finish);
      this.#tooSmall(waiting, need);
      this.roots.drop(root);
      return;
    }
    // First tokens of all chains are drawn from the prompt's last logits at once, so that these need not be kept.
    if (segment.logits === "last") for (const c of freshOf(group)) this.#draw(plan, c);
    this.#plan(plan, segment, root, need);
  }

  /** Gives lanes to a root: where a group begins, its stem's. False: they have to wait. */
  #open(root: Group | Stem, chain: Chain, plan: Plan): boolean {
    if (root.kind === "stem" || !root.stem || root.begun) return this.roots.take(root, chain);
    const { stem } = root;
    const oldest = this.#oldest() === chain;
    const tails = this.#runner.table.forkDemand(stem.rootSet);
    while (this.#free(plan) < tails && oldest && this.#makeRoom(chain, plan));
    if (this.#free(plan) < tails || !this.roots.fork(root, stem, chain))
      return oldest && !chain.finish && this.#openAlone(root, stem, chain);
    plan.pinned.add(stem);
    return true;
  }

  /** Gives empty lanes to a group that cannot have its stem's: it reads all of its prompt. */
  #openAlone(group: Group, stem: Stem, chain: Chain): boolean {
    this.roots.drop(stem);
    return this.roots.take(group, chain);
  }

  #oldest(): Chain | undefined {
    return this.chains[0];
  }

  /**
   * Frees pages for `chain`: a stem, a younger group's root, any root but its own if it is the oldest, else the
   * youngest chain.
   */
  #makeRoom(chain: Chain, plan: Plan): boolean {
    const planned = new Set([...plan.owners, ...plan.pinned]);
    if (this.#dropStem(chain, plan)) return true;
    for (let i = this.chains.length - 1; i >= 0; i--) {
      const { group } = this.chains[i];
      const idle = group !== chain.group || chain.set >= 0;
      if (
        group.rootSet >= 0 &&
        idle &&
        !planned.has(group) &&
        (this.#oldest() === chain || group.chains[0].age > chain.age)
      ) {
        this.roots.drop(group);
        return true;
      }
    }
    for (let i = this.chains.length - 1; i >= 0; i--) {
      const victim = this.chains[i];
      if (victim.age <= chain.age) return false;
      if (victim.set >= 0 && !planned.has(victim)) {
        this.#preempt(victim);
        return true;
      }
    }
    return false;
  }

  /** Frees a stem that neither the plan nor `chain` needs. */
  #dropStem({ group }: Chain, { owners, pinned }: Plan): boolean {
    const needed = (stem: Stem) => (stem === group.stem && !group.begun) || owners.includes(stem) || pinned.has(stem);
    const stem = this.roots.stems.find((other) => this.roots.idle(other) && !needed(other));
    if (stem) this.roots.drop(stem);
    return stem !== undefined;
  }

  #preempt(chain: Chain): void {
    this.preemptions++;
    chain.lostPages = this.#runner.table.privatePages(chain.set);
    this.evict(chain);
  }

  #tooSmall(chains: Chain[], demand: number): void {
    const { table } = this.#runner;
    const { total } = table.pool;
    const bytes = table.device.bytesPerPage;
    const error = noMemory(
      `the KV pool is too small for one chain: ${total} pages of ${bytes} bytes, ${table.pool.free} free, ${demand} more needed ` +
        `at token ${chains[0].ids.length}; raise --kv-memory, shorten the prompt or --max-tokens, or use a policy that keeps less`,
    );
    for (const chain of chains) this.#fail(chain, error);
  }
}
