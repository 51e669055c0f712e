// What a verifying command prints: a score a line.

import { checked, type Score, told } from "./verifier.ts";

interface Line {
  chain: number | null; // null: it names none
  score: unknown;
}

/**
 * Scores of `chains` out of lines that are each a number, true or false, or an object { chain, score }. Lines that name
 * their chains may come in any order and among others, which are no scores; lines without names are of the chains in
 * their order, and must be as many. `cut`: why the command ended early, so that lines may be missing at the end.
 */
export function scoresIn(lines: readonly string[], chains: readonly number[], cut: string | null): Score[] {
  const read = lines.filter((line) => line.trim() !== "").map(lineOf);
  const named = read.filter((line): line is Line & { chain: number } => line !== null && line.chain !== null);
  if (named.length > 0) {
    if (read.some((line) => line?.chain === null))
      return chains.map((chain) => ({ chain, why: "some scores name their chains and some do not" }));
    return chains.flatMap((chain): Score[] => {
      const own = named.filter((line) => line.chain === chain);
      return own.length > 0
        ? own.map(({ score }) => checked(chain, score))
        : [{ chain, why: cut ?? "the command printed no score of it" }];
    });
  }
  if (cut === null && read.length !== chains.length)
    return chains.map((chain) => ({
      chain,
      why: `expected ${chains.length} scores, a line each, got ${read.length} lines`,
    }));
  if (read.length > chains.length)
    return chains.map((chain) => ({ chain, why: `${cut}, after more lines than chains` }));
  const texts = lines.filter((line) => line.trim() !== "");
  return chains.map((chain, i) => {
    if (i >= read.length) return { chain, why: cut ?? "" };
    const line = read[i];
    return line === null ? { chain, why: `expected a score, got ${told(texts[i], 80)}` } : checked(chain, line.score);
  });
}

/** null: no score. */
function lineOf(text: string): Line | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object") return scoreOf(null, value);
  if (value === null || !Object.hasOwn(value, "score")) return null;
  const { chain = null, score } = value as { chain?: unknown; score: unknown };
  return chain === null || typeof chain === "number" ? scoreOf(chain, score) : null;
}

const scoreOf = (chain: number | null, score: unknown): Line => ({
  chain,
  score: typeof score === "boolean" ? Number(score) : score,
});
