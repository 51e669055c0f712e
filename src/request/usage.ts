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
  peakBytes: number; // of these pages
  compressionRatio: number; // sum of tokens seen / sum of tokens kept, over the decode steps
  laneRatios: number[]; // the same per layer and KV head
}

export function chainUsage(session: Session, chain: Chain, text: string): ChainUsage {
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
    peakBytes: bytesOf(session, meter.peakPages),
    compressionRatio: ratio(meter),
    laneRatios: laneRatios(meter),
  };
}

/** What a prompt takes, which its chains share. Keys are means over layers and KV heads. */
export interface PromptUsage {
  keys: number; // that live once it is read and cut, when the first token is drawn
  bytes: number; // of their pages
  peakKeys: number; // most while it was read
  peakBytes: number;
}

export function promptUsage(session: Session, { meter }: Group): PromptUsage {
  return {
    keys: meter.live,
    bytes: bytesOf(session, meter.pages),
    peakKeys: meter.peakLive,
    peakBytes: bytesOf(session, meter.peakPages),
  };
}

const bytesOf = ({ runner }: Session, pages: number): number => pages * runner.table.device.bytesPerPage;

/** Costs of a prompt's chains together. */
export interface Usage {
  promptTokens: number;
  prompt: PromptUsage;
  tokens: number;
  kvReads: number;
  fullReads: number;
  prefillReads: number;
  physicalReads: number; // keys really read while decoding: spans shared by chains once
  peakPages: number; // shared pages once, pages reserved by a pass included
  peakBytes: number;
  compressionRatio: number;
}

export function usageOf(session: Session, group: Group): Usage {
  const { prompt, chains, meter, account } = group;
  const sum = (of: (chain: Chain) => number) => chains.reduce((total, chain) => total + of(chain), 0);
  const kvReads = sum((chain) => chain.meter.decodeReads);
  const fullReads = sum((chain) => chain.meter.fullReads);
  return {
    promptTokens: prompt.length,
    prompt: promptUsage(session, group),
    tokens: sum((chain) => chain.tokens.length),
    kvReads,
    fullReads,
    prefillReads: meter.prefillReads,
    compressionRatio: kvReads > 0 ? fullReads / kvReads : ratio(meter),
    physicalReads: sum((chain) => chain.meter.physicalReads),
    peakPages: account.peakPages,
    peakBytes: bytesOf(session, account.peakPages),
  };
}
