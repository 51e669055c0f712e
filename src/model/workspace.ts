import type { Device, F32, Hidden } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import type { Weights } from "./weights.ts";

/**
 * Activations of one layer in a pass of `rows` tokens. Inference gives all layers the same ones, but for `z`; buffers
 * that are named after "in place" are then one with what stands there.
 */
export interface Workspace {
  x: Hidden; // [rows, H] residual stream as it comes to the layer
  normed: Hidden; // [rows, H]
  rawQ: Hidden; // [rows, Hq, D] before head norms; in place of q
  rawK: Hidden; // [rows, Hkv, D]; in place of k
  q: Hidden; // [rows, Hq, D]
  k: Hidden; // [rows, Hkv, D]
  v: Hidden; // [rows, Hkv, D]
  mixed: Hidden; // [rows, Hq, D] attention output
  q2: Hidden; // [rows, Hq, D] second copy of the queries, for positions in the cache
  carrier: Hidden; // [rows, Hkv, D] float32 query heads that carry a borrowed gate
  gateNormed: Hidden; // [rows, H] what a gate of its own reads; in place of normed
  z: Hidden; // [rows, Hkv] decision logits
  probed: Hidden; // [rows, Hkv] a probe's scores
  inner: Hidden; // [rows, inner] hidden layer of a probe
  middle: Hidden; // [rows, H] residual stream between attention and MLP; in place of x
  postNormed: Hidden; // [rows, H]; in place of normed
  gate: Hidden; // [rows, I]
  up: Hidden; // [rows, I]
  acted: Hidden; // [rows, I] silu(gate) * up; in place of gate
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
 * What a pass leaves behind. `nothing`: layers share one workspace, but for `z`, and write in place (inference).
 * `inputs`: they share one that nothing is overwritten in, but for `x` and `z`: from a layer's input `block` computes
 * it again. `all`: each has its own.
 */
export type Keeps = "nothing" | "inputs" | "all";

/** Memory for passes of so many rows. */
export function makeActivations(
  device: Device,
  c: ModelConfig,
  weights: Pick<Weights<unknown, unknown>, "layers">,
  { rows, logitRows, keeps = "nothing" }: { rows: number; logitRows: number; keeps?: Keeps },
): Activations {
  const hidden = (length: number) => device.hidden(length);
  const inPlace = keeps === "nothing";
  const probed = weights.layers[0]?.probe?.width ?? 0;
  const workspace = (): Workspace => {
    const [x, normed] = [hidden(rows * c.hidden), hidden(rows * c.hidden)];
    const [q, k] = [hidden(rows * c.queryHeads * c.headDim), hidden(rows * c.kvHeads * c.headDim)];
    const gate = hidden(rows * c.intermediate);
    const other = (there: Hidden) => (inPlace ? there : hidden(there.length));
    return {
      ...{ x, normed, q, k, gate },
      rawQ: c.headNorm ? other(q) : q,
      rawK: c.headNorm ? other(k) : k,
      q2: hidden(rows * c.queryHeads * c.headDim),
      v: hidden(rows * c.kvHeads * c.headDim),
      mixed: hidden(rows * c.queryHeads * c.headDim),
      carrier: hidden(c.dms?.borrowed ? rows * c.kvHeads * c.headDim : 1),
      gateNormed: other(normed),
      z: hidden(rows * c.kvHeads),
      probed: hidden(rows * c.kvHeads),
      inner: hidden(Math.max(1, rows * probed)),
      middle: other(x),
      postNormed: other(normed),
      up: hidden(rows * c.intermediate),
      acted: other(gate),
    };
  };
  const first = workspace();
  const layers = [first];
  for (let l = 1; l < c.layers; l++) {
    const own = keeps === "all" ? workspace() : { ...first, z: hidden(rows * c.kvHeads) };
    if (keeps === "inputs") own.x = hidden(rows * c.hidden);
    layers.push(own);
  }
  const ends = {
    x: inPlace ? first.x : hidden(rows * c.hidden),
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
