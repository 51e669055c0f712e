// Drawing a token. The order of the filters, which every device follows:
//   1. penalty != 1: logits of tokens in `seen` become l / penalty where l > 0, else l * penalty;
//   2. temperature 0: the largest logit wins, of equals the lowest id, and the rest is skipped; else l /= temperature;
//   3. top-k > 0: the k largest stay (of equals the lower id);
//   4. probabilities are the softmax of what is left;
//   5. top-p < 1: by probability, descending (of equals the lower id first), the shortest prefix whose sum >= top-p
//      stays;
//   6. min-p > 0: p stays where p >= min-p * (the largest p);
//   7. u = uniform(seed low, seed high, chain, position): ids ascending, the first whose running sum > u * (sum of what
//      is left); the last one left if rounding runs out.
// Log-probabilities are those of the untouched logits; the largest come first, of equals the lower id first.
// A row that is no distribution (NaN or +infinity in it, or -infinity alone) gives the id -1.
import { uniform } from "../../base/rng.ts";
import { MAX_TOP, SAMPLER } from "../ops.ts";
import type { Given, Item } from "./given.ts";

export function sample(given: Given<"sample">): void {
  for (const [i, item] of given.draws.entries()) drawItem(given, i, item);
}

/** Results of an item go to place `i`. */
function drawItem(given: Given<"sample">, i: number, item: Item<"draw">): void {
  const { ids, logprob, topIds, topLogprobs, logits, vocabulary } = given;
  const plain = logits.subarray(item.row * vocabulary, (item.row + 1) * vocabulary);
  const norm = logSumExp(plain);
  const id = Number.isFinite(norm) ? draw(plain, given, item) : -1;
  ids[i] = id;
  if (id < 0) return;
  logprob[i] = 0;
  if (item.top < 0) return;
  logprob[i] = plain[id] - norm;
  const top = descending(plain).slice(0, item.top);
  for (const [n, t] of top.entries()) {
    topIds[i * MAX_TOP + n] = t;
    topLogprobs[i * MAX_TOP + n] = plain[t] - norm;
  }
}

function draw(
  plain: Float32Array,
  { real, whole, seen }: Given<"sample">,
  { sampler, position }: Item<"draw">,
): number {
  const [temperature, topP, minP, penalty] = real.subarray(sampler * SAMPLER, (sampler + 1) * SAMPLER);
  const [topK, seedLow, seedHigh, chain] = whole.subarray(sampler * SAMPLER, (sampler + 1) * SAMPLER);
  const logits = Float64Array.from(plain);
  if (penalty !== 1) {
    const words = Math.ceil(plain.length / 32);
    for (let t = 0; t < logits.length; t++) {
      if (!((seen[sampler * words + (t >>> 5)] >>> (t & 31)) & 1)) continue;
      logits[t] = logits[t] > 0 ? logits[t] / penalty : logits[t] * penalty;
    }
  }
  const ranked = descending(logits);
  if (temperature === 0) return ranked[0];
  for (let t = 0; t < logits.length; t++) logits[t] /= temperature;
  let left = topK > 0 ? ranked.slice(0, topK) : ranked;
  // Not through a log of the sum: at temperatures near 0 it would vanish beside the logits.
  const most = logits[left[0]];
  const sumLeft = left.reduce((sum, t) => sum + Math.exp(logits[t] - most), 0);
  const probability = (t: number) => Math.exp(logits[t] - most) / sumLeft;
  if (topP < 1) {
    let sum = 0;
    const enough = left.findIndex((t) => {
      sum += probability(t);
      return sum >= topP;
    });
    if (enough >= 0) left = left.slice(0, enough + 1);
  }
  if (minP > 0) {
    const least = minP * probability(left[0]);
    left = left.filter((t) => probability(t) >= least);
  }
  left.sort((a, b) => a - b);
  const total = left.reduce((sum, t) => sum + probability(t), 0);
  const target = uniform(seedLow, seedHigh, chain, position) * total;
  let sum = 0;
  for (const t of left) {
    sum += probability(t);
    if (sum > target) return t;
  }
  return left[left.length - 1];
}

/** Ids by logit, the largest first, of equals the lower id. */
function descending(logits: Float32Array | Float64Array): number[] {
  return Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
}

/** NaN where `x` is no distribution. */
function logSumExp(x: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of x) most = Math.max(most, value);
  let sum = 0;
  for (const value of x) sum += Math.exp(value - most);
  return most + Math.log(sum);
}
