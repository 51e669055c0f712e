// KVzap's surrogate with a hidden layer, trained on the device (arXiv 2601.07891: AdamW at 5e-3, 15 epochs, batches of
// 512 rows).
import { seeded, shuffled } from "../../base/rng.ts";
import type { Device, Hidden, I32 } from "../../device/device.ts";
import { plain } from "../linear.ts";
import type { Linear } from "./ridge.ts";
import type { LayerSurrogate, SurrogateShape } from "./surrogate.ts";

export interface MlpSettings {
  epochs: number;
  batch: number; // rows of a step
  rate: number; // AdamW's at first; it falls to 0 along a cosine
  decay: number;
  seed: number;
}

export const MLP: MlpSettings = { epochs: 15, batch: 512, rate: 5e-3, decay: 0.01, seed: 0 };

const ADAM = { scale: 1, beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

/** A tensor that learns, and what AdamW remembers of it. */
interface Slot {
  value: Hidden;
  gradient: Hidden;
  moment: Hidden;
  second: Hidden;
  count: number;
}

/** Trains surrogates of one shape, one layer after the other, from at most so many rows. */
export class MlpTrainer {
  readonly #device: Device;
  readonly #shape: SurrogateShape;
  readonly #settings: MlpSettings;
  readonly #x: Hidden; // [most, H]
  readonly #y: Hidden; // [most, Hkv]
  readonly #index: I32; // [batch]
  readonly #rows: Record<"x" | "y" | "before" | "middle" | "out" | "back", Hidden>; // of a batch
  readonly #slots: Record<"inner" | "innerBias" | "out" | "outBias", Slot>;

  constructor(device: Device, shape: SurrogateShape, most: number, settings: MlpSettings) {
    const { hidden, kvHeads, width } = shape;
    const { batch } = settings;
    this.#device = device;
    this.#shape = shape;
    this.#settings = settings;
    const hold = (length: number) => device.hidden(length);
    this.#x = hold(most * hidden);
    this.#y = hold(most * kvHeads);
    this.#index = device.i32(batch);
    this.#rows = {
      ...{ x: hold(batch * hidden), y: hold(batch * kvHeads), out: hold(batch * kvHeads) },
      ...{ before: hold(batch * width), middle: hold(batch * width), back: hold(batch * width) },
    };
    const slot = (count: number): Slot => {
      const [value, gradient, moment, second] = Array.from({ length: 4 }, () => hold(count));
      return { value, gradient, moment, second, count };
    };
    this.#slots = {
      inner: slot(width * hidden),
      innerBias: slot(width),
      out: slot(kvHeads * width),
      outBias: slot(kvHeads),
    };
  }

  /** Least squares over x [rows, H] and y [rows, Hkv] of a layer. Both are normalised first, channel by channel. */
  async train(layer: number, x: Float32Array, y: Float32Array): Promise<LayerSurrogate> {
    const { hidden, kvHeads, width } = this.#shape;
    const { epochs, batch, seed } = this.#settings;
    const rows = y.length / kvHeads;
    const [ofX, ofY] = [normalise(x, hidden), normalise(y, kvHeads)];
    await this.#device.write(this.#x, 0, ofX.values);
    await this.#device.write(this.#y, 0, ofY.values);
    await this.#start(layer);
    const steps = epochs * Math.ceil(rows / batch);
    let step = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = shuffled(seeded(seed, ORDER, layer * epochs + epoch), Array(rows).keys());
      for (let from = 0; from < rows; from += batch)
        await this.#step(order.slice(from, from + batch), ++step, (1 + Math.cos((Math.PI * (step - 1)) / steps)) / 2);
    }
    const { inner, innerBias, out, outBias } = this.#slots;
    const read = async ({ value, count }: Slot) => {
      const values = new Float32Array(count);
      await this.#device.read(value, 0, values);
      return values;
    };
    // The normalisation goes into the weights.
    const first: Linear = { weight: await read(inner), bias: await read(innerBias) };
    for (let w = 0; w < width; w++)
      for (let i = 0; i < hidden; i++) {
        const at = w * hidden + i;
        first.weight[at] /= ofX.deviations[i];
        first.bias[w] -= first.weight[at] * ofX.means[i];
      }
    const last: Linear = { weight: await read(out), bias: await read(outBias) };
    for (let o = 0; o < kvHeads; o++) {
      for (let w = 0; w < width; w++) last.weight[o * width + w] *= ofY.deviations[o];
      last.bias[o] = last.bias[o] * ofY.deviations[o] + ofY.means[o];
    }
    return { inner: first, out: last };
  }

  /** Weights as linear layers of torch begin: uniform, up to 1 / sqrt(inputs). */
  async #start(layer: number): Promise<void> {
    const { hidden, width } = this.#shape;
    const random = seeded(this.#settings.seed, WEIGHTS, layer);
    const { inner, innerBias, out, outBias } = this.#slots;
    for (const [slot, inputs] of [
      [inner, hidden],
      [innerBias, hidden],
      [out, width],
      [outBias, width],
    ] as const) {
      const zeros = new Float32Array(slot.count);
      await this.#device.write(
        slot.value,
        0,
        zeros.map(() => (2 * random.next() - 1) / Math.sqrt(inputs)),
      );
      await this.#device.write(slot.moment, 0, zeros);
      await this.#device.write(slot.second, 0, zeros);
    }
  }

  async #step(chosen: readonly number[], step: number, part: number): Promise<void> {
    const { hidden, kvHeads, width } = this.#shape;
    const { rate, decay } = this.#settings;
    const { inner, innerBias, out, outBias } = this.#slots;
    const [r, count] = [this.#rows, chosen.length];
    this.#index.host.set(chosen);
    const pass = this.#device.begin();
    pass.gather({ out: r.x, x: this.#x, index: this.#index, count, dim: hidden });
    pass.gather({ out: r.y, x: this.#y, index: this.#index, count, dim: kvHeads });
    const toInner = { m: count, n: width, k: hidden, turnB: true, bias: innerBias.value };
    pass.product({ ...plain, out: r.before, a: r.x, b: inner.value, ...toInner });
    pass.blend({ out: r.middle, x: r.before, count: count * width, own: 0, other: 1 });
    pass.gelu({ x: r.middle, count: count * width });
    const toOut = { m: count, n: kvHeads, k: width, turnB: true, bias: outBias.value };
    pass.product({ ...plain, out: r.out, a: r.middle, b: out.value, ...toOut });
    // The gradient of the mean square over rows and heads.
    const mean = 2 / (count * kvHeads);
    pass.blend({ out: r.out, x: r.y, count: count * kvHeads, own: mean, other: -mean });
    const outBack = { m: kvHeads, n: width, k: count, turnA: true };
    pass.product({ ...plain, out: out.gradient, a: r.out, b: r.middle, ...outBack });
    pass.product({ ...plain, out: r.back, a: r.out, b: out.value, m: count, n: width, k: kvHeads });
    pass.geluBack({ dx: r.back, dout: r.back, x: r.before, count: count * width });
    const innerBack = { m: width, n: hidden, k: count, turnA: true };
    pass.product({ ...plain, out: inner.gradient, a: r.back, b: r.x, ...innerBack });
    for (const [bias, dout, dim] of [
      [outBias, r.out, kvHeads],
      [innerBias, r.back, width],
    ] as const) {
      pass.blend({ out: bias.gradient, x: bias.gradient, count: dim, own: 0, other: 0 });
      pass.sumRows({ out: bias.gradient, x: dout, rows: count, dim });
    }
    const corrections = { first: 1 - ADAM.beta1 ** step, other: 1 - ADAM.beta2 ** step };
    for (const { value: x, gradient, moment, second, count } of Object.values(this.#slots))
      pass.adamw({ ...ADAM, ...corrections, x, gradient, moment, second, count, rate: part * rate, decay });
    await this.#device.run(pass);
  }
}

/** Columns of x [rows, dim] with mean 0 and deviation 1; one that is constant, but for rounding, becomes 0. */
function normalise(x: Float32Array, dim: number) {
  const rows = x.length / dim;
  const [means, squares] = [new Float64Array(dim), new Float64Array(dim)];
  x.forEach((value, i) => {
    means[i % dim] += value / rows;
  });
  x.forEach((value, i) => {
    squares[i % dim] += (value - means[i % dim]) ** 2 / rows;
  });
  const deviations = squares.map((square, c) => (square > 1e-12 * means[c] ** 2 ? Math.sqrt(square) : 1));
  return { means, deviations, values: x.map((value, i) => (value - means[i % dim]) / deviations[i % dim]) };
}

/** Tell these draws from others of the same seed. */
const [WEIGHTS, ORDER] = [0x31c0a1, 0x31c0a2];
