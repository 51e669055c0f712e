import { type EachOptions, judgeEach } from "./each.ts";
import type { Verifier, VerifierChain } from "./verifier.ts";

/** A chain's score, larger is better; or whether it passes, which is 1 or 0. `signal` fires when its time is up. */
export type Judge = (chain: VerifierChain, signal: AbortSignal) => number | boolean | Promise<number | boolean>;

/**
 * A function as a verifier, asked chain by chain. Only one that waits can be timed: code that never lets go of the
 * thread holds up everything. Throws `bad-argument`.
 */
export const functionVerifier = (judge: Judge, options: EachOptions = {}): Verifier => ({
  name: `function ${judge.name || "without a name"}`,
  score: judgeEach(async (chain, signal) => {
    const score = await judge(chain, signal);
    return typeof score === "boolean" ? Number(score) : score;
  }, options),
});
