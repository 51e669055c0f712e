// What a call of `scale` tells as it runs, and at its end.
import type { SamplingUsed } from "../request/sampling.ts";
import type { ChainUsage, Usage } from "../request/usage.ts";
import type { Extraction } from "./answer.ts";
import type { Merge } from "./equality/merge.ts";
import type { VoteGroup } from "./vote.ts";

export interface ChainResult extends ChainUsage {
  answer: Extraction;
}

export interface ScaleResult {
  /** The winning answer as its first chain wrote it; null where every chain abstained. */
  answer: string | null;
  groups: VoteGroup[];
  /** Groups with as many chains as the winner's: it won by the order of chains alone. Empty where it leads. */
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
  | { type: "vote"; groups: VoteGroup[]; abstained: number; running: number; decided: boolean }
  | { type: "result"; result: ScaleResult };
