// Who makes one answer of a call's chains, as its options say.

import { badArgument } from "../base/errors.ts";
import type { Aggregator } from "./aggregate/aggregator.ts";
import { makeAggregator } from "./aggregate/index.ts";
import { majority } from "./aggregate/majority.ts";
import { type ConfidenceOptions, confidenceOptions } from "./aggregate/measure.ts";
import { functionVerifier, type Judge } from "./verifier/function.ts";
import type { Verifier } from "./verifier/verifier.ts";

export interface ChooseOptions {
  /** A name with settings, as in `confidence:measure=tail,top=0.1`, or an aggregator; default majority. */
  aggregate?: string | Aggregator;
  /** Who scores chains, for aggregators that need it: best, weighted and pass. */
  verifier?: Verifier | Judge;
  /** Measure how sure the model was of each chain, whoever chooses; an aggregator's own settings come first. */
  confidence?: boolean | Partial<ConfidenceOptions>;
  /**
   * Stop as soon as the chains still running cannot change the winner. That is defined for the majority alone, whose
   * default is true; with other aggregators all chains run to their ends.
   */
  earlyStop?: boolean;
}

export interface Chooser {
  aggregator: Aggregator;
  verifier: Verifier | null;
  confidence: ConfidenceOptions | null;
  earlyStop: boolean;
}

/** Throws `bad-argument` for options that contradict each other. */
export function chooserOf(options: ChooseOptions): Chooser {
  const { aggregate = majority, verifier = null, confidence = false, earlyStop } = options;
  const aggregator = typeof aggregate === "string" ? makeAggregator(aggregate) : aggregate;
  if (typeof aggregator?.choose !== "function")
    throw badArgument(
      `aggregate: expected a name or an aggregator, got ${aggregate === null ? null : typeof aggregate}`,
    );
  const { name } = aggregator;
  if (aggregator !== majority && earlyStop)
    throw badArgument(
      `aggregator ${name}: chains run to their ends, as only a majority is certain before; leave out early stop`,
    );
  if (aggregator.scored && !verifier)
    throw badArgument(`aggregator ${name}: expected a verifier to score its chains, got none`);
  if (verifier && !aggregator.scored)
    throw badArgument(`aggregator ${name} has no use for a verifier: expected best, weighted or pass with it`);
  return {
    aggregator,
    verifier: typeof verifier === "function" ? functionVerifier(verifier) : verifier,
    confidence: aggregator.confidence ?? (confidence ? confidenceOptions(confidence === true ? {} : confidence) : null),
    earlyStop: aggregator === majority && earlyStop !== false,
  };
}
