import { asError, badArgument } from "../../base/errors.ts";
import { checked, LIMIT, type Score, told, unlessAborted, type VerifierChain } from "./verifier.ts";

export interface EachOptions {
  /** Seconds that one chain may take; default 120. */
  limit?: number;
  /** Chains that are judged at a time; default 8. */
  atOnce?: number;
}

const MOST_SECONDS = 24 * 3600;

/** Throws `bad-argument` for no such time. */
export function limitOf(seconds = LIMIT): number {
  if (!(seconds > 0 && seconds <= MOST_SECONDS))
    throw badArgument(`a verifier's limit: expected seconds above 0 and up to ${MOST_SECONDS}, got ${seconds}`);
  return seconds;
}

/**
 * Judges chains one by one, some at a time, each within a limit of time: what throws, hangs or gives no number costs
 * that chain alone its score. `judge`: its signal fires when its time is up. Throws `bad-argument`.
 */
export function judgeEach(
  judge: (chain: VerifierChain, signal: AbortSignal) => Promise<unknown>,
  options: EachOptions = {},
): (chains: readonly VerifierChain[], signal: AbortSignal) => Promise<Score[]> {
  const { atOnce = 8 } = options;
  const limit = limitOf(options.limit);
  if (!(Number.isInteger(atOnce) && atOnce >= 1))
    throw badArgument(`a verifier: expected a whole number of chains at a time, got ${atOnce}`);
  return async (chains, signal) => {
    const scores: Score[] = [];
    const left = [...chains];
    const work = async () => {
      for (let next = left.shift(); next; next = left.shift()) scores.push(await judged(judge, next, limit, signal));
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, chains.length) }, work));
    return scores;
  };
}

async function judged(
  judge: (chain: VerifierChain, signal: AbortSignal) => Promise<unknown>,
  chain: VerifierChain,
  limit: number,
  signal: AbortSignal,
): Promise<Score> {
  const own = new AbortController();
  const late = setTimeout(() => own.abort(new Error(`no score within ${limit} s`)), limit * 1000);
  const both = AbortSignal.any([own.signal, signal]);
  try {
    return checked(chain.chain, await unlessAborted(judge(chain, both), both));
  } catch (error) {
    signal.throwIfAborted();
    return { chain: chain.chain, why: told(asError(own.signal.aborted ? own.signal.reason : error).message) };
  } finally {
    clearTimeout(late);
    own.abort(new Error("its turn is over"));
  }
}
