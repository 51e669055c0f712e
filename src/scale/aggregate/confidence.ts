import { badArgument } from "../../base/errors.ts";
import type { Aggregator } from "./aggregator.ts";
import { type Ballot, choose, NO_ANSWER } from "./ballot.ts";
import { type ConfidenceMeasure, type ConfidenceOptions, confidenceOptions, MEASURES } from "./measure.ts";

export interface ConfidenceVote extends ConfidenceOptions {
  measure: ConfidenceMeasure;
  /** Share of the chains with an answer that vote, the surest ones; 1: all. */
  top: number;
}

/**
 * Votes weigh as much as the model was sure of their chains (DeepConf, arXiv 2508.15260: confidence-weighted majority
 * voting), of the surest share `top` alone (its confidence filtering, eta; it tries 0.1 and 0.9). The share is cut as
 * its authors' program does: a chain votes from the (1 - top) quantile on, taken linearly between chains, so that one
 * always does. Throws `bad-argument`.
 */
export function byConfidence(options: Partial<ConfidenceVote> = {}): Aggregator {
  const { measure = "bottom", top = 1 } = options;
  if (!MEASURES.includes(measure))
    throw badArgument(`confidence: expected measure to be one of ${MEASURES.join(", ")}, got ${measure}`);
  if (!(typeof top === "number" && top > 0 && top <= 1))
    throw badArgument(`confidence: expected top to be a share above 0 and up to 1, got ${top}`);
  const { k, window } = confidenceOptions(options);
  return {
    name: "confidence",
    key: `confidence measure=${measure} top=${top} k=${k} window=${window}`,
    confidence: { measure, k, window },
    scored: null,
    choose(ballots) {
      const least = quantile(
        ballots.flatMap((ballot) => sureness(ballot) ?? []),
        1 - top,
      );
      return choose(ballots, "sum", (ballot) => {
        const confidence = sureness(ballot);
        if (ballot.key === null) return NO_ANSWER;
        if (confidence === null) return "its confidence was not measured";
        return confidence >= least ? confidence : `it is not among the surest: top=${top}`;
      });
    },
  };
}

const sureness = ({ key, confidence }: Ballot): number | null => (key === null ? null : (confidence ?? null));

/** Of no numbers -infinity. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return values.length === 0 ? -Infinity : Math.min(high, low + (high - low) * (at - Math.floor(at)));
}
