import { asError } from "../base/errors.ts";
import { inherit } from "../cache/meter.ts";
import type { Policy } from "../policy/policy.ts";
import { forksFrom, togetherOf } from "../policy/together.ts";
import { type Chain, type Group, newStem, type Root, rootReady, type Stem } from "./chain.ts";
import type { Runner, Segment } from "./runner.ts";

/** Lanes that hold prompts: groups' own roots, and stems that groups begin from. */
export class Roots {
  /** Those that groups may begin from. */
  stems: Stem[] = [];
  readonly #runner: Runner;
  readonly #chains: readonly Chain[];
  readonly #fail: (chain: Chain, error: Error) => void;

  /** `chains`: the scheduler's own list. */
  constructor(runner: Runner, chains: readonly Chain[], fail: (chain: Chain, error: Error) => void) {
    this.#runner = runner;
    this.#chains = chains;
    this.#fail = fail;
  }

  /** Frees a root's lanes: its prompt is read again where it is needed again. */
  drop(root: Root): void {
    if (root.rootSet < 0) return;
    this.#runner.sets.close(root.rootSet);
    root.rootSet = -1;
    root.rootCached = 0;
  }

  /** A root that nobody will fork again is let go; called when a chain ended or started. */
  tidy(group: Group): void {
    const left = group.chains.filter((chain) => !chain.finish);
    // The last chain of a group keeps its own lanes; were it preempted, it would read the prompt again.
    if (left.length === 0 || (left.length === 1 && left[0].set >= 0)) this.drop(group);
  }

  /** Between steps: frees stems from which nothing will begin any more, or all, which are read again if need be. */
  dropStems(which: "done" | "all"): void {
    if (this.stems.length === 0) return;
    const waited = new Set(this.#chains.flatMap(({ group }) => (group.begun ? [] : (group.stem ?? []))));
    const done = (stem: Stem) => stem.closed && !waited.has(stem);
    for (const stem of this.stems) if ((which === "all" || done(stem)) && this.idle(stem)) this.drop(stem);
    this.stems = this.stems.filter((stem) => !done(stem) || stem.rootSet >= 0);
  }

  /** Does a stem hold lanes that no pass will copy? */
  idle({ rootSet }: Stem): boolean {
    return rootSet >= 0 && !this.#runner.table.copies("from", rootSet);
  }

  /** A stem for these policies, where it saves something. */
  stem(prompt: readonly number[], policies: readonly Policy[]): Stem | null {
    const { options, table } = this.#runner;
    if (prompt.length <= options.chunk) return null;
    if (!table.device.shape.format.rewritable) return null; // nothing cuts there, so nothing may watch
    const unlabelled = policies.filter(({ labels }) => !labels);
    const together = togetherOf("stem", unlabelled);
    if (unlabelled.filter((policy) => forksFrom(together, policy)).length < 2) return null;
    return newStem([...prompt], together, options.chunk);
  }

  /** What is to be read next for a group: before it begins, its stem while that lacks chunks. */
  next(group: Group): Group | Stem {
    const { stem, begun } = group;
    return stem && !begun && !rootReady(stem) ? stem : group;
  }

  /** The next chunk of a root that has lanes. Its last one draws, where a chain has no token yet. */
  chunk(root: Group | Stem): Segment {
    const { rootSet, rootCached, prompt, length } = root;
    const count = Math.min(this.#runner.options.chunk, length - rootCached);
    const draws = root.kind === "group" && rootCached + count === length && freshOf(root).length > 0;
    return { set: rootSet, kind: "chunk", ids: prompt, from: rootCached, count, logits: draws ? "last" : "none" };
  }

  /** Gives empty lanes to a root that `chain` waits for. False: none are free, or its policy failed. */
  take(root: Group | Stem, chain: Chain): boolean {
    const { sets } = this.#runner;
    const { policy, prompt, account } = root;
    const tokens = root.kind === "stem" ? prompt.length : root.tokens;
    const set = this.#open(chain, null, () => sets.take(policy, prompt.length, tokens, account));
    return this.#hold(root, set, 0);
  }

  /** Gives a group lanes that continue from those of its stem, which is whole. False as above. */
  fork(group: Group, stem: Stem, chain: Chain): boolean {
    const set = this.#open(chain, stem, () => this.#runner.sets.fork(stem.rootSet, group.policy, group.tokens));
    if (set >= 0) inherit(group.meter, stem.meter);
    return this.#hold(group, set, stem.length);
  }

  #hold(root: Group | Stem, set: number, cached: number): boolean {
    if (set < 0) return false;
    if (root.kind === "group") root.begun = true;
    root.rootSet = set;
    root.rootCached = cached;
    return true;
  }

  /** A set, or -1: where all are in use, stems but one give theirs up. */
  #open(chain: Chain, but: Stem | null, open: () => number): number {
    try {
      let set = open();
      for (const stem of this.stems) {
        if (set >= 0) break;
        if (stem === but || !this.idle(stem)) continue;
        this.drop(stem);
        set = open();
      }
      return set;
    } catch (error) {
      // A budget of the policy's own failed.
      for (const c of chain.group.chains.filter(({ finish }) => !finish)) this.#fail(c, asError(error));
      return -1;
    }
  }
}

/** Chains whose first token is still to be drawn. */
export const freshOf = ({ chains }: Group): Chain[] => chains.filter((c) => !c.finish && c.tokens.length === 0);
