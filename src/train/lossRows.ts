// The head and the loss, over the rows that count, some at a time: logits of all rows of a large vocabulary would be
// the largest thing in memory.
import type { Device, F32, Hidden, I32, Pass } from "../device/device.ts";
import { type Precision, plain } from "./linear.ts";
import type { Parameter } from "./parameters.ts";

/** What the student is compared with: the tokens that follow, or the logits of its own untouched self. */
export type Loss = { kind: "next" } | { kind: "distill"; direction: "reverse" | "forward" };

/** Most numbers of a block of logits. Each block packs the whole head, which a few hundred rows must be worth. */
export const MOST_LOGITS = 1 << 25;

/** Rows of one block. */
interface Block {
  index: I32;
  targets: I32;
  weights: F32;
  losses: Hidden;
  count: number;
}

export class LossRows {
  readonly #device: Device;
  readonly #each: number;
  readonly #blocks: Block[];
  readonly #hidden: number;
  readonly #vocabulary: number;
  readonly #picked: Hidden; // [each, H]
  readonly #pickedTaught: Hidden;
  readonly #dpicked: Hidden;
  readonly #logits: Hidden; // [each, V]
  readonly #taught: Hidden;
  #used = 0;

  constructor(device: Device, vocabulary: number, hidden: number, rows: number) {
    this.#device = device;
    this.#hidden = hidden;
    this.#vocabulary = vocabulary;
    const blocks = Math.ceil(rows / Math.max(16, Math.floor(MOST_LOGITS / vocabulary)));
    const each = Math.ceil(rows / blocks);
    this.#each = each;
    this.#blocks = Array.from({ length: Math.ceil(rows / each) }, () => ({
      index: device.i32(each),
      targets: device.i32(each),
      weights: device.f32(each),
      losses: device.hidden(each),
      count: 0,
    }));
    const rowsOf = () => device.hidden(each * hidden);
    [this.#picked, this.#pickedTaught, this.#dpicked] = [rowsOf(), rowsOf(), rowsOf()];
    [this.#logits, this.#taught] = [device.hidden(each * vocabulary), device.hidden(each * vocabulary)];
  }

  /** Rows of the next passes: those with a weight. `weights`, `targets`: [rows]. */
  choose(weights: Float32Array, targets: Int32Array): void {
    const chosen = [...weights.keys()].filter((r) => weights[r] !== 0);
    this.#used = Math.ceil(chosen.length / this.#each);
    for (let b = 0; b < this.#used; b++) {
      const block = this.#blocks[b];
      const rows = chosen.slice(b * this.#each, (b + 1) * this.#each);
      block.count = rows.length;
      rows.forEach((row, i) => {
        block.index.host[i] = row;
        block.targets.host[i] = targets[row];
        block.weights.host[i] = weights[row];
      });
      block.weights.wrote(0, rows.length);
    }
  }

  /**
   * Records losses of the chosen rows; where `dfinal` is given, adds their gradients to it. `headBack` takes the
   * gradient of a block's logits to the head's, and to its input.
   */
  record(
    pass: Pass,
    loss: Loss,
    model: { final: Hidden; taught: Hidden; head: Parameter; teacher: Parameter | null },
    dfinal: Hidden | null,
    { bf16 }: Precision,
    headBack: (dout: Hidden, x: Hidden, dx: Hidden, rows: number) => void,
  ): void {
    const [dim, vocabulary] = [this.#hidden, this.#vocabulary];
    const product = { ...plain, turnB: true, n: vocabulary, k: dim, bf16 };
    for (const { index, targets, weights, losses, count } of this.#blocks.slice(0, this.#used)) {
      const logitsOf = (x: Hidden, picked: Hidden, head: Parameter, out: Hidden) => {
        pass.gather({ out: picked, x, index, count, dim });
        pass.product({ ...product, out, a: picked, b: head.value, m: count });
      };
      logitsOf(model.final, this.#picked, model.head, this.#logits);
      const rows = { losses, logits: this.#logits, weights, rows: count, vocabulary };
      if (loss.kind === "next") pass.predict({ ...rows, targets });
      else {
        logitsOf(model.taught, this.#pickedTaught, model.teacher!, this.#taught);
        pass.distill({ ...rows, teacher: this.#taught, direction: loss.direction });
      }
      if (!dfinal) continue;
      headBack(this.#logits, this.#picked, this.#dpicked, count);
      pass.scatter({ out: dfinal, x: this.#dpicked, index, count, dim });
    }
  }

  /** Sum of weight x loss over the chosen rows, after the pass ran. */
  async sum(): Promise<number> {
    let sum = 0;
    for (const { losses, weights, count } of this.#blocks.slice(0, this.#used)) {
      const values = new Float32Array(count);
      await this.#device.read(losses, 0, values);
      for (let i = 0; i < count; i++) sum += values[i] * weights.host[i];
    }
    return sum;
  }
}
