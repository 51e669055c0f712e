// What the fit of a surrogate will take, told before it starts.
import { noMemory } from "../../base/errors.ts";
import { gib } from "../../base/gib.ts";
import type { Device } from "../../device/device.ts";
import type { ModelConfig } from "../../model/config.ts";
import { entries, tensorTable } from "../../model/names.ts";
import { productRate } from "../estimate.ts";
import type { FitOptions } from "./fit.ts";
import { PENALTIES } from "./learner.ts";
import { Ridge } from "./ridge.ts";
import { MOST_LENGTH } from "./scores.ts";

export interface FitEstimate {
  bytes: number; // of memory at once
  flops: number; // of the device, in float32
  sums: number; // multiply-adds of regressions, which run on one thread in float64
}

/** Tokens that a replay has beside its prompt, about. */
const REQUEST = 40;

/** Of ridge regressions: an MLP's rows take at most 1 GiB beside what is counted here, and its steps some time. */
export function estimateFit(
  c: ModelConfig,
  { prompts, heldOut, length: wanted }: Pick<FitOptions, "prompts" | "heldOut" | "length">,
): FitEstimate {
  const length = Math.max(2, Math.min(wanted, MOST_LENGTH, Math.floor((c.contextLength - REQUEST) / 2)));
  const rows = 2 * length + REQUEST;
  const [queries, keys] = [c.queryHeads * c.headDim, c.kvHeads * c.headDim];
  const numbers = entries(tensorTable(c)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const projections = c.layers * (c.hidden * (2 * queries + 2 * keys) + 3 * c.hidden * c.intermediate);
  const scratch = rows * (4 * c.hidden + 3 * queries + 2 * keys + 3 * c.intermediate);
  const kept = c.layers * (length * (c.hidden + keys) + rows * c.queryHeads);
  const width = c.hidden + 1;
  const regressions = c.layers * width * (width + c.kvHeads) + c.hidden ** 2;
  const attention = 3 * c.layers * rows * rows * queries;
  const solve = c.layers * PENALTIES.length * (c.hidden ** 3 / 6 + c.hidden ** 2 * (1 + c.kvHeads));
  return {
    bytes: 4 * (numbers + scratch + kept) + 8 * regressions,
    flops: (prompts + heldOut) * (2 * rows * projections + attention),
    sums: prompts * length * c.layers * width * (width / 2 + c.kvHeads) + solve,
  };
}

/** Throws `no-memory` where the machine has less than a fit takes. */
export function checkFitMemory({ bytes }: FitEstimate, memory = Number.POSITIVE_INFINITY): void {
  if (bytes > memory)
    throw noMemory(
      `the fit of a surrogate takes about ${gib(bytes)}, this machine has ${gib(memory)}: expected a shorter --length ` +
        "or a smaller model",
    );
}

/** Seconds that it takes, about, by tries of a tenth of a second or so. */
export async function fitSeconds({ flops, sums }: FitEstimate, device: Device): Promise<number> {
  return flops / ((await productRate(device, false)) * FIT_SHARE) + sums / sumRate();
}

/** Share of the products' rate that passes over prompts reach, about. */
const FIT_SHARE = 0.5;

/** Multiply-adds of a regression in a second. */
function sumRate(): number {
  const [inputs, rows] = [512, 64];
  const ridge = new Ridge(inputs, 1);
  const [x, y] = [new Float32Array(rows * inputs).fill(0.5), new Float32Array(rows)];
  let best = 0;
  for (let round = 0; round < 6; round++) {
    const started = performance.now();
    ridge.add(x, y, rows);
    best = Math.max(best, (rows * (inputs + 1) ** 2) / 2 / ((performance.now() - started) / 1000));
  }
  return best;
}
