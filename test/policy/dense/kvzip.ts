import { group, logits, range, softmax, type Trace, topk } from "./trace.ts";

/**
 * Scores of the keys `from` .. `to - 1` of a prompt, [KV head][key]: the most that any query of the replay
 * (the trace's tokens after the prompt) and any head of the group gives them, by softmax over sinks, those
 * keys, and the replay's keys so far.
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

export interface KvzipSettings {
  keys: number;
  sinks: number;
  /** Prompt tokens repeated at a time. */
  chunk: number;
  /** First positions that stay. */
  protect: number;
}

/**
 * Kept positions of a prompt, [layer][KV head]: the best of all layers and heads in one list, lower lanes first among
 * equals. `replays` [chunk][layer] hold the prompt, the request, and the chunk once more.
 */
export function kvzip(prompt: number, replays: Trace[][], settings: KvzipSettings): number[][][] {
  const { keys, sinks, chunk, protect } = settings;
  const [layers, heads] = [replays[0].length, replays[0][0].kvHeads];
  const lanes = range(0, layers * heads).map((lane) => {
    const scores = replays.flatMap((traces, c) => {
      const [from, to] = [c * chunk, Math.min(prompt, (c + 1) * chunk)];
      return kvzipScores(traces[Math.floor(lane / heads)], prompt, sinks, from, to)[lane % heads];
    });
    return scores.map((s, i) => (i < Math.max(sinks, protect) ? Infinity : s));
  });
  const best = topk(lanes.flat(), Math.max(keys * lanes.length, lanes.flat().filter((s) => s === Infinity).length));
  const kept = lanes.map((_, lane) => best.filter((i) => Math.floor(i / prompt) === lane).map((i) => i % prompt));
  return range(0, layers).map((l) => kept.slice(l * heads, (l + 1) * heads));
}
