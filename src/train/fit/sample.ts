import { bf16ToF32, f32ToBf16 } from "../../base/half.ts";
import { seeded, shuffled } from "../../base/rng.ts";
import type { LayerScores } from "./scores.ts";

/** What a host's memory holds of the rows to learn from, where nothing else is said. */
const MOST_BYTES = 1 << 30;

/** Rows of all layers, drawn evenly from prompts where they cannot all be kept; features are rounded to bf16. */
export class Sample {
  readonly hidden: number;
  readonly kvHeads: number;
  readonly #perPrompt: number;
  readonly #seed: number;
  readonly #layers: { x: Uint16Array; y: Float32Array; rows: number }[];

  /** `length`: most tokens of a prompt. */
  constructor(
    sizes: { hidden: number; kvHeads: number; layers: number },
    prompts: number,
    length: number,
    seed: number,
    mostBytes = MOST_BYTES,
  ) {
    this.hidden = sizes.hidden;
    this.kvHeads = sizes.kvHeads;
    this.#seed = seed;
    const most = Math.floor(mostBytes / sizes.layers / prompts / (2 * sizes.hidden + 4 * sizes.kvHeads));
    this.#perPrompt = Math.max(1, Math.min(length, most));
    const rows = prompts * this.#perPrompt;
    this.#layers = Array.from({ length: sizes.layers }, () => ({
      x: new Uint16Array(rows * sizes.hidden),
      y: new Float32Array(rows * sizes.kvHeads),
      rows: 0,
    }));
  }

  get rows(): number {
    return this.#layers[0].rows;
  }

  /** Rows of the prompt of a number; the same ones in every layer. */
  add({ layer, rows, x, y }: LayerScores, prompt: number): void {
    const { hidden, kvHeads } = this;
    const to = this.#layers[layer];
    const order = shuffled(seeded(this.#seed, DRAWS, prompt), Array(rows).keys());
    for (const r of order.slice(0, this.#perPrompt)) {
      f32ToBf16(x.subarray(r * hidden, (r + 1) * hidden), to.x.subarray(to.rows * hidden));
      to.y.set(y.subarray(r * kvHeads, (r + 1) * kvHeads), to.rows * kvHeads);
      to.rows++;
    }
  }

  layer(l: number): { x: Float32Array; y: Float32Array } {
    const { x, y, rows } = this.#layers[l];
    const values = new Float32Array(rows * this.hidden);
    bf16ToF32(x.subarray(0, values.length), values);
    return { x: values, y: y.subarray(0, rows * this.kvHeads) };
  }
}

/** Tells these draws from others of the same seed. */
const DRAWS = 0x5a3b1e;
