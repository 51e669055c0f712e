// Operations on rows of numbers.
import { erf } from "../../base/erf.ts";
import type { Given } from "./given.ts";

export function embed({ out, table: { cols, values }, ids, rows }: Given<"embed">): void {
  for (let r = 0; r < rows; r++) out.set(values.subarray(ids[r] * cols, (ids[r] + 1) * cols), r * cols);
}

export function gather({ out, x, index, count, dim }: Given<"gather">): void {
  for (let i = 0; i < count; i++) out.set(x.subarray(index[i] * dim, (index[i] + 1) * dim), i * dim);
}

export function norm({ out, x, weight, rows, dim, eps }: Given<"norm">): void {
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let c = 0; c < dim; c++) squares += x[r * dim + c] ** 2;
    const scale = 1 / Math.sqrt(squares / dim + eps);
    for (let c = 0; c < dim; c++) out[r * dim + c] = x[r * dim + c] * scale * weight[c];
  }
}

export function matmul({ out, x, w, rows, bias, add }: Given<"matmul">): void {
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < w.rows; n++) {
      let sum = 0;
      for (let k = 0; k < w.cols; k++) sum += x[r * w.cols + k] * w.values[n * w.cols + k];
      out[r * w.rows + n] = (add ? out[r * w.rows + n] : 0) + (bias ? bias[n] : 0) + sum;
    }
  }
}

export function angles({ out, positions, frequencies, rows, half }: Given<"angles">): void {
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < half; j++) {
      const angle = Math.fround(positions[r] * frequencies[j]);
      out[r * 2 * half + j] = Math.cos(angle);
      out[r * 2 * half + half + j] = Math.sin(angle);
    }
  }
}

export function rope({ x, ...by }: Given<"rope">): void {
  rotate(x, by, 1);
}

/** Turns the halves of each head by the angles, or back by them. */
export function rotate(
  x: Float32Array,
  { angles, rows, heads, dim }: Omit<Given<"rope">, "x">,
  direction: 1 | -1,
): void {
  const half = dim / 2;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < half; j++) {
        const at = (r * heads + h) * dim + j;
        const [a, b] = [x[at], x[at + half]];
        const [cos, sin] = [angles[r * dim + j], direction * angles[r * dim + half + j]];
        x[at] = a * cos - b * sin;
        x[at + half] = b * cos + a * sin;
      }
    }
  }
}

export function swiglu({ out, gate, up, count }: Given<"swiglu">): void {
  for (let i = 0; i < count; i++) out[i] = (gate[i] / (1 + Math.exp(-gate[i]))) * up[i];
}

export function borrow({ raw, ...heads }: Given<"borrow">): void {
  blankHeads(heads, raw);
}

export function blank(heads: Given<"blank">): void {
  blankHeads(heads, null);
}

function blankHeads({ q, rows, queryHeads, kvHeads, dim }: Given<"blank">, raw: Float32Array | null): void {
  const group = queryHeads / kvHeads;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < kvHeads; h++) {
      const at = (r * queryHeads + h * group) * dim + dim - 1;
      if (raw) raw[r * kvHeads + h] = q[at];
      q[at] = 0;
    }
  }
}

export function decide({ z, raw, rows, kvHeads, scale, offset, perLayer }: Given<"decide">): void {
  for (let r = 0; r < rows; r++) {
    const first = raw[r * kvHeads]; // read before z, which may be raw, is written
    for (let h = 0; h < kvHeads; h++) {
      z[r * kvHeads + h] = (perLayer ? first : raw[r * kvHeads + h]) * scale - offset;
    }
  }
}

export function mark({ z, probed, marks, rows, kvHeads }: Given<"mark">): void {
  for (let i = 0; i < rows * kvHeads; i++) {
    const mark = marks[Math.floor(i / kvHeads)];
    if (mark === 3 && !probed) throw new Error(`mark: expected a probe's scores for row ${Math.floor(i / kvHeads)}`);
    z[i] = [-1e30, z[i], 1, probed?.[i]][mark]!;
  }
}

export function gelu({ x, count }: Given<"gelu">): void {
  for (let i = 0; i < count; i++) x[i] = (x[i] * (1 + erf(x[i] / Math.SQRT2))) / 2;
}
