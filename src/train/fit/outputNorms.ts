import type { Device, Matrix } from "../../device/device.ts";
import type { ModelConfig } from "../../model/config.ts";

/**
 * What a layer's output projection makes of a value: the norm of W_O v, head by head, without a bias. It comes from
 * W_O^T W_O in float64, so that a value costs D^2 / 2 products and not H D.
 */
export class OutputNorms {
  readonly #config: ModelConfig;
  readonly #squares: Float64Array; // [Hq, D, D]: upper triangles, twice what is off the diagonal

  private constructor(config: ModelConfig, squares: Float64Array) {
    this.#config = config;
    this.#squares = squares;
  }

  /** Of the projection `o` [H, Hq * D]. */
  static async of(device: Device, config: ModelConfig, o: Matrix): Promise<OutputNorms> {
    const { hidden, queryHeads, headDim: D } = config;
    const row = new Float32Array(o.cols);
    const squares = new Float64Array(queryHeads * D * D);
    for (let r = 0; r < hidden; r++) {
      await device.readRows(o, r, row);
      for (let h = 0; h < queryHeads; h++)
        for (let i = 0; i < D; i++) {
          const x = row[h * D + i];
          const at = (h * D + i) * D;
          for (let j = i; j < D; j++) squares[at + j] += (j > i ? 2 : 1) * x * row[h * D + j];
        }
    }
    return new OutputNorms(config, squares);
  }

  /** log ||W_O v|| of the value v of a KV head, for one of the query heads of its group. */
  log(values: Float32Array, at: number, queryHead: number): number {
    const { headDim: D } = this.#config;
    let total = 0;
    for (let i = 0; i < D; i++) {
      const row = (queryHead * D + i) * D;
      let sum = 0;
      for (let j = i; j < D; j++) sum += this.#squares[row + j] * values[at + j];
      total += values[at + i] * sum;
    }
    return Math.log(Math.max(total, Number.MIN_VALUE)) / 2;
  }
}
