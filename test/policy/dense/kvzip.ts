import { group, logits, range, softmax, type Trace } from "./trace.ts";

/**
 * Scores of the keys `from` .. `to - 1` of a prompt, [KV head][key]: the most that any query of the replay (the trace's tokens after
 * the prompt) and any head of the group gives them, by softmax over sinks, those keys, and the replay's keys so far.
 */
export const kvzipScores = (x: Trace, prompt: number, sinks: number, from: number, to: number): number[][] =>
  range(0, x.kvHeads).map((head) => {
    const best = new Array<number>(to - from).fill(0);
    for (const query of range(prompt, x.q.length)) {
      const context = range(0, prompt).filter((p) => p < sinks || (p >= from && p < to));
      const seen = [...context, ...range(prompt, query + 1)];
      for (const j of group(x, head)) {
        const p = softmax(logits(x, j, query, seen));
        for (const [i, position] of seen.entries())
          if (position >= from && position < to) best[position - from] = Math.max(best[position - from], p[i]);
      }
    }
    return best;
  });
