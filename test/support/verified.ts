// Chains for a verifier to score, and what it says of them.
import { type Score, scoresOf, type Verifier, type VerifierChain } from "../../src/scale/verifier/verifier.ts";

/** Chains 0, 1, ..: what each says; null: its thinking did not end. */
export const chainsOf = (replies: readonly (string | null)[]): VerifierChain[] =>
  replies.map((reply, chain) => ({
    chain,
    prompt: "What is 6 x 7?",
    messages: [{ role: "user", content: "What is 6 x 7?" }],
    text: `<think>\nhm "${chain}"\n</think>${reply ?? ""}`,
    reply,
    answer: reply,
  }));

/** By chain: a score, or why there is none. */
export async function asked(
  verifier: Verifier,
  chains: readonly VerifierChain[],
  signal = new AbortController().signal,
): Promise<(number | string)[]> {
  const scores = await scoresOf(verifier, chains, signal);
  return scores.map((score: Score) => ("score" in score ? score.score : score.why));
}
