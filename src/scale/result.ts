// What a call of `scale` tells as it runs, and at its end.
import type { SamplingUsed } from "../request/sampling.ts";
import type { ChainUsage, Usage } from "../request/usage.ts";
import type { ChainVote } from "./aggregate/ballot.ts";
import type { Confidence } from "./aggregate/measure.ts";
import type { Extraction } from "./answer.ts";
import type { Merge } from "./equality/merge.ts";
import type { VoteGroup } from "./vote.ts";

export interface ChainResult extends ChainUsage {
  answer: Extraction;
  /** How sure the model was of it, where that was asked for; null where none of its tokens was drawn. */
  confidence?: Confidence | null;
}

export interface ScaleResult {
  /** The winning answer as its first chain wrote it (or the one that was chosen); null where no chain has one. */
  answer: string | null;
  /** Who chose it: an aggregator with its settings. */
  aggregator: string;
  /** Who scored the chains for it; null: nobody. */
  verifier: string | null;
  /** The chain that says the answer: the first of the winning group that votes, or the chosen one; null: none. */
  chosen: number | null;
  /** What each chain's vote weighed, or why it had none; by chain. */
  votes: ChainVote[];
  groups: VoteGroup[];
  /** Groups that weigh as much as the winner's: it won by the order of chains alone. Empty where it leads. */
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
  | { type: "verify"; verifier: string; chains: number }
  | { type: "vote"; groups: VoteGroup[]; abstained: number; running: number; decided: boolean }
  | { type: "result"; result: ScaleResult };
