// What a run will take, told before it starts.
import { noMemory } from "../base/errors.ts";
import { gib } from "../base/gib.ts";
import type { Device } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { entries, tensorTable } from "../model/names.ts";
import { newBatch, packBatch } from "./batch.ts";
import type { Pieces } from "./data/pieces.ts";
import { plain } from "./linear.ts";
import { MOST_LOGITS } from "./lossRows.ts";
import type { TrainMode } from "./parameters.ts";
import type { TrainSettings } from "./settings.ts";

export interface RunShape {
  config: ModelConfig; // with gates, where the run has them
  settings: Pick<TrainSettings, "windows" | "length" | "accumulate" | "recompute" | "optimizer">;
  train: TrainMode;
  rank: number;
  distills: boolean;
  teacherApart: boolean; // its weights are a second copy
  span?: number; // rows of the document that a row lies in, on the mean over rows; default: a window
}

export interface Estimate {
  bytes: number; // of device memory at once
  flops: number; // of a step
  exact: number; // those of them that are float32 in any case
}

/** Numbers that products of a step need beside their factors: about what packing takes at once. */
const PACKED = 2;

export function estimate(shape: RunShape): Estimate {
  const { config: c, settings, train, rank, distills, teacherApart, span = settings.length } = shape;
  const { windows, length, accumulate, recompute, optimizer } = settings;
  const rows = windows * length;
  const tensors = entries(tensorTable(c)).filter(({ optional }) => !optional);
  const numbers = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const gates = c.dms && !c.dms.borrowed ? c.layers * c.kvHeads * c.hidden : 0;
  const [queries, keys] = [c.queryHeads * c.headDim, c.kvHeads * c.headDim];
  const projections = c.layers * (c.hidden * (2 * queries + 2 * keys) + 3 * c.hidden * c.intermediate);
  const low = train === "lora" ? c.layers * rank * (7 * c.hidden + 2 * (queries + keys) + 3 * c.intermediate) : 0;
  const everything = train === "full";
  const learned = everything ? numbers : gates + low;
  const moments = optimizer.matrices === "muon" && everything ? 1 : 2;
  const copies = 1 + (teacherApart ? 1 : 0) + (train === "lora" ? projections / numbers : 0);
  const weights = numbers * copies + low + learned * (1 + moments);
  const layer = 7 * c.hidden + 4 * queries + 4 * keys + 3 * c.intermediate;
  const kept = recompute ? layer + c.layers * (c.hidden + 4 * c.kvHeads) : c.layers * (layer + 4 * c.kvHeads);
  const backward = 5 * c.hidden + 2 * queries + 2 * keys + 3 * c.intermediate;
  const logits = Math.min(rows * c.vocabulary, MOST_LOGITS) * (distills ? 2 : 1);
  const packing = PACKED * Math.max(rows * c.intermediate, logits);
  const bytes = 4 * (weights + rows * (kept + backward) + logits + packing);

  // Two operations a weight and row forward, as many for the gradient of inputs, as many for that of weights.
  const matrices = projections + c.vocabulary * c.hidden;
  const passes = 2 + (everything ? 1 : 0) + (distills ? 1 : 0) + (recompute ? 1 : 0);
  // Scores and values are 2 products forward; back they are 5, as scores are computed again.
  const attention = 2 * c.layers * span * queries * (3.5 + (distills ? 1 : 0) + (recompute ? 1 : 0));
  // Layers run forward in float32 where gates learn (student.ts).
  const forward = 1 + (distills ? 1 : 0) + (recompute ? 1 : 0);
  const exact = attention + (c.dms ? 2 * projections * forward : 0);
  const step = accumulate * rows;
  return { bytes, flops: step * (2 * matrices * passes + attention), exact: step * exact };
}

/** `span` of what is learned from, by the first batch. Throws `bad-argument` for a piece that no window holds. */
export function spanOf(pieces: Pieces, windows: number, length: number): number {
  const batch = newBatch(windows, length);
  packBatch(batch, pieces, 0);
  const documents = Array.from({ length: batch.documentCount }, (_, d) => batch.documents[3 * d + 1]);
  return documents.reduce((sum, rows) => sum + rows ** 2, 0) / batch.rows;
}

/** Operations per second of products on a device, by a try of a tenth of a second or so. */
export async function productRate(device: Device, bf16: boolean): Promise<number> {
  const [m, n, k] = device.name === "reference" ? [32, 32, 64] : [1024, 512, 512];
  const [a, b, out] = [device.hidden(m * k), device.hidden(k * n), device.hidden(m * n)];
  const shape = { ...plain, m, n, k, turnB: true, bf16 };
  let best = 0;
  for (let round = 0; round < 6; round++) {
    const pass = device.begin();
    for (let i = 0; i < 4; i++) pass.product({ out, a, b, ...shape });
    const started = performance.now();
    await device.run(pass);
    best = Math.max(best, (4 * 2 * m * n * k) / ((performance.now() - started) / 1000));
  }
  return best;
}

/** Share of the products' rate that whole steps have reached (LOG.md). */
const STEP_SHARE = 0.5;

export interface Forecast extends Estimate {
  seconds: number; // until the run ends, about
}

/** Who hears of it. */
export interface Forecasting {
  /** Before anything large is allocated. */
  onForecast?: (forecast: Forecast) => void;
  memory?: number; // bytes that the machine has; default: no limit
}

/** Throws `no-memory` where the machine has less than a run takes. */
export function checkMemory(shape: RunShape, memory = Number.POSITIVE_INFINITY): void {
  const { bytes } = estimate(shape);
  if (bytes > memory)
    throw noMemory(
      `this run takes about ${gib(bytes)}, this machine has ${gib(memory)}: expected fewer --windows (and --accumulate ` +
        `more), a shorter --length${shape.settings.recompute ? "" : ", --recompute"} or a smaller model`,
    );
}

/** Tells what is left of a run. `done`: steps that it goes on after; `before`: the same of what runs first. */
export async function forecast(
  device: Device,
  shape: RunShape & { settings: TrainSettings },
  { onForecast }: Forecasting,
  done: number,
  before: Pick<Forecast, "bytes" | "seconds"> = { bytes: 0, seconds: 0 },
): Promise<void> {
  const { bytes, flops, exact } = estimate(shape);
  const { steps, bf16 } = shape.settings;
  const rate = await productRate(device, false);
  const rounded = bf16 ? await productRate(device, true) : rate;
  const step = exact / rate + (flops - exact) / rounded;
  const seconds = before.seconds + (Math.max(0, steps - done) * step) / STEP_SHARE;
  onForecast?.({ bytes: Math.max(before.bytes, bytes), flops, exact, seconds });
}
