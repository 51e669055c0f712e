import { laneRatios, ratio } from "../cache/meter.ts";
import type { Chain, Finish, Group } from "../engine/chain.ts";
import type { Session } from "./session.ts";

/** What a chain produced and what it cost. Keys and reads are means over layers and KV heads. */
export interface ChainUsage {
  chain: number;
  text: string;
  tokens: number;
  forced: number; // of these: not drawn, but put there by a budget of thinking
  finish: Finish;
  kvReads: number; // while decoding
  fullReads: number; // what the full cache would have read in the same steps
  peakKeys: number;
  peakPages: number; // shared pages counted in full
  compressionRatio: number; // sum of tokens seen / sum of tokens kept, over the decode steps
  laneRatios: number[]; // the same per layer and KV head
}

export function chainUsage(chain: Chain, text: string): ChainUsage {
  const { meter } = chain;
  return {
    chain: chain.spec.index,
    text,
    tokens: chain.tokens.length,
    forced: chain.forced,
    finish: chain.finish ?? "aborted",
    kvReads: meter.decodeReads,
    fullReads: meter.fullReads,
    peakKeys: meter.peakLive,
    peakPages: meter.peakPages,
    compressionRatio: ratio(meter),
    laneRatios: laneRatios(meter),
  };
}

/** Costs of a prompt's chains together. */
export interface Usage {
  promptTokens: number;
  tokens: number;
  kvReads: number;
  fullReads: number;
  prefillReads: number;
  physicalReads: number; // keys really read while decoding: spans shared by chains once
  peakPages: number; // shared pages once, pages reserved by a pass included
  peakBytes: number;
  compressionRatio: number;
}

export function usageOf(session: Session, { prompt, chains, meter, account }: Group): Usage {
  const sum = (of: (chain: Chain) => number) => chains.reduce((total, chain) => total + of(chain), 0);
  const kvReads = sum((chain) => chain.meter.decodeReads);
  const fullReads = sum((chain) => chain.meter.fullReads);
  return {
    promptTokens: prompt.length,
    tokens: sum((chain) => chain.tokens.length),
    kvReads,
    fullReads,
    prefillReads: meter.prefillReads,
    compressionRatio: kvReads > 0 ? fullReads / kvReads : ratio(meter),
    physicalReads: sum((chain) => chain.meter.physicalReads),
    peakPages: account.peakPages,
    peakBytes: account.peakPages * session.runner.table.device.bytesPerPage,
  };
}
