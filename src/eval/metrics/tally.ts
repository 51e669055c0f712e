// How chains ended, and how long they were: what explains an accuracy.

import type { ProblemChains, Spelling } from "./chain.ts";

/** Counts of chains. One may be in several: cut off without an answer is both. */
export interface Tally {
  chains: number;
  abstained: number; // without an answer
  truncated: number; // at a limit of tokens
  failed: number; // by an error
  looped: number; // repeated one pattern at their ends
  right: number; // a score of 1
  /** The compression that was achieved while decoding: what the full cache would have read over what was read. */
  cr: number;
  /** Tokens drawn: their mean and quantiles over chains. */
  tokens: { mean: number; median: number; p90: number; most: number };
}

export function tally(problems: readonly ProblemChains[]): Tally {
  const chains = problems.flatMap((problem) => problem.chains);
  const count = (is: (chain: (typeof chains)[number]) => boolean) => chains.filter(is).length;
  const sum = (name: "reads" | "fullReads") => chains.reduce((all, chain) => all + chain[name], 0);
  const tokens = Float64Array.from(chains, (chain) => chain.tokens).sort();
  const at = (q: number) => tokens[Math.max(0, Math.ceil(q * tokens.length) - 1)] ?? 0;
  return {
    chains: chains.length,
    abstained: count(({ key }) => key === null),
    truncated: count(({ end }) => end === "truncated"),
    failed: count(({ end }) => end === "failed"),
    looped: count(({ loop }) => loop != null),
    right: count(({ score }) => score === 1),
    cr: sum("reads") > 0 ? sum("fullReads") / sum("reads") : 1,
    tokens: {
      mean: tokens.reduce((sum, n) => sum + n, 0) / Math.max(1, tokens.length),
      median: at(0.5),
      p90: at(0.9),
      most: at(1),
    },
  };
}

/** Whether the grader took for the gold answer what a vote keeps apart: its words say so. */
export const isLenient = ({ why }: Pick<Spelling, "why">): boolean => /\blenient\b/.test(why);
