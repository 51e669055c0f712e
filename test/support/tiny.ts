import { seeded } from "../../src/base/rng.ts";
import type { Device, Dtype } from "../../src/device/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { Model } from "../../src/model/forward.ts";
import type { LayerWeights } from "../../src/model/weights.ts";

/** A random Qwen3-like model small enough for many passes, with separate DMS gates that evict about half of the keys. */
export interface TinyOptions {
  seed: number;
  window?: number;
  shift?: 0 | 1;
  borrowed?: boolean;
  perLayer?: boolean;
  gateScale?: number;
  gateOffset?: number;
  weights?: Dtype;
}

export const tinyConfig = (o: TinyOptions): ModelConfig => ({
  architecture: "qwen3",
  vocabulary: 96,
  hidden: 40,
  intermediate: 56,
  layers: 2,
  queryHeads: 6,
  kvHeads: 2,
  headDim: 12,
  normEps: 1e-6,
  contextLength: 1024,
  tied: false,
  biases: { qkv: false, output: false, mlp: false },
  headNorm: true,
  frequencies: Float32Array.from({ length: 6 }, (_, i) => 10000 ** (-i / 6)),
  eosIds: [],
  bosId: null,
  dms: {
    scale: o.gateScale ?? 1,
    offset: o.gateOffset ?? 0,
    window: o.window ?? 7,
    borrowed: o.borrowed ?? false,
    perLayer: o.perLayer ?? false,
    shift: o.shift ?? 1,
    cr: 2,
  },
});

export function tinyModel(device: Device, o: TinyOptions): Model {
  const config = tinyConfig(o);
  const rng = seeded(o.seed);
  const { hidden: H, intermediate: I, queryHeads, kvHeads, headDim: D } = config;
  const matrix = (rows: number, cols: number, dtype: Dtype = o.weights ?? "f32", scale = 1) => {
    const m = device.matrix(rows, cols, dtype);
    device.writeRows(m, 0, Float32Array.from({ length: rows * cols }, () => (scale * rng.gaussian()) / Math.sqrt(cols)));
    return m;
  };
  const norm = (n: number) => {
    const v = device.f32(n);
    for (let i = 0; i < n; i++) v.host[i] = 1 + 0.1 * rng.gaussian();
    return v;
  };
  const embed = matrix(config.vocabulary, H, undefined, Math.sqrt(H));
  const head = matrix(config.vocabulary, H, undefined, 2);
  const layers = Array.from(
    { length: config.layers },
    (): LayerWeights => ({
      inputNorm: norm(H),
      q: matrix(queryHeads * D, H),
      k: matrix(kvHeads * D, H),
      v: matrix(kvHeads * D, H),
      o: matrix(H, queryHeads * D),
      qBias: null,
      kBias: null,
      vBias: null,
      oBias: null,
      qNorm: norm(D),
      kNorm: norm(D),
      postNorm: norm(H),
      gate: matrix(I, H),
      up: matrix(I, H),
      down: matrix(H, I),
      gateBias: null,
      upBias: null,
      downBias: null,
      alpha: config.dms?.borrowed ? null : { norm: norm(H), proj: matrix(kvHeads, H, "f32"), bias: null },
      borrowed: null,
    }),
  );
  return { config, weights: { embed, head, norm: norm(H), layers } };
}
