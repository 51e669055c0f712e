// The majority vote over W chains, cast as they end in any order.

import { badArgument } from "../base/errors.ts";
import type { Extraction } from "./answer.ts";

/** The chains that gave one answer. */
export interface VoteGroup {
  key: string;
  text: string; // as its first chain wrote it
  chains: number[]; // ascending
  count: number;
  /** What its chains' votes weigh, where these are not one each; null: none of them has a vote. */
  weight?: number | null;
  /** Keys of the groups that proved equal and became this one, its own among them; absent where there was but one. */
  keys?: string[];
}

/** What is known of groups whose keys differ. */
export interface GroupMerges {
  /** The groups, those that proved equal as one. */
  merged(groups: readonly VoteGroup[]): VoteGroup[];
  /** Whether two groups are known to differ. */
  apart(a: VoteGroup, b: VoteGroup): boolean;
}

/**
 * One vote per chain. The largest group wins; of equal ones, the group whose first chain has the lowest index: a rule
 * that depends on what the chains said and not on which ended first, so a run can be repeated.
 */
export class Vote {
  readonly #merges: GroupMerges | null;
  readonly #groups = new Map<string, { text: string; chains: number[] }>();
  readonly #cast = new Set<number>();
  /** Chains that voted for nothing. */
  abstained = 0;

  /** `merges`: which groups are one; default: none are. */
  constructor(merges: GroupMerges | null = null) {
    this.#merges = merges;
  }

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
    const groups = [...this.#groups].map(([key, { text, chains }]) => ({
      key,
      text,
      chains: [...chains],
      count: chains.length,
    }));
    return (this.#merges?.merged(groups) ?? groups).sort((a, b) =>
      beats(a.count, a.chains[0], b.count, b.chains[0]) ? -1 : 1,
    );
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
   * seen yet.
   *
   * Groups that may still prove equal: one that merges into the winner only helps it, and moves its first chain down if
   * at all, so a winner that is certain without merges stays certain. But two rivals may merge and pass it. So those
   * not known to differ count as one rival, with a new spelling between them or without: then a spelling still to come
   * can join no two groups that differ, as equality is transitive.
   *
   * Throws `bad-argument` when a running chain has voted.
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
    if (left === 0 && !this.#merges) return true;
    const [first, ...rivals] = this.groups();
    if (!first) return left === 0;
    const fresh = { count: 0, chains: [Infinity] };
    return [...this.#joined(rivals), fresh].every(
      (rival) => !beats(rival.count + left, Math.min(rival.chains[0], lowest), first.count, first.chains[0]),
    );
  }

  /** Rivals, those that may prove equal, directly or through others, as one. */
  #joined(rivals: VoteGroup[]): { count: number; chains: number[] }[] {
    const merges = this.#merges;
    if (!merges) return rivals;
    const joint: VoteGroup[][] = [];
    for (const rival of rivals) {
      const near = joint.filter((groups) => groups.some((group) => !merges.apart(group, rival)));
      for (const groups of near) joint.splice(joint.indexOf(groups), 1);
      joint.push([rival, ...near.flat()]);
    }
    return joint.map((groups) => ({
      count: groups.reduce((sum, { count }) => sum + count, 0),
      chains: [Math.min(...groups.map(({ chains }) => chains[0]))],
    }));
  }
}

/** The one rule of the vote: more chains, else the lower first chain. */
function beats(count: number, first: number, otherCount: number, otherFirst: number): boolean {
  return count > otherCount || (count === otherCount && first < otherFirst);
}
