import type { PolicyOptions } from "../../../src/policy/policy.ts";
import type { Kept, Trace } from "../dense/trace.ts";

/** Where a trace was taken, for references that look beyond it. */
export interface Place {
  layer: number;
  layers: number;
  /** Prompt tokens per pass. */
  chunk: number;
  /** Of all layers of the chain. */
  traces: Trace[];
  /** KVzip: [replayed chunk][layer]. */
  replays: Trace[][];
}

/** A policy beside its dense reference: settings in our words and in the reference's. */
export interface Case {
  name: string;
  policy: string;
  options: PolicyOptions;
  dense: (x: Trace, place: Place) => Kept;
  /** What the newest query sees: the set after its own event (labels), or the one before and itself (cuts). */
  sees: "after" | "before";
  /**
   * What the prompt's last query sees: all of it, what it leaves, or (where chunks were cut before) what no set says.
   */
  prompt?: "after" | "unknown";
  /** It keeps all and reads less: the reference gives what is read. */
  reads?: true;
  /** Of the model, 1 where nothing depends on them. */
  layers?: number;
  /** Heads of a layer must come out with sets of different size. */
  ragged?: true;
  /** KVzip: prompt tokens that it repeats at a time. */
  replay?: number;
  /**
   * Attention's probabilities for the seen positions, where they are not those of the
   * plain query; and how near they must be.
   */
  weights?: (x: Trace, j: number, now: number, seen: number[]) => number[];
  tolerance?: number;
}
