/** How keys are ranked: the scorers of device/ranking.ts, by name; what each one computes stands there. */
export type Scorer =
  | { kind: "norm" | "difference" | "mean" | "change" }
  | { kind: "random" | "draw"; seed: number }
  | { kind: "range"; part: number; recent: number }
  | {
      kind: "attention";
      queries: number;
      over: "all" | "others";
      group: "mean" | "max" | "layer";
      smooth: "mean" | "max";
      kernel: number;
    }
  | { kind: "redundancy"; weight: number; similar: number }
  | { kind: "expected"; future: number; covariance: boolean; values: boolean; epsilon: number };

/** When and how many keys stay; device/ranking.ts says what `keep` does with it. */
export interface Rule {
  /** Acts on lanes (shared budgets: on their sum) with at least budget + slack live keys; >= 1. */
  slack: number;
  /** Newest keys that stay in any case; below 1: a share of the lane's budget. */
  recent: number;
  /**
   * Whose budgets are added up and shared out to the best keys: each lane's own, a layer's lanes', all lanes' of a set.
   */
  share: "lane" | "layer" | "set";
  /** Shared budgets: share of its own that a lane keeps in any case. */
  floor: number;
  /** One key too many leaves a dead slot for the newcomer (order is lost) instead of closing the gap. */
  replace: boolean;
}

/**
 * Key i is evicted iff its gate exceeds `threshold`, and serves queries up to i + window. Append-only, so pages stay
 * shared.
 */
export interface Labelling {
  /** The model's DMS gate, the KVzap probe (negated: high = evict), or every key alike. */
  source: "dms" | "probe" | "all";
  threshold: number;
  window: number;
  /** First positions that are never labelled, or the whole prompt. */
  protect: number | "prompt";
}

/** What a cut needs a pass to remember. */
export interface Watch {
  /** Last queries of each chain; 0: none. */
  queries: number;
  /** Column sums of the prompt's attention. */
  sums: boolean;
  /** Probabilities of each decode query: their mean over the layer, or running sums over the group. */
  row: "none" | "layer" | "group";
  /** Decision logits of the model's DMS gate, key by key. */
  gates: boolean;
  /** Mean and covariance of the prompt's queries before RoPE, the first `skip` left out. */
  moments: { skip: number } | null;
  /** How far the hidden state moved before layers `early` and `late`, among the last `window` tokens. */
  changes: { early: number; late: number; window: number } | null;
  /** Attention of what is read after the prompt, over a temporary fork of its lanes. */
  further: Further | null;
}

/**
 * Further passes over a prompt before its cut: the model reads on, and the greatest attention of these tokens to the
 * prompt's keys scores them. Each reading has a fork of its own, which is dropped after it.
 */
export interface Further {
  /** What is read of a prompt, in order: the tokens, and the prompt's slots [from, to) that they score. */
  readings: (prompt: readonly number[]) => Iterable<{ ids: readonly number[]; from: number; to: number }>;
  /** Most tokens of one reading after a prompt of so many. */
  most: (prompt: number) => number;
  /** First keys that the softmax takes in besides. */
  sinks: number;
}

/** A lane, to a function that gives it a budget. */
export interface LaneInfo {
  layer: number;
  head: number;
  layers: number;
  kvHeads: number;
  /** Tokens of the prompt. */
  prompt: number;
  /** Prompt and the most new tokens. */
  tokens: number;
}

/** Live keys of one lane, oldest slot first and the newest last, as a policy of one's own sees them. */
export interface LaneView extends LaneInfo {
  /** Position of the newest key. */
  newest: number;
  positions: Int32Array; // [keys]
  keys: Float32Array; // [keys, D] rotated
  values: Float32Array; // [keys, D]
  /** Ranks to change in place, higher = keep; the scorers before have filled them, 0 where there are none. [keys] */
  scores: Float32Array;
}

/** Ranks keys and keeps the best of a budget. */
export interface Cut {
  watch: Watch;
  /**
   * At the end of the prompt (prefill "chunks": of each chunk); null: not then. Scorers run in order on the same
   * scores.
   */
  atPrompt: readonly Scorer[] | null;
  /** After every `every` decoded tokens; null: not while decoding, so the cache grows again. */
  decode: { every: number; score: readonly Scorer[] } | null;
  rule: Rule;
  /** Keys that a cut leaves a lane. */
  budget: (lane: LaneInfo) => number;
  /** First positions that no cut takes, or the whole prompt. */
  protect: number | "prompt";
  /** A policy of one's own: called for each lane before each cut, in the caller's thread. */
  rescore?: (lane: LaneView) => void;
}

/** What decode attention reads, where it is not every live key with one query. */
export interface Reads {
  /** Archive keys see the query at this position (or its own, if that is less): positions in the cache. null: off. */
  archivePosition: number | null;
  /** Only the most promising pages, of about `budget` keys, in layers from `from` on. null: off. */
  pages: { budget: (lane: LaneInfo) => number; from: number } | null;
}

/**
 * A way to choose what the cache keeps: a value that all chains share and none changes (state lives with the lanes). It
 * declares what it watches and when it acts; shared code reads the declaration and never asks which policy it holds.
 */
export interface Policy {
  readonly name: string;
  /** Name and settings; policies with equal keys behave alike. */
  readonly key: string;
  /**
   * Sparse: drops keys while the prompt is read. Dense: drops nothing until the prompt ends, whatever
   * the chunks. Chunks: cuts after each.
   */
  readonly prefill: "sparse" | "dense" | "chunks";
  readonly labels: Labelling | null;
  readonly cut: Cut | null;
  readonly reads: Reads | null;
}

/** Settings of all policies; each recipe says which it takes. */
export interface PolicyOptions {
  /**
   * Compression ratio; 8 means 8x smaller. Of the prompt, or (policies that cut while decoding) of prompt + max tokens.
   */
  cr?: number;
  /** Live keys per lane. */
  budget?: number;
  /** Prompt + max tokens, for policies whose budget is part of the policy (streaming with a `cr`). */
  tokens?: number;
  /** Gates: evict above this decision logit (dms), keep from this score on (kvzap). */
  threshold?: number;
  /**
   * Queries after its own that a doomed key still serves; or last queries that score (snapkv, rkv, vase); or tokens
   * that a change is compared with (epikv).
   */
  window?: number;
  /** First positions that stay. */
  sinks?: number;
  /** Newest keys that stay. */
  recent?: number;
  /** Width of pooling along tokens (snapkv, rkv); odd. */
  kernel?: number;
  /** Also cut after every so many decoded tokens. */
  every?: number;
  /** Keys that a lane may hold above its budget before it is cut (rkv, dms-budget). */
  buffer?: number;
  /** Weight of importance against redundancy (rkv). */
  lambda?: number;
  /** Later positions that queries are expected at (expected). */
  future?: number;
  epsilon?: number;
  seed?: number;
  /** Layers after which a change of the hidden state counts for a key, and after which it counts against it (epikv). */
  early?: number;
  late?: number;
  /** Share of the budget for the keys of largest values (vase). */
  large?: number;
  prefill?: "sparse" | "dense";
  /** Positions that attention sees (streaming). */
  positions?: "original" | "cache";
  /** First positions that no cut takes: a number, or the prompt, or the chat's system text. */
  protect?: number | "prompt" | "system";
  /** AdaKV: a layer's heads share its budget; the share of its own that a head keeps in any case. */
  ada?: number;
  /**
   * PyramidKV: budgets fall with depth, the last layer's to about 1 / beta of the mean, or more
   * where the prompt bounds the first's.
   */
  pyramid?: number;
}

/** What policies need to know of a model. */
export interface Trained {
  layers: number;
  /** The gates it was trained with, null where it has none. */
  dms: { window: number; cr: number; shift: 0 | 1 } | null;
  /** A KVzap probe was loaded over it. */
  probe?: boolean;
  /** Where it has a tokenizer: ids of the texts that recipes put to it, and of what opens its reply in a chat. */
  spoken?: { texts: ReadonlyMap<string, readonly number[]>; reply: readonly number[] };
}

/** Makes a policy for a model, or throws `bad-argument` saying what it needs. */
export interface Recipe {
  readonly name: string;
  readonly summary: string;
  readonly paper: string | null;
  /** For people: what it looks at. */
  readonly watches: string;
  /** For people: when it acts. */
  readonly acts: string;
  readonly budgets: readonly ("cr" | "budget" | "threshold")[];
  /** Settings that it takes besides its budget, with their defaults in words. */
  readonly settings: Partial<Record<keyof PolicyOptions, string>>;
  /** Longer words of its help. */
  readonly note?: string;
  /** Texts whose ids it needs. */
  readonly texts?: readonly string[];
  /** Where nothing else is said, what stands in a chat before its question stays besides the budget. */
  readonly keepsPrefix?: true;
  make(model: Trained, options: PolicyOptions): Policy;
}
