// Losses of rows of logits, which become their gradients.
import type { Given } from "../given.ts";

/** log softmax of a row, in float64. */
function logProbabilities(logits: Float32Array, row: number, vocabulary: number): Float64Array {
  const x = Float64Array.from(logits.subarray(row * vocabulary, (row + 1) * vocabulary));
  const most = x.reduce((a, b) => Math.max(a, b));
  const log = most + Math.log(x.reduce((sum, l) => sum + Math.exp(l - most), 0));
  return x.map((l) => l - log);
}

export function distill({ losses, logits, teacher, weights, rows, vocabulary, direction }: Given<"distill">): void {
  for (let r = 0; r < rows; r++) {
    const gradient = logits.subarray(r * vocabulary, (r + 1) * vocabulary);
    losses[r] = 0;
    if (weights[r] === 0) {
      gradient.fill(0);
      continue;
    }
    const [own, its] = [logProbabilities(logits, r, vocabulary), logProbabilities(teacher, r, vocabulary)];
    const [from, to] = direction === "reverse" ? [own, its] : [its, own];
    const loss = from.reduce((sum, log, i) => sum + Math.exp(log) * (log - to[i]), 0);
    losses[r] = loss;
    for (let i = 0; i < vocabulary; i++) {
      const p = Math.exp(own[i]);
      gradient[i] = weights[r] * (direction === "reverse" ? p * (own[i] - its[i] - loss) : p - Math.exp(its[i]));
    }
  }
}

export function predict({ losses, logits, targets, weights, rows, vocabulary }: Given<"predict">): void {
  for (let r = 0; r < rows; r++) {
    const gradient = logits.subarray(r * vocabulary, (r + 1) * vocabulary);
    losses[r] = 0;
    if (weights[r] === 0) {
      gradient.fill(0);
      continue;
    }
    if (!(targets[r] >= 0 && targets[r] < vocabulary))
      throw new Error(`predict: expected a target below ${vocabulary} for row ${r}, got ${targets[r]}`);
    const own = logProbabilities(logits, r, vocabulary);
    losses[r] = -own[targets[r]];
    for (let i = 0; i < vocabulary; i++) gradient[i] = weights[r] * (Math.exp(own[i]) - (i === targets[r] ? 1 : 0));
  }
}
