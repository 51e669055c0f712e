import type { ModelConfig } from "../../model/config.ts";

/** How well predictions of log scores meet what a replay measured, over rows that were not learned from. */
export class Judge {
  readonly #kvHeads: number;
  readonly #sums: Float64Array; // [layers, Hkv, 4]: scores, their squares, squared errors, rows
  readonly #predictions: Float32Array[] = [];

  constructor({ layers, kvHeads }: Pick<ModelConfig, "layers" | "kvHeads">) {
    this.#kvHeads = kvHeads;
    this.#sums = new Float64Array(layers * kvHeads * 4);
  }

  /** y, predicted: [rows, Hkv]. */
  add(layer: number, y: Float32Array, predicted: Float32Array): void {
    const heads = this.#kvHeads;
    predicted.forEach((p, i) => {
      const at = (layer * heads + (i % heads)) * 4;
      this.#sums[at] += y[i];
      this.#sums[at + 1] += y[i] ** 2;
      this.#sums[at + 2] += (y[i] - p) ** 2;
      this.#sums[at + 3]++;
    });
    this.#predictions.push(predicted);
  }

  /** Share of the variance of log scores that the predictions explain (R^2), by layer: the mean over its heads. */
  get explained(): number[] {
    const heads = this.#kvHeads;
    return Array.from({ length: this.#sums.length / heads / 4 }, (_, layer) => {
      let sum = 0;
      for (let h = 0; h < heads; h++) {
        const [scores, squares, errors, rows] = this.#sums.subarray((layer * heads + h) * 4);
        sum += 1 - errors / (squares - scores ** 2 / rows);
      }
      return sum / heads;
    });
  }

  /** The values below which these shares (0 to 1) of all predictions lie, over layers, heads and rows. */
  quantiles(shares: readonly number[]): number[] {
    const all = new Float32Array(this.#predictions.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#predictions) {
      all.set(part, at);
      at += part.length;
    }
    all.sort();
    return shares.map((share) => all[Math.min(all.length - 1, Math.floor(share * all.length))]);
  }
}
