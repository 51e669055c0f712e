// Gates and attention where evicted keys fade by a soft mask, so that gradients reach the gates.
import type { Given } from "../given.ts";

/** log sigmoid(-z), without overflow. */
const logKeep = (z: number): number => -(Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

export function soften({ z, soft, logits, noise, documents, kvHeads, tau, shift, hard }: Given<"soften">): void {
  for (const { row, rows } of documents) {
    for (let r = row; r < row + rows; r++) {
      for (let h = 0; h < kvHeads; h++) {
        const at = r * kvHeads + h;
        z[at] = hard ? logits[at] : (logits[at] + (noise ? noise[at] : 0)) / tau;
        if (r + shift === row + rows) soft[at] = 0;
        if (r - shift < row) continue;
        soft[at - shift * kvHeads] = hard ? (z[at] > 0 ? -1e30 : 0) : logKeep(z[at]);
      }
    }
  }
}

export function softenBack({ dlogits, dsoft, z, pull, documents, kvHeads, tau, shift }: Given<"softenBack">): void {
  for (const { row, rows } of documents) {
    for (let r = row; r < row + rows; r++) {
      for (let h = 0; h < kvHeads; h++) {
        const at = r * kvHeads + h;
        const open = sigmoid(z[at]);
        const labelled = r - shift < row ? 0 : dsoft[at - shift * kvHeads];
        dlogits[at] = (pull[r] * open * (1 - open) - open * labelled) / tau;
      }
    }
  }
}

type Scores = Pick<Given<"attendSoft">, "q" | "k" | "soft" | "queryHeads" | "kvHeads" | "dim" | "window"> & {
  head: number;
  query: number;
  document: Given<"attendSoft">["documents"][number];
};

/** Scores of the keys of a document up to the query's own. */
function scoresOf({ q, k, soft, queryHeads, kvHeads, dim, window, head, query, document }: Scores): Float64Array {
  const group = Math.floor(head / (queryHeads / kvHeads));
  const masked = query - document.row >= document.from;
  const scores = new Float64Array(query - document.row + 1);
  for (let i = document.row; i <= query; i++) {
    let dot = 0;
    for (let d = 0; d < dim; d++) dot += q[(query * queryHeads + head) * dim + d] * k[(i * kvHeads + group) * dim + d];
    const fade = soft && masked && query - i > window ? soft[i * kvHeads + group] : 0;
    scores[i - document.row] = dot / Math.sqrt(dim) + fade;
  }
  return scores;
}

export function attendSoft(given: Given<"attendSoft">): void {
  const { out, lse, v, documents, queryHeads, kvHeads, dim } = given;
  for (const document of documents) {
    for (let query = document.row; query < document.row + document.rows; query++) {
      for (let head = 0; head < queryHeads; head++) {
        const group = Math.floor(head / (queryHeads / kvHeads));
        const scores = scoresOf({ ...given, head, query, document });
        const most = scores.reduce((a, b) => Math.max(a, b));
        const total = scores.reduce((sum, s) => sum + Math.exp(s - most), 0);
        lse[query * queryHeads + head] = most + Math.log(total);
        for (let d = 0; d < dim; d++) {
          let sum = 0;
          for (let i = 0; i < scores.length; i++)
            sum += Math.exp(scores[i] - most) * v[((document.row + i) * kvHeads + group) * dim + d];
          out[(query * queryHeads + head) * dim + d] = sum / total;
        }
      }
    }
  }
}

export function attendSoftBack(given: Given<"attendSoftBack">): void {
  const { dq, dk, dv, dsoft, dout, out, lse, q, k, v, documents, queryHeads, kvHeads, dim, window } = given;
  const scale = 1 / Math.sqrt(dim);
  for (const document of documents) {
    const end = document.row + document.rows;
    const sums = new Map<Float32Array, Float64Array>();
    const sumsOf = (of: Float32Array, width: number) => {
      const made = new Float64Array(document.rows * width);
      sums.set(of, made);
      return made;
    };
    const [keys, values] = [sumsOf(dk, kvHeads * dim), sumsOf(dv, kvHeads * dim)];
    const fades = dsoft ? sumsOf(dsoft, kvHeads) : null;
    for (let query = document.row; query < end; query++) {
      for (let head = 0; head < queryHeads; head++) {
        const group = Math.floor(head / (queryHeads / kvHeads));
        const at = (query * queryHeads + head) * dim;
        const masked = query - document.row >= document.from;
        const scores = scoresOf({ ...given, head, query, document });
        let delta = 0;
        for (let d = 0; d < dim; d++) delta += dout[at + d] * out[at + d];
        const sum = new Float64Array(dim);
        for (let i = 0; i < scores.length; i++) {
          const [key, local] = [((document.row + i) * kvHeads + group) * dim, (i * kvHeads + group) * dim];
          const p = Math.exp(scores[i] - lse[query * queryHeads + head]);
          let dp = 0;
          for (let d = 0; d < dim; d++) dp += dout[at + d] * v[key + d];
          const ds = p * (dp - delta);
          for (let d = 0; d < dim; d++) {
            sum[d] += ds * scale * k[key + d];
            keys[local + d] += ds * scale * q[at + d];
            values[local + d] += p * dout[at + d];
          }
          if (fades && masked && query - document.row - i > window) fades[i * kvHeads + group] += ds;
        }
        dq.set(sum, at);
      }
    }
    for (const [to, from] of sums) to.set(from, (document.row * from.length) / document.rows);
  }
}

export function peakAttention(given: Given<"peakAttention">): void {
  const { out, lse, q, k, states, documents, queryHeads, kvHeads, dim, width } = given;
  for (const document of documents) {
    const end = document.row + document.rows;
    out.fill(-1e30, document.row * queryHeads, end * queryHeads);
    for (let query = document.row + document.from; query < end; query++) {
      const state = states?.subarray(query * width, (query + 1) * width);
      const norm = state ? Math.sqrt(state.reduce((sum, x) => sum + x * x, 0)) : 1;
      for (let head = 0; head < queryHeads; head++) {
        const scores = scoresOf({ q, k, soft: null, queryHeads, kvHeads, dim, window: 0, head, query, document });
        scores.forEach((score, i) => {
          const at = (document.row + i) * queryHeads + head;
          out[at] = Math.max(out[at], score - lse[query * queryHeads + head] - Math.log(norm));
        });
      }
    }
  }
}
