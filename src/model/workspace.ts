import type { Device, F32, Hidden } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import type { Weights } from "./weights.ts";

/** Activations of one layer in a pass of `rows` tokens. Inference gives all layers the same ones, but for `z`. */
export interface Workspace {
  x: Hidden; // [rows, H] residual stream as it comes to the layer
  normed: Hidden; // [rows, H]
  q: Hidden; // [rows, Hq, D]
  k: Hidden; // [rows, Hkv, D]
  v: Hidden; // [rows, Hkv, D]
  mixed: Hidden; // [rows, Hq, D] attention output
  q2: Hidden; // [rows, Hq, D] second copy of the queries, for positions in the cache
  carrier: Hidden; // [rows, Hkv, D] float32 query heads that carry a borrowed gate
  z: Hidden; // [rows, Hkv] decision logits
  probed: Hidden; // [rows, Hkv] a probe's scores
  inner: Hidden; // [rows, inner] hidden layer of a probe
  gate: Hidden; // [rows, I]
  up: Hidden; // [rows, I]
}

/** What a pass has once: angles of positions, and the rows whose logits are wanted. */
export interface Ends {
  x: Hidden; // [rows, H] residual stream as it leaves the last layer
  frequencies: F32; // [D / 2]
  angles: Hidden; // [rows, D]
  angles2: Hidden; // [rows, D] of positions in the cache
  picked: Hidden; // [logitRows, H]
  logits: Hidden; // [logitRows, V]
}

export interface Activations {
  layers: readonly Workspace[];
  ends: Ends;
}

/**
 * Memory for passes of so many rows. `apart`: every layer has its own and so keeps its input, from which `block` can
 * compute it again; else they share one, but for `z`.
 */
export function makeActivations(
  device: Device,
  c: ModelConfig,
  weights: Weights,
  { rows, logitRows, apart = false }: { rows: number; logitRows: number; apart?: boolean },
): Activations {
  const hidden = (length: number) => device.hidden(length);
  const inner = weights.layers[0]?.probe?.inner?.rows ?? 0;
  const workspace = (): Workspace => ({
    x: hidden(rows * c.hidden),
    normed: hidden(rows * c.hidden),
    q: hidden(rows * c.queryHeads * c.headDim),
    q2: hidden(rows * c.queryHeads * c.headDim),
    k: hidden(rows * c.kvHeads * c.headDim),
    v: hidden(rows * c.kvHeads * c.headDim),
    mixed: hidden(rows * c.queryHeads * c.headDim),
    carrier: hidden(c.dms?.borrowed ? rows * c.kvHeads * c.headDim : 1),
    z: hidden(rows * c.kvHeads),
    probed: hidden(rows * c.kvHeads),
    inner: hidden(Math.max(1, rows * inner)),
    gate: hidden(rows * c.intermediate),
    up: hidden(rows * c.intermediate),
  });
  const first = workspace();
  const layers = [first];
  for (let l = 1; l < c.layers; l++) layers.push(apart ? workspace() : { ...first, z: hidden(rows * c.kvHeads) });
  const ends = {
    x: apart ? hidden(rows * c.hidden) : first.x,
    frequencies: device.f32(c.headDim / 2),
    angles: hidden(rows * c.headDim),
    angles2: hidden(rows * c.headDim),
    picked: hidden(logitRows * c.hidden),
    logits: hidden(logitRows * c.vocabulary),
  };
  ends.frequencies.host.set(c.frequencies);
  ends.frequencies.wrote(0, ends.frequencies.length);
  return { layers, ends };
}
