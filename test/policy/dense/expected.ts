import { dot, group, type Kept, mean, norm, range, replay, softmax, type Trace, topk } from "./trace.ts";

export interface ExpectedSettings {
  keys: number;
  sinks: number;
  future: number;
  epsilon: number;
}

/** Mean of the rotation matrices at positions `from` .. `from + count - 1`. */
function meanRotation(frequencies: Float32Array, from: number, count: number): number[][] {
  const half = frequencies.length;
  const R = range(0, 2 * half).map(() => new Array<number>(2 * half).fill(0));
  for (let j = 0; j < half; j++) {
    const angles = range(from, from + count).map((position) => position * frequencies[j]);
    const [c, s] = [mean(angles.map(Math.cos)), mean(angles.map(Math.sin))];
    [R[j][j], R[j][j + half], R[j + half][j], R[j + half][j + half]] = [c, -s, s, c];
  }
  return R;
}

export function expected(x: Trace, { keys, sinks, future, epsilon }: ExpectedSettings): Kept {
  const R = meanRotation(x.frequencies, x.prompt, future);
  return replay(x, (live, head, _, event) => {
    if (event > 0 || live.length <= keys || live.length <= sinks) return live;
    const scored = live.slice(sinks);
    const rows = group(x, head).map((j) => {
      const turned = scored.map((t) => R.map((row) => dot(row, x.qPre[t][j])));
      // mu'.k and k'Sigma'k are the mean and the variance of the turned queries projected on the key.
      return softmax(
        scored.map((p) => {
          const onKey = turned.map((q) => dot(q, x.k[p][head]));
          const mu = mean(onKey);
          const variance = mean(onKey.map((a) => (a - mu) ** 2));
          return mu / Math.sqrt(x.headDim) + variance / (2 * x.headDim);
        }),
      );
    });
    const scores = scored.map((p, i) => (mean(rows.map((row) => row[i])) + epsilon) * norm(x.v[p][head]));
    return topk([...range(0, sinks).map(() => Infinity), ...scores], keys);
  });
}
