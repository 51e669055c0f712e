import type { Device, Hidden } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";

/** Gradients of activations on their way back; layers use the same ones. Named as in Workspace. */
export interface Gradients {
  x: Hidden; // [rows, H] of the residual stream
  normed: Hidden; // [rows, H]
  q: Hidden; // [rows, Hq, D]
  k: Hidden; // [rows, Hkv, D]
  v: Hidden; // [rows, Hkv, D]
  mixed: Hidden; // [rows, Hq, D]
  soft: Hidden; // [rows, Hkv] of what is added to scores
  z: Hidden; // [rows, Hkv] of decision logits, then of what `decide` read
  gate: Hidden; // [rows, I]
  up: Hidden; // [rows, I]
  acted: Hidden; // [rows, I]
  low: Hidden; // [rows, rank] scratch of low-rank changes
}

export function makeGradients(device: Device, c: ModelConfig, rows: number, rank: number): Gradients {
  const hidden = (width: number) => device.hidden(rows * width);
  return {
    x: hidden(c.hidden),
    normed: hidden(c.hidden),
    q: hidden(c.queryHeads * c.headDim),
    k: hidden(c.kvHeads * c.headDim),
    v: hidden(c.kvHeads * c.headDim),
    mixed: hidden(c.queryHeads * c.headDim),
    soft: hidden(c.kvHeads),
    z: hidden(c.kvHeads),
    gate: hidden(c.intermediate),
    up: hidden(c.intermediate),
    acted: hidden(c.intermediate),
    low: hidden(Math.max(1, rank)),
  };
}
