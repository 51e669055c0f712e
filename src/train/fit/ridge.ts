import { badArgument } from "../../base/errors.ts";

/** y = weight x + bias. */
export interface Linear {
  weight: Float32Array; // [outputs, inputs]
  bias: Float32Array; // [outputs]
}

/** Rows that are added at once: each number of the sums is then loaded once for as many products. */
const BLOCK = 8;

/**
 * Ridge regression with an intercept, all outputs at once: rows are added to the normal equations, in float64, and need
 * not be kept.
 */
export class Ridge {
  readonly #inputs: number;
  readonly #outputs: number;
  readonly #width: number; // inputs and the constant 1, which stands last
  readonly #xx: Float64Array; // [width, width], upper triangle
  readonly #xy: Float64Array; // [width, outputs]
  readonly #block: Float64Array; // [BLOCK, width]

  constructor(inputs: number, outputs: number) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#width = inputs + 1;
    this.#xx = new Float64Array(this.#width ** 2);
    this.#xy = new Float64Array(this.#width * outputs);
    this.#block = new Float64Array(BLOCK * this.#width);
  }

  get rows(): number {
    return this.#xx[this.#xx.length - 1];
  }

  /** x: [rows, inputs]; y: [rows, outputs]. */
  add(x: Float32Array, y: Float32Array, rows: number): void {
    for (let first = 0; first < rows; first += BLOCK) this.#add(x, y, first, Math.min(BLOCK, rows - first));
  }

  #add(x: Float32Array, y: Float32Array, first: number, count: number): void {
    const [inputs, outputs, width] = [this.#inputs, this.#outputs, this.#width];
    const [b, xx, xy] = [this.#block, this.#xx, this.#xy];
    b.fill(0);
    for (let r = 0; r < count; r++) {
      b.set(x.subarray((first + r) * inputs, (first + r + 1) * inputs), r * width);
      b[r * width + inputs] = 1;
    }
    const [r1, r2, r3, r4] = [width, 2 * width, 3 * width, 4 * width];
    const [r5, r6, r7] = [5 * width, 6 * width, 7 * width];
    for (let i = 0; i < width; i++) {
      const [a0, a1, a2, a3] = [b[i], b[r1 + i], b[r2 + i], b[r3 + i]];
      const [a4, a5, a6, a7] = [b[r4 + i], b[r5 + i], b[r6 + i], b[r7 + i]];
      for (let j = i, at = i * width + i; j < width; j++, at++)
        xx[at] +=
          a0 * b[j] +
          a1 * b[r1 + j] +
          a2 * b[r2 + j] +
          a3 * b[r3 + j] +
          (a4 * b[r4 + j] + a5 * b[r5 + j] + a6 * b[r6 + j] + a7 * b[r7 + j]);
      for (let r = 0; r < count; r++)
        for (let o = 0; o < outputs; o++) xy[i * outputs + o] += b[r * width + i] * y[(first + r) * outputs + o];
    }
  }

  /**
   * Least squares plus penalty * (mean variance of an input) * rows * ||weight||^2; the intercept is free. Throws
   * `bad-argument` where the rows say too little.
   */
  solve(penalty: number): Linear {
    const [inputs, outputs, width, rows] = [this.#inputs, this.#outputs, this.#width, this.rows];
    const [xx, xy] = [this.#xx, this.#xy];
    const means = Float64Array.from({ length: inputs }, (_, i) => xx[i * width + inputs] / rows);
    const L = new Float64Array(inputs * inputs); // covariances, then their factor
    for (let i = 0; i < inputs; i++)
      for (let j = 0; j <= i; j++) L[i * inputs + j] = xx[j * width + i] / rows - means[i] * means[j];
    let variance = 0;
    for (let i = 0; i < inputs; i++) variance += L[i * inputs + i] / inputs;
    for (let i = 0; i < inputs; i++) L[i * inputs + i] += penalty * variance;
    factor(L, inputs);
    const weight = new Float32Array(outputs * inputs);
    const bias = new Float32Array(outputs);
    for (let o = 0; o < outputs; o++) {
      const mean = xy[inputs * outputs + o] / rows;
      const w = Float64Array.from({ length: inputs }, (_, i) => xy[i * outputs + o] / rows - means[i] * mean);
      substitute(L, inputs, w);
      weight.set(w, o * inputs);
      bias[o] = w.reduce((sum, x, i) => sum - x * means[i], mean);
    }
    return { weight, bias };
  }
}

/** Cholesky, in place: the lower triangle of a symmetric matrix becomes L with L L^T = it. */
function factor(L: Float64Array, n: number): void {
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = L[i * n + j];
      for (let k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
      if (j < i) L[i * n + j] = sum / L[j * n + j];
      else if (sum > 0) L[i * n + i] = Math.sqrt(sum);
      else
        throw badArgument(
          `the rows of this regression tell at most ${i} of ${n} inputs apart; expected more rows, or a penalty above 0`,
        );
    }
}

/** Solves L L^T w = w in place. */
function substitute(L: Float64Array, n: number, w: Float64Array): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) w[i] -= L[i * n + k] * w[k];
    w[i] /= L[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    w[i] /= L[i * n + i];
    for (let k = 0; k < i; k++) w[k] -= L[i * n + k] * w[i];
  }
}
