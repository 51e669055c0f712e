import type { Device, Hidden } from "../../device/device.ts";
import { plain } from "../linear.ts";
import type { Linear } from "./ridge.ts";

/** A layer's predictor of its keys' log scores: linear, or two linear maps with a GELU between. */
export interface LayerSurrogate {
  inner: Linear | null; // [width, H]
  out: Linear; // [Hkv, H], or [Hkv, width]
}

/** What stands in for scores that need a replay of the prompt (KVzap, arXiv 2601.07891). */
export interface Surrogate {
  /** For people: how it was fitted. */
  description: string;
  layers: LayerSurrogate[];
}

/** Sizes of a surrogate's layers; width 0: linear. */
export interface SurrogateShape {
  hidden: number;
  kvHeads: number;
  width: number;
}

/** Runs surrogates of one shape on a device, for at most so many rows. */
export class Predictor {
  readonly #device: Device;
  readonly #shape: SurrogateShape;
  readonly #buffers: Record<"x" | "inner" | "innerBias" | "middle" | "out" | "outBias" | "y", Hidden>;

  constructor(device: Device, shape: SurrogateShape, rows: number) {
    const { hidden, kvHeads, width } = shape;
    this.#device = device;
    this.#shape = shape;
    const hold = (length: number) => device.hidden(Math.max(1, length));
    this.#buffers = {
      ...{ x: hold(rows * hidden), inner: hold(width * hidden), innerBias: hold(width), middle: hold(rows * width) },
      ...{ out: hold(kvHeads * (width || hidden)), outBias: hold(kvHeads), y: hold(rows * kvHeads) },
    };
  }

  /** Log scores [rows, Hkv] that a layer predicts of features x [rows, H]. */
  async predict({ inner, out }: LayerSurrogate, x: Float32Array, rows: number): Promise<Float32Array> {
    const { hidden, kvHeads, width } = this.#shape;
    const b = this.#buffers;
    await this.#device.write(b.x, 0, x.subarray(0, rows * hidden));
    await this.#device.write(b.out, 0, out.weight);
    await this.#device.write(b.outBias, 0, out.bias);
    const pass = this.#device.begin();
    if (inner) {
      await this.#device.write(b.inner, 0, inner.weight);
      await this.#device.write(b.innerBias, 0, inner.bias);
      const sizes = { m: rows, n: width, k: hidden, turnB: true };
      pass.product({ ...plain, out: b.middle, a: b.x, b: b.inner, ...sizes, bias: b.innerBias });
      pass.gelu({ x: b.middle, count: rows * width });
    }
    const sizes = { m: rows, n: kvHeads, k: width || hidden, turnB: true };
    pass.product({ ...plain, out: b.y, a: inner ? b.middle : b.x, b: b.out, ...sizes, bias: b.outBias });
    await this.#device.run(pass);
    const y = new Float32Array(rows * kvHeads);
    await this.#device.read(b.y, 0, y);
    return y;
  }
}
