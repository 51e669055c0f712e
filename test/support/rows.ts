// Rows of a run's record, made up.
import type { ChainRow, ProblemChains } from "../../src/eval/metrics/chain.ts";

const PROMPT = { tokens: 10, keys: 10, bytes: 1000, peakKeys: 10, peakBytes: 1000 };

/** A chain that said `key`, where "1" is right, and that cost the same as any other. */
export const row = (problem: string, chain: number, key: string | null, other: Partial<ChainRow> = {}): ChainRow => ({
  problem,
  chain,
  key,
  score: Number(key === "1"),
  end: "finished",
  tokens: 100,
  reads: 1000,
  fullReads: 3000,
  peakKeys: 50,
  peakBytes: 5000,
  seconds: 1,
  prompt: PROMPT,
  ...other,
});

/** One problem whose chains said these keys. */
export const said = (keys: readonly (string | null)[], problem = "a"): ProblemChains => ({
  problem,
  chains: keys.map((key, chain) => row(problem, chain, key)),
});
