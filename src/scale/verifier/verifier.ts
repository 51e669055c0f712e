// Who scores chains: what it is given, what it gives back, and what becomes of an answer that is none.

import { asError } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import type { ChatMessage } from "../../model/chat.ts";

/** A chain as a verifier reads it. */
export interface VerifierChain {
  chain: number; // index
  /** What was asked: the question, or the contents of a chat's messages, a blank line between them. */
  prompt: string;
  messages: readonly ChatMessage[]; // the same as a chat
  text: string; // all that the chain said
  /** What it said after its thinking; all of it where the model has none, null where the thinking did not end. */
  reply: string | null;
  /** The answer as the chain wrote it; null where none could be read. */
  answer: string | null;
}

/** What a verifier says of a chain, larger is better; or why it says nothing, which costs the chain its vote. */
export type Score = { chain: number; score: number } | { chain: number; why: string };

export interface Verifier {
  readonly name: string;
  /** Scores of these chains, in any order. Rejects when `signal` fires. */
  score(chains: readonly VerifierChain[], signal: AbortSignal): Promise<readonly Score[]>;
}

/** Seconds that a verifier has, where nobody says otherwise. */
export const LIMIT = 120;

/** Longest reason that is kept, in characters. */
const LONGEST = 300;

/** What a stranger wrote, as part of a reason. */
export const told = (text: string, most = LONGEST): string => {
  const line = visible(
    text
      .slice(0, 4 * most)
      .trim()
      .replace(/\s+/g, " "),
  );
  return line.length > most ? `${line.slice(0, most)} ..` : line;
};

/** One score for each chain, in their order: whatever the verifier does. Rejects only when `signal` fires. */
export async function scoresOf(
  verifier: Verifier,
  chains: readonly VerifierChain[],
  signal: AbortSignal,
): Promise<Score[]> {
  if (chains.length === 0) return [];
  let found: readonly Score[] = [];
  let why = "the verifier did not score it";
  try {
    found = await unlessAborted(verifier.score(chains, signal), signal);
    if (!Array.isArray(found)) throw new Error(`expected a list of scores, got ${typeof found}`);
  } catch (error) {
    signal.throwIfAborted();
    found = [];
    why = `the verifier failed: ${told(asError(error).message)}`;
  }
  return chains.map(({ chain }) => {
    const own = found.filter((score) => score?.chain === chain);
    if (own.length > 1) return { chain, why: "the verifier scored it more than once" };
    const [score] = own;
    if (score === undefined) return { chain, why };
    return "score" in score ? checked(chain, score.score) : { chain, why: told(String(score.why)) };
  });
}

/** A number as a score. */
export const checked = (chain: number, score: unknown): Score =>
  typeof score === "number" && Number.isFinite(score)
    ? { chain, score }
    : { chain, why: `expected a finite number as its score, got ${told(brief(score), 80)}` };

const brief = (value: unknown): string =>
  typeof value === "number" || value === undefined ? String(value) : (JSON.stringify(value) ?? typeof value);

/** The value of `work`, or what `signal` gives as its reason when it fires first. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
