// Products with parameters, forward and backward.
import type { Hidden, Pass } from "../device/device.ts";
import type { Steps } from "../model/forward.ts";
import type { Parameter } from "./parameters.ts";

/** How a training pass computes: bf16 rounds the factors of products; sums are float32 in any case. */
export interface Precision {
  readonly bf16: boolean;
}

/** A product of two factors as they lie, and nothing else. */
export const plain = { turnA: false, turnB: false, bias: null, add: false, scale: 1, bf16: false } as const;

/** A pass of the transformer over parameters. */
export function stepsOver(pass: Pass, { bf16 }: Precision): Steps<Parameter> {
  return {
    ...pass,
    embed: ({ out, table, ids, rows }) =>
      pass.gather({ out, x: table.value, index: ids, count: rows, dim: table.cols }),
    matmul({ out, x, w, rows: m, bias, add }) {
      const { rows: n, cols: k, value: b, exact } = w;
      pass.product({ ...plain, out, a: x, b, m, n, k, turnB: true, bias, add, bf16: bf16 && !exact });
    },
  };
}

export interface LinearBack {
  dout: Hidden; // [rows, outputs]
  x: Hidden; // [rows, inputs]
  dx: Hidden | null; // [rows, inputs]; null: nobody asks
  add: boolean; // dx is added to
  rows: number;
  low: Hidden; // [rows, rank] scratch
}

/** Gradients of out = x w^T + bias; those of parameters are added to. */
export function linearBack(
  pass: Pass,
  w: Parameter,
  bias: Parameter | null,
  { dout, x, dx, add, rows, low: scratch }: LinearBack,
  precision: Precision,
): void {
  const { rows: n, cols: k, value, gradient, low } = w;
  const bf16 = precision.bf16 && !w.exact;
  if (gradient)
    pass.product({ ...plain, out: gradient, a: dout, b: x, m: n, n: k, k: rows, turnA: true, add: true, bf16 });
  if (low) {
    // value = base + scale b a: db = scale dout^T (x a^T), da = scale (dout b)^T x. Narrow products cost little:
    // float32.
    const { a, b, rank, scale } = low;
    pass.product({ ...plain, out: scratch, a: x, b: a.value, m: rows, n: rank, k, turnB: true });
    const toB = { out: b.gradient!, a: dout, b: scratch, m: n, n: rank, k: rows };
    pass.product({ ...plain, ...toB, turnA: true, add: true, scale });
    pass.product({ ...plain, out: scratch, a: dout, b: b.value, m: rows, n: rank, k: n });
    const toA = { out: a.gradient!, a: scratch, b: x, m: rank, n: k, k: rows };
    pass.product({ ...plain, ...toA, turnA: true, add: true, scale });
  }
  if (bias?.gradient) pass.sumRows({ out: bias.gradient, x: dout, rows, dim: n });
  if (dx) pass.product({ ...plain, out: dx, a: dout, b: value, m: rows, n: k, k: n, add, bf16 });
}

/** Low-rank changes go into the values that products read. */
export function mergeLowRank(pass: Pass, parameters: readonly Parameter[]): void {
  for (const { value, rows: m, cols: n, low } of parameters) {
    if (!low) continue;
    pass.blend({ out: value, x: low.base, count: m * n, own: 0, other: 1 });
    const { a, b, rank: k, scale } = low;
    pass.product({ ...plain, out: value, a: b.value, b: a.value, m, n, k, add: true, scale });
  }
}
