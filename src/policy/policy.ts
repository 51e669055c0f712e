import type { Lanes, Pass, Scores, Work } from "../device/device.ts";

/** What a policy may record on a pass after the attention of decode steps, or of a prompt's last token. */
export interface Cut {
  pass: Pass;
  lanes: Lanes;
  layer: number;
  steps: Work;
  scores: Scores;
}

/**
 * A way to choose what the cache keeps: a frozen value that all chains share (state lives in the lanes). It declares what it
 * watches; shared code reads the declaration and never asks which policy it holds.
 */
export interface Policy {
  readonly name: string;
  /** Name and settings; policies with equal keys behave alike. */
  readonly key: string;
  /** What the pass must compute for it: nothing, the model's DMS gate, or the attention scores of the newest query. */
  readonly watches: "nothing" | "gate" | "weights";
  /** Sparse: drops keys while the prompt is read. Dense: drops nothing until the prompt ends, whatever the chunks. */
  readonly prefill: "sparse" | "dense";
  /** Gate policies: key i is evicted iff z > threshold, and serves queries up to i + window. */
  readonly labels: { threshold: number; window: number } | null;
  /** Weight policies: records the eviction that follows the newest query's attention. */
  readonly cut: ((cut: Cut) => void) | null;
}

export interface PolicyOptions {
  /** Queries after its own that a doomed key still serves (dms), default: the checkpoint's. */
  window?: number;
  /** Compression ratio; 8 means 8x smaller. */
  cr?: number;
  /** Live keys a lane (tova). */
  budget?: number;
  /** Tokens that the budget is a share of, where a `cr` is given instead of a budget: prompt + max tokens. */
  tokens?: number;
}

/** What policies need to know of a model: the gates it was trained with, null where it has none. */
export interface Trained {
  dms: { window: number; cr: number } | null;
}

/** Makes a policy for a model, or throws `bad-argument` saying what it needs. */
export interface Recipe {
  readonly name: string;
  readonly summary: string;
  readonly paper: string | null;
  make(model: Trained, options: PolicyOptions): Policy;
}
