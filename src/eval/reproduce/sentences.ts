// What numbers say of a claim. Nothing here knows how a run went.

import type { Interval } from "../metrics/interval.ts";
import { told } from "../report/table.ts";

/** open: the interval of the difference holds 0. */
export type Verdict = "holds" | "fails" | "open" | "not measured";

export interface Claim {
  claim: string;
  verdict: Verdict;
  /** The numbers, in a sentence. */
  finding: string;
}

/** Of a difference that is claimed to be above 0. */
export const verdictOf = ({ low, high }: Interval): Verdict => (low > 0 ? "holds" : high < 0 ? "fails" : "open");

export const points = (gain: Interval): string => `${told(gain, "gain")} points`;

/** The other way round. */
export const reversed = ({ mean, low, high }: Interval): Interval => ({ mean: -mean, low: -high, high: -low });

const OF: Record<Verdict, string> = {
  holds: "the claim holds here",
  fails: "the opposite holds here",
  open: "the interval holds 0: these problems do not decide it",
  "not measured": "not measured",
};

/** "dms less full: +5.0 [2.0, 8.0] points; the claim holds here, and the aim of 6 points is missed." */
export function claimOf(claim: string, what: string, gain: Interval | null, aim?: number): Claim {
  if (gain === null || !Number.isFinite(gain.low))
    return {
      claim,
      verdict: "not measured",
      finding: `${what}: no value, as there is too little in common to compare.`,
    };
  const verdict = verdictOf(gain);
  const met = gain.mean >= (aim ?? 0);
  const aimed =
    aim === undefined ? "" : `; the aim of ${told(aim, "gain").replace("+", "")} points is ${met ? "met" : "missed"}`;
  return { claim, verdict, finding: `${what}: ${points(gain)}; ${OF[verdict]}${aimed}.` };
}

/** One claim over several: "4 of 5 ..". It holds where each does, and fails where one does. */
export function claimOfAll(claim: string, parts: readonly { name: string; gain: Interval }[], aim: number): Claim {
  if (parts.length === 0) return { claim, verdict: "not measured", finding: "Nothing could be compared." };
  const verdicts = parts.map(({ gain }) => verdictOf(gain));
  const holds = verdicts.filter((verdict) => verdict === "holds").length;
  const aimed = parts.filter(({ gain }) => gain.mean >= aim).length;
  const closest = parts.reduce((a, b) => (b.gain.mean < a.gain.mean ? b : a));
  const verdict = holds === parts.length ? "holds" : verdicts.includes("fails") ? "fails" : "open";
  return {
    claim,
    verdict,
    finding: `Of ${parts.length}, it holds against ${holds}; by ${told(aim, "gain").replace("+", "")} points or more against ${aimed}. The closest is ${closest.name}: ${points(closest.gain)}.`,
  };
}
