import { badModel } from "../base/errors.ts";
import type { Lora } from "./lora.ts";

const MOST_F32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * Adds LoRAs to rows of a matrix of `cols` columns, in place: W + sum of scale * B A, summed in float64 and rounded to
 * float32 once. `first` is the first row. Throws `bad-model` where a number leaves float32's range.
 */
export function addLoras(
  values: Float32Array,
  first: number,
  cols: number,
  loras: readonly Lora[],
  name: string,
): void {
  const sum = new Float64Array(cols);
  for (let at = 0, row = first; at < values.length; at += cols, row++) {
    sum.fill(0);
    for (const lora of loras) addRow(sum, lora, row);
    for (let i = 0; i < cols; i++) {
      const merged = values[at + i] + sum[i];
      if (!(Math.abs(merged) <= MOST_F32))
        throw badModel(
          `tensor ${name}, row ${row}, column ${i}: expected a number that float32 holds, got ${merged} with its adapters added: is their lora_alpha right?`,
        );
      values[at + i] = merged;
    }
  }
}

/** Four ranks at a time: the sum is loaded and stored once for them. */
function addRow(sum: Float64Array, { rank, scale, a, b }: Lora, row: number): void {
  const cols = sum.length;
  let k = 0;
  for (; k + 4 <= rank; k += 4) {
    const at = row * rank + k;
    const [c0, c1, c2, c3] = [scale * b[at], scale * b[at + 1], scale * b[at + 2], scale * b[at + 3]];
    const [p0, p1, p2, p3] = [k * cols, (k + 1) * cols, (k + 2) * cols, (k + 3) * cols];
    for (let i = 0; i < cols; i++) sum[i] += c0 * a[p0 + i] + c1 * a[p1 + i] + c2 * a[p2 + i] + c3 * a[p3 + i];
  }
  for (; k < rank; k++) {
    const c = scale * b[row * rank + k];
    const from = k * cols;
    for (let i = 0; i < cols; i++) sum[i] += c * a[from + i];
  }
}
