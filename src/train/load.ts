import type { Device } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { loadWeights, type WeightOptions } from "../model/load.ts";
import type { Source } from "../model/source.ts";
import type { LayerWeights, Weights } from "../model/weights.ts";
import { type Parameter, Parameters } from "./parameters.ts";

export interface LoadParameters extends Omit<WeightOptions, "weights"> {
  /** Config with the gates that the parameters get where the checkpoint has none: closed ones. */
  gated?: ModelConfig;
  /** Such gates have a bias, of 0. */
  biased?: boolean;
}

/**
 * A checkpoint's weights as float32 parameters of `device`. They come through `staging`, a device of its own that is
 * closed when they are copied: what a loader checks and lays over a model stands in one place.
 */
export async function loadParameters(
  device: Device,
  staging: Device,
  config: ModelConfig,
  source: Source,
  { gated, biased = false, ...options }: LoadParameters = {},
): Promise<Parameters> {
  try {
    const weights = await loadWeights(staging, config, source, { ...options, weights: "f32" });
    const bias = biased || weights.layers.some(({ alpha }) => alpha?.bias);
    const parameters = new Parameters(device, gated ?? config, () => bias);
    for (const { alpha } of parameters.weights.layers)
      if (alpha) {
        const norm = parameters.vector(alpha.norm);
        await parameters.write(norm, new Float32Array(norm.rows).fill(1));
      }
    for (const [to, from] of pairs(parameters, weights)) {
      const values = new Float32Array(to.rows * to.cols);
      if ("format" in from) await staging.readRows(from, 0, values);
      else values.set(from.host);
      await parameters.write(to, values);
    }
    return parameters;
  } finally {
    staging.close();
  }
}

type Held = Weights["embed"] | Weights["norm"];

/** Each parameter with what the loader made of its tensor. */
function* pairs(parameters: Parameters, from: Weights): Generator<[Parameter, Held]> {
  const { weights: to } = parameters;
  const place = (at: Parameter | Parameter["value"]) => ("shape" in at ? at : parameters.vector(at));
  yield [to.embed, from.embed];
  yield [place(to.norm), from.norm];
  if (to.head !== to.embed) yield [to.head, from.head];
  for (const [l, layer] of to.layers.entries()) {
    const there = from.layers[l];
    for (const name of Object.keys(layer) as (keyof LayerWeights)[]) {
      if (name === "alpha" || name === "borrowed" || name === "probe") continue;
      const [own, its] = [layer[name], there[name]];
      if (own && its) yield [place(own), its];
    }
    if (!layer.alpha || !there.alpha) continue;
    yield [place(layer.alpha.norm), there.alpha.norm];
    yield [layer.alpha.proj, there.alpha.proj];
    if (layer.alpha.bias && there.alpha.bias) yield [place(layer.alpha.bias), there.alpha.bias];
  }
}
