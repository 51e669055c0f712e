// Groups of a vote that are one answer in several spellings.

import { isNumberKey } from "../key.ts";
import type { GroupMerges, VoteGroup } from "../vote.ts";
import type { Equality } from "./equality.ts";
import type { Verdict } from "./verdict.ts";

/** Two spellings that were found equal, and by what. */
export interface Merge extends Pick<Verdict, "by" | "why"> {
  spellings: [string, string];
  keys: [string, string];
}

/** Most pairs that are compared, and most of them that may come to nothing, for one vote: what is left stays apart. */
const MOST_PAIRS = 500;
const MOST_UNDECIDED = 8;

/** Numbers and choices, of which no two keys are equal. */
const isPlain = ({ key }: VoteGroup): boolean => isNumberKey(key) || /^[A-J]$/.test(key);
/** A number's key says what a reply's words around it may not. */
const spelling = (group: VoteGroup): string => (isPlain(group) ? group.key : group.text);

/**
 * Compares the groups of one vote, strictly, and keeps what it finds. Groups that are equal directly or through others
 * are one: so what is merged does not hang on the order in which chains end.
 */
export class Merging implements GroupMerges {
  /** As they were found. */
  readonly merges: Merge[] = [];
  readonly #equality: Equality;
  readonly #verdicts = new Map<string, Verdict>();
  #undecided = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(equality: Equality) {
    this.#equality = equality;
  }

  merged(groups: readonly VoteGroup[]): VoteGroup[] {
    const joint: VoteGroup[][] = [];
    for (const group of groups) {
      const equal = joint.filter((others) => others.some((other) => this.#verdict(group, other)?.equal));
      for (const others of equal) joint.splice(joint.indexOf(others), 1);
      joint.push([...equal.flat(), group]);
    }
    return joint.map(united);
  }

  apart(a: VoteGroup, b: VoteGroup): boolean {
    return pairsOf(a, b).some(([x, y]) => {
      if (isPlain(x) && isPlain(y)) return true;
      const verdict = this.#verdict(x, y);
      return verdict !== undefined && !verdict.equal && verdict.by !== "undecided";
    });
  }

  /**
   * Compares groups until no two are left that might be equal, or `stopped`. `groups` gives them, merged. Whether
   * anything was found; calls take turns.
   */
  settle(
    groups: () => readonly VoteGroup[],
    stopped: () => boolean,
    onMerge: (merge: Merge) => void,
  ): Promise<boolean> {
    const work = this.#work.then(async () => {
      let found = false;
      for (let pair = this.#next(groups()); pair && !stopped(); pair = this.#next(groups())) {
        found = true;
        const merge = await this.#compare(...pair);
        if (merge) onMerge(merge);
      }
      return found;
    });
    this.#work = work.catch(() => {});
    return work;
  }

  async #compare(a: VoteGroup, b: VoteGroup): Promise<Merge | null> {
    const verdict = await this.#equality.equal(spelling(a), spelling(b));
    this.#verdicts.set(pairKey(a, b), verdict);
    if (verdict.by === "undecided") this.#undecided++;
    if (!verdict.equal) return null;
    const { by, why } = verdict;
    const [first, second] = a.chains[0] < b.chains[0] ? [a, b] : [b, a];
    const merge: Merge = { spellings: [first.text, second.text], keys: [first.key, second.key], by, why };
    this.merges.push(merge);
    return merge;
  }

  /** Two groups that nothing is known of. */
  #next(groups: readonly VoteGroup[]): [VoteGroup, VoteGroup] | null {
    if (this.#verdicts.size >= MOST_PAIRS || this.#undecided >= MOST_UNDECIDED) return null;
    for (const [i, a] of groups.entries())
      for (const b of groups.slice(0, i))
        if (!this.apart(a, b) && !pairsOf(a, b).some(([x, y]) => this.#verdict(x, y))) return [b, a];
    return null;
  }

  #verdict(a: VoteGroup, b: VoteGroup): Verdict | undefined {
    return this.#verdicts.get(pairKey(a, b));
  }
}

const pairKey = (a: VoteGroup, b: VoteGroup): string => JSON.stringify([a.key, b.key].sort());

/** Each key of one with each of the other. */
const pairsOf = (a: VoteGroup, b: VoteGroup): [VoteGroup, VoteGroup][] => {
  const [x, y] = [a, b].map((group) => (group.keys ?? [group.key]).map((key) => ({ ...group, key })));
  return x.flatMap((p) => y.map((q): [VoteGroup, VoteGroup] => [p, q]));
};

/** One group of several: what its lowest chain wrote stands for all. */
function united(groups: VoteGroup[]): VoteGroup {
  if (groups.length === 1) return groups[0];
  const [first] = groups.toSorted((a, b) => a.chains[0] - b.chains[0]);
  const chains = groups.flatMap((group) => group.chains).sort((a, b) => a - b);
  const keys = groups.map(({ key }) => key).sort();
  return { ...first, chains, count: chains.length, keys };
}

/** Groups with distinct keys, those that are equal as one, and what was merged. */
export async function mergeGroups(
  equality: Equality,
  groups: readonly VoteGroup[],
): Promise<{ groups: VoteGroup[]; merges: Merge[] }> {
  const merging = new Merging(equality);
  await merging.settle(
    () => merging.merged(groups),
    () => false,
    () => {},
  );
  return { groups: merging.merged(groups), merges: merging.merges };
}
