// The majority vote over W chains, cast as they end in any order.

import { badArgument } from "../base/errors.ts";
import type { Extraction } from "./answer.ts";

/** The chains that gave one answer. */
export interface VoteGroup {
  key: string;
  text: string; // as its first chain wrote it
  chains: number[]; // ascending
  count: number;
}

/**
 * One vote per chain. The largest group wins; of equal ones, the group whose first chain has the lowest index: a rule
 * that depends on what the chains said and not on which ended first, so a run can be repeated.
 */
export class Vote {
  readonly #groups = new Map<string, { text: string; chains: number[] }>();
  readonly #cast = new Set<number>();
  /** Chains that voted for nothing. */
  abstained = 0;

  /** Chain `chain`'s only vote. Throws `bad-argument` when it has voted, or is not a whole number from 0. */
  cast(chain: number, extraction: Extraction): void {
    if (!Number.isSafeInteger(chain) || chain < 0)
      throw badArgument(`a chain's index must be a whole number from 0, got ${chain}`);
    if (this.#cast.has(chain)) throw badArgument(`chain ${chain} has voted already; each chain casts one vote`);
    this.#cast.add(chain);
    if (extraction.kind === "abstain") {
      this.abstained++;
      return;
    }
    const group = this.#groups.get(extraction.key);
    if (!group) {
      this.#groups.set(extraction.key, { text: extraction.text, chains: [chain] });
      return;
    }
    if (chain < group.chains[0]) group.text = extraction.text;
    group.chains.push(chain);
    group.chains.sort((a, b) => a - b);
  }

  /** All groups, the winner first. */
  groups(): VoteGroup[] {
    return [...this.#groups]
      .map(([key, { text, chains }]) => ({ key, text, chains: [...chains], count: chains.length }))
      .sort((a, b) => (beats(a.count, a.chains[0], b.count, b.chains[0]) ? -1 : 1));
  }

  /** The groups with as many chains as the winner, which only the order of chains puts behind it. */
  tied(): VoteGroup[] {
    const [first, ...others] = this.groups();
    return others.filter(({ count }) => count === first.count);
  }

  /** The group that wins if no other chain votes; null when none has an answer. */
  winner(): VoteGroup | null {
    return this.groups()[0] ?? null;
  }

  /**
   * Whether no outcome of the chains still running can change the winner's key. (Its shown text may still become that
   * of a lower chain with an equal answer.) Exact: votes for the winner or for nobody never help a rival, and split
   * votes help less than joint ones, so a rival's best case is all of `running`: then it has `running.length` votes
   * more, and its first chain may be the lowest of them. One case for every group that stands, one for an answer not
   * seen yet. Throws `bad-argument` when a running chain has voted.
   */
  decided(running: Iterable<number>): boolean {
    let left = 0;
    let lowest = Infinity;
    for (const chain of new Set(running)) {
      if (this.#cast.has(chain))
        throw badArgument(`chain ${chain} has voted, so it cannot be among those still running`);
      left++;
      lowest = Math.min(lowest, chain);
    }
    if (left === 0) return true;
    const [first, ...rivals] = this.groups();
    if (!first) return false;
    const fresh = { count: 0, chains: [Infinity] };
    return [...rivals, fresh].every(
      (rival) => !beats(rival.count + left, Math.min(rival.chains[0], lowest), first.count, first.chains[0]),
    );
  }
}

/** The one rule of the vote: more chains, else the lower first chain. */
function beats(count: number, first: number, otherCount: number, otherFirst: number): boolean {
  return count > otherCount || (count === otherCount && first < otherFirst);
}
