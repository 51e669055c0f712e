import { type Meter, newMeter } from "../cache/meter.ts";
import type { Account } from "../cache/pool.ts";
import type { Policy } from "../policy/policy.ts";
import type { Sampling } from "./sampling.ts";

export interface Token {
  id: number;
  /** Log-probability under the unmodified logits; null where none were asked. */
  logprob: number | null;
  /** Best alternatives, descending. */
  top: { id: number; logprob: number }[];
}

/** What becomes of a drawn token: whether the chain keeps it, and tokens that the chain is made to say after it. */
export interface Steered {
  keep: boolean;
  forced: readonly number[];
}

/** Why a chain ended: an end id or its own `onToken`, its token limit, the context limit, an abort, or an error. */
export type Finish = "stop" | "length" | "context" | "aborted" | "error";

export interface ChainSpec {
  sampling: Sampling;
  maxTokens: number;
  stopIds: ReadonlySet<number>;
  /** Sets apart chains that share a seed. */
  index: number;
  /** Asked of each drawn token before the chain has it, the end id included. Null: it is kept, and nothing forced. */
  steer?: (token: Token) => Steered | null;
  /** Called for each token of the chain, forced ones and the end id included; true ends the chain. */
  onToken?: (token: Token) => boolean;
  onFinish?: (finish: Finish, error?: Error) => void;
}

/** One sequence being generated. Its tokens are the record: lanes can be dropped and made again from it. */
export interface Chain {
  readonly spec: ChainSpec;
  readonly group: Group;
  readonly age: number; // order of arrival: the lowest is the oldest
  readonly sampler: number;
  readonly tokens: number[]; // drawn or forced so far
  forced: number; // of them
  /** Prompt and tokens in one list, as the cache sees them. */
  readonly ids: number[];
  /** Tokens of `ids` that the lanes hold. */
  cached: number;
  /** Tokens of `ids` that were cached before the last preemption: reads up to there are recomputation's. */
  recomputeUntil: number;
  set: number; // -1: no lanes
  /**
   * Pages of its own that it had when it was preempted: it waits until as many are free,
   * lest it be preempted again at once.
   */
  lostPages: number;
  /** A running chain to fork the lanes from, while it has not moved on. */
  parent: Chain | null;
  readonly meter: Meter;
  finish: Finish | null;
  aborted: boolean;
}

/** Lanes that hold a prompt, or its beginning, for chains to start from. */
export interface Root {
  readonly prompt: readonly number[];
  readonly length: number; // tokens of it that the lanes hold once they are whole
  readonly policy: Policy;
  /** Pages that its sets hold. */
  readonly account: Account;
  readonly meter: Meter; // prefill
  rootSet: number; // -1: none
  rootCached: number; // prompt tokens in it
}

/**
 * A prompt of several groups: its whole chunks are read once, under a policy that keeps all and watches what theirs
 * want. Each group reads the rest under its own policy, so its bits are those of a prompt read alone.
 */
export interface Stem extends Root {
  readonly kind: "stem";
  closed: boolean; // no more groups will come that begin from it
}

/** Chains of one prompt under one policy, and the prompt's state while any of them may start or resume. */
export interface Group extends Root {
  readonly kind: "group";
  /** What it begins from; null: it reads all of its prompt, as any group does that lost its root. */
  readonly stem: Stem | null;
  readonly chains: Chain[];
  /** Prompt and the most new tokens of any chain it started with: what budgets are a share of. */
  readonly tokens: number;
  begun: boolean; // some of its prompt was read
}

const newRoot = (prompt: readonly number[], length: number, policy: Policy, account?: Account): Root => ({
  ...{ prompt, length, policy, account: account ?? { pages: 0, peakPages: 0 } },
  ...{ meter: newMeter(), rootSet: -1, rootCached: 0 },
});

/** `chunk`: most prompt tokens of a pass. */
export const newStem = (prompt: readonly number[], policy: Policy, chunk: number): Stem => ({
  ...newRoot(prompt, prompt.length - 1 - ((prompt.length - 1) % chunk), policy),
  ...{ kind: "stem", closed: false },
});

/** A group's pages count with its stem's. */
export const newGroup = (
  prompt: readonly number[],
  policy: Policy,
  maxTokens: number,
  stem: Stem | null = null,
): Group => ({
  ...newRoot(prompt, prompt.length, policy, stem?.account),
  ...{ kind: "group", stem, chains: [], tokens: prompt.length + maxTokens, begun: false },
});

export function newChain(spec: ChainSpec, group: Group, age: number, sampler: number): Chain {
  return {
    spec,
    group,
    age,
    sampler,
    tokens: [],
    forced: 0,
    ids: [...group.prompt],
    cached: 0,
    recomputeUntil: 0,
    set: -1,
    lostPages: 0,
    parent: null,
    meter: newMeter(),
    finish: null,
    aborted: false,
  };
}

export const rootReady = ({ rootSet, rootCached, length }: Root): boolean => rootSet >= 0 && rootCached === length;
export const unfinished = (group: Group): number => group.chains.reduce((n, chain) => n + (chain.finish ? 0 : 1), 0);
