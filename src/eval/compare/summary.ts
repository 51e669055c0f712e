import { mean } from "../../base/mean.ts";
import { type Interval, pairedDifference } from "../metrics/interval.ts";
import type { Candidate, TextRun, TextScore } from "./compare.ts";
import { quantile } from "./distance.ts";

/** A policy over all texts. CR: sum of tokens seen over sum of keys read or kept, 8 = 8x smaller. */
export interface Summary {
  label: string;
  policy: string;
  asked: number | null;
  texts: number;
  kl: Interval; // mean over texts, 95% interval
  klP95: number; // of tokens
  agreement: number; // share of tokens
  perplexity: number;
  /** Mean difference of a token's log-loss from the full cache's (a reference's, if any) on the same texts, nats. */
  loss: Interval;
  cr: number; // of reads while decoding
  crByLane: number[][]; // [layers][KV heads]
  readsPerToken: number;
  keysAfterPrompt: number;
  keysAtEnd: number;
  prefillBytes: number;
  bytesAfterPrompt: number;
  bytesAtEnd: number;
  cutMs: number;
  msPerToken: number;
}

const total = (scores: readonly TextScore[], of: (score: TextScore) => number): number =>
  scores.reduce((sum, score) => sum + of(score), 0);

const spread = (a: readonly number[], b: readonly number[]): Interval =>
  a.length > 1
    ? pairedDifference(a, b)
    : { mean: b[0] - a[0], low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

export function summarise(runs: readonly TextRun[], candidates: readonly Candidate[], kvHeads: number): Summary[] {
  return candidates.flatMap(({ label, policy, cr }) => {
    const pairs = runs.flatMap(({ scores, referenceNll }) => {
      const own = scores.find((score) => score.label === label);
      return own ? [{ own, full: referenceNll ?? scores[0].nll }] : [];
    });
    if (pairs.length === 0) return [];
    const scores = pairs.map(({ own }) => own);
    const tokens = total(scores, ({ kl }) => kl.length);
    const laneFull = total(scores, ({ fullReads }) => fullReads);
    const lanes = scores[0].laneReads.map((_, i) => laneFull / total(scores, ({ laneReads }) => laneReads[i]));
    return [
      {
        label,
        policy: policy.key,
        asked: cr,
        texts: scores.length,
        kl: spread(
          scores.map(() => 0),
          scores.map(({ kl }) => mean(kl)),
        ),
        klP95: quantile(
          scores.flatMap(({ kl }) => kl),
          0.95,
        ),
        agreement: total(scores, ({ agrees }) => agrees) / tokens,
        perplexity: Math.exp(mean(scores.map(({ nll }) => nll))),
        loss: spread(
          pairs.map(({ full }) => full),
          scores.map(({ nll }) => nll),
        ),
        cr: laneFull / total(scores, ({ reads }) => reads),
        crByLane: Array.from({ length: lanes.length / kvHeads }, (_, l) => lanes.slice(l * kvHeads, (l + 1) * kvHeads)),
        readsPerToken: total(scores, ({ reads }) => reads) / tokens,
        keysAfterPrompt: mean(scores.map((s) => s.liveAtStart)),
        keysAtEnd: mean(scores.map((s) => s.liveAtEnd)),
        prefillBytes: mean(scores.map((s) => s.prefillBytes)),
        bytesAfterPrompt: mean(scores.map((s) => s.startBytes)),
        bytesAtEnd: mean(scores.map((s) => s.endBytes)),
        cutMs: mean(scores.map((s) => s.cutMs)),
        msPerToken: total(scores, ({ decodeMs }) => decodeMs) / tokens,
      },
    ];
  });
}
