// Products and sums of training.
import { roundBf16 } from "../../../base/half.ts";
import type { Given } from "../given.ts";

export function product(given: Given<"product">): void {
  const { out, m, n, k, turnA, turnB, bias, add, scale, bf16 } = given;
  const read = (x: Float32Array) => (bf16 ? x.map(roundBf16) : x);
  const [a, b] = [read(given.a.subarray(0, m * k)), read(given.b.subarray(0, k * n))];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[turnA ? l * m + i : i * k + l] * b[turnB ? j * k + l : l * n + j];
      out[i * n + j] = (add ? out[i * n + j] : 0) + (bias ? bias[j] : 0) + scale * sum;
    }
  }
}

export function blend({ out, x, count, own, other }: Given<"blend">): void {
  const part = (factor: number, x: number) => (factor === 0 ? 0 : factor * x);
  for (let i = 0; i < count; i++) out[i] = part(own, out[i]) + part(other, x[i]);
}

export function scatter({ out, x, index, count, dim }: Given<"scatter">): void {
  for (let i = 0; i < count; i++) for (let c = 0; c < dim; c++) out[index[i] * dim + c] += x[i * dim + c];
}

export function sumRows({ out, x, rows, dim }: Given<"sumRows">): void {
  for (let c = 0; c < dim; c++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += x[r * dim + c];
    out[c] += sum;
  }
}

export function squares({ out, x, count, at }: Given<"squares">): void {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += x[i] * x[i];
  out[at] = sum;
}

export function unit({ x, count, least }: Given<"unit">): void {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += x[i] * x[i];
  const norm = Math.max(Math.sqrt(sum), least);
  for (let i = 0; i < count; i++) x[i] /= norm;
}

export function adamw(given: Given<"adamw">): void {
  const { x, gradient, moment, second, count, scale, rate, beta1, beta2, first, other, eps, decay } = given;
  for (let i = 0; i < count; i++) {
    const g = scale * gradient[i];
    moment[i] = beta1 * moment[i] + (1 - beta1) * g;
    second[i] = beta2 * second[i] + (1 - beta2) * g * g;
    x[i] -= rate * (moment[i] / first / (Math.sqrt(second[i] / other) + eps) + decay * x[i]);
  }
}
