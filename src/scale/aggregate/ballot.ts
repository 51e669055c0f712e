// What a chain brings to a choice, and what an aggregator makes of all of them. Plain data and pure functions, so that
// a recorded run, or a subset of it, chooses as a live one does.

import type { VoteGroup } from "../vote.ts";

/** A chain that has ended, of a run or of its record. */
export interface Ballot {
  chain: number; // index, from 0
  /** Equal answers share it; null: the chain has none. */
  key: string | null;
  /** The answer as the chain wrote it; null where it has none. */
  answer: string | null;
  tokens: number;
  /** It ended by itself, and neither at a limit nor from outside. */
  finished: boolean;
  /** By the measure that was asked for; null or absent: it was not measured. */
  confidence?: number | null;
  /** Of a verifier; null or absent: there is none, because of `fault`. */
  score?: number | null;
  fault?: string | null;
}

/** What a chain's vote weighed, or why it had none. */
export interface ChainVote {
  chain: number;
  weight: number | null; // null: it had no vote
  /** Why not. */
  why: string | null;
  /** What the verifier said of it, where there is one. */
  score?: number | null;
}

export interface WeighedGroup extends VoteGroup {
  /** null: none of its chains had a vote. */
  weight: number | null;
}

export interface Choice {
  /** Key and words of the answer; null where no chain had a vote, or no answer of the chosen one could be read. */
  key: string | null;
  answer: string | null;
  /** The chain that says it so; null where no chain had a vote. */
  chosen: number | null;
  /** All groups, the heaviest first. */
  groups: WeighedGroup[];
  /** Groups as heavy as the winner's: only the order of chains puts them behind it. */
  tied: WeighedGroup[];
  votes: ChainVote[]; // ascending by chain
}

/** Why a chain without an answer has no vote. */
export const NO_ANSWER = "it has no answer";

/**
 * Groups weigh as much as their chains together, or as the heaviest of them; the heaviest group wins. Of equal ones,
 * the group whose speaker has the lowest index: the first of its chains that votes, or (heaviest) that weighs so much.
 * `weightOf`: a weight, or why the chain has no vote. A chain without an answer that has a weight stands for itself.
 */
export function choose(
  ballots: readonly Ballot[],
  together: "sum" | "heaviest",
  weightOf: (ballot: Ballot) => number | string,
): Choice {
  const weighed = ballots
    .toSorted((a, b) => a.chain - b.chain)
    .map((ballot) => ({ ballot, ...voteOf(weightOf(ballot)) }));
  const units = new Map<string | number, Voter[]>();
  for (const voter of weighed) {
    const { key, chain } = voter.ballot;
    const unit = key ?? chain;
    units.set(unit, [...(units.get(unit) ?? []), voter]);
  }
  const ranked = [...units.values()].map((voters) => united(voters, together)).sort(before);
  const [first] = ranked;
  const groups = ranked.filter(({ speaker }) => speaker.key !== null).map(groupOf);
  const won = first !== undefined && first.weight !== null;
  return {
    key: won ? first.speaker.key : null,
    answer: won ? first.speaker.answer : null,
    chosen: won ? first.speaker.chain : null,
    groups,
    tied: groups.filter(({ key, weight }) => won && weight === first.weight && key !== first.speaker.key),
    votes: weighed.map(({ ballot: { chain, score }, weight, why }) => ({
      chain,
      weight,
      why,
      ...(score === undefined ? {} : { score }),
    })),
  };
}

interface Voter {
  ballot: Ballot;
  weight: number | null;
  why: string | null;
}

interface Unit {
  speaker: Ballot;
  chains: number[];
  weight: number | null;
}

const voteOf = (given: number | string): Pick<Voter, "weight" | "why"> => {
  if (typeof given === "string") return { weight: null, why: given };
  return Number.isFinite(given) ? { weight: given, why: null } : { weight: null, why: `its weight is ${given}` };
};

function united(voters: readonly Voter[], together: "sum" | "heaviest"): Unit {
  const chains = voters.map(({ ballot }) => ballot.chain);
  const heard = voters.filter((voter): voter is Voter & { weight: number } => voter.weight !== null);
  if (heard.length === 0) return { speaker: voters[0].ballot, chains, weight: null };
  if (together === "sum")
    return { speaker: heard[0].ballot, chains, weight: heard.reduce((sum, { weight }) => sum + weight, 0) };
  const heaviest = heard.reduce((best, voter) => (voter.weight > best.weight ? voter : best));
  return { speaker: heaviest.ballot, chains, weight: heaviest.weight };
}

/** Those that nobody votes for come last. */
function before(a: Unit, b: Unit): number {
  if (a.weight === b.weight) return a.speaker.chain - b.speaker.chain;
  if (a.weight === null || b.weight === null) return a.weight === null ? 1 : -1;
  return b.weight - a.weight;
}

const groupOf = ({ speaker, chains, weight }: Unit): WeighedGroup => ({
  key: speaker.key!,
  text: speaker.answer ?? speaker.key!,
  chains,
  count: chains.length,
  weight,
});
