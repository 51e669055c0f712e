import { roundBf16 } from "../../src/base/half.ts";
import { seeded } from "../../src/base/rng.ts";
import type { Device, WeightFormat } from "../../src/device/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { Model } from "../../src/model/forward.ts";
import type { LayerWeights } from "../../src/model/weights.ts";

/** A random Qwen3-like model small enough for many passes, with DMS gates that doom about half of the keys. */
export interface TinyOptions {
  seed: number;
  window?: number;
  shift?: 0 | 1;
  borrowed?: boolean;
  perLayer?: boolean;
  gateOffset?: number; // decision logit = raw - offset: large positive keeps everything
  weights?: WeightFormat;
  layers?: number;
  vocabulary?: number;
}

export const tinyConfig = (o: TinyOptions): ModelConfig => ({
  architecture: "qwen3",
  vocabulary: o.vocabulary ?? 96,
  hidden: 40,
  intermediate: 56,
  layers: o.layers ?? 2,
  queryHeads: 6,
  kvHeads: 2,
  headDim: 12,
  normEps: 1e-6,
  contextLength: 4096,
  tied: false,
  biases: { qkv: false, output: false, mlp: false },
  headNorm: true,
  frequencies: Float32Array.from({ length: 6 }, (_, i) => 10000 ** (-i / 6)),
  eosIds: [],
  bosId: null,
  dms: {
    scale: 3,
    offset: o.gateOffset ?? 0,
    window: o.window ?? 7,
    borrowed: o.borrowed ?? false,
    perLayer: o.perLayer ?? false,
    shift: o.shift ?? 1,
    cr: 2,
  },
});

/** Raw weights by name: matrices [rows, cols] row-major. */
export interface Raw {
  config: ModelConfig;
  embed: Float32Array;
  head: Float32Array;
  norm: Float32Array;
  layers: Record<RawName, Float32Array>[];
}
type RawName =
  | "inputNorm"
  | "q"
  | "k"
  | "v"
  | "o"
  | "qNorm"
  | "kNorm"
  | "postNorm"
  | "gate"
  | "up"
  | "down"
  | "alphaNorm"
  | "alpha";

export function tinyRaw(o: TinyOptions): Raw {
  const config = tinyConfig(o);
  const rng = seeded(o.seed);
  const { hidden: H, intermediate: I, queryHeads, kvHeads, headDim: D, vocabulary: V } = config;
  const round = o.weights === "bf16" ? roundBf16 : Math.fround;
  const matrix = (rows: number, cols: number, scale = 1) =>
    Float32Array.from({ length: rows * cols }, () => round((scale * rng.gaussian()) / Math.sqrt(cols)));
  const norm = (n: number) => Float32Array.from({ length: n }, () => 1 + 0.1 * rng.gaussian());
  return {
    config,
    embed: matrix(V, H, Math.sqrt(H)),
    head: matrix(V, H, 2),
    norm: norm(H),
    layers: Array.from({ length: config.layers }, () => ({
      inputNorm: norm(H),
      q: matrix(queryHeads * D, H),
      k: matrix(kvHeads * D, H),
      v: matrix(kvHeads * D, H),
      o: matrix(H, queryHeads * D),
      qNorm: norm(D),
      kNorm: norm(D),
      postNorm: norm(H),
      gate: matrix(I, H),
      up: matrix(I, H),
      down: matrix(H, I),
      alphaNorm: norm(H),
      alpha: matrix(kvHeads, H),
    })),
  };
}

export function tinyModel(device: Device, o: TinyOptions, raw: Raw = tinyRaw(o)): Model {
  const { config } = raw;
  const { hidden: H, intermediate: I } = config;
  const put = (values: Float32Array, cols: number, dtype: WeightFormat = o.weights ?? "f32") => {
    const m = device.matrix(values.length / cols, cols, dtype);
    device.writeRows(m, 0, values);
    return m;
  };
  const vector = (values: Float32Array) => {
    const v = device.f32(values.length);
    v.host.set(values);
    v.wrote(0, v.length);
    return v;
  };
  const biases = { qBias: null, kBias: null, vBias: null, oBias: null, gateBias: null, upBias: null, downBias: null };
  const layers = raw.layers.map(
    (l): LayerWeights => ({
      ...biases,
      inputNorm: vector(l.inputNorm),
      q: put(l.q, H),
      k: put(l.k, H),
      v: put(l.v, H),
      o: put(l.o, config.queryHeads * config.headDim),
      qNorm: vector(l.qNorm),
      kNorm: vector(l.kNorm),
      postNorm: vector(l.postNorm),
      gate: put(l.gate, H),
      up: put(l.up, H),
      down: put(l.down, I),
      alpha: config.dms?.borrowed ? null : { norm: vector(l.alphaNorm), proj: put(l.alpha, H, "f32"), bias: null },
      borrowed: null,
      probe: null,
    }),
  );
  return { config, weights: { embed: put(raw.embed, H), head: put(raw.head, H), norm: vector(raw.norm), layers } };
}

export const randomTokens = (seed: number, count: number, vocabulary: number): number[] => {
  const rng = seeded(seed);
  return Array.from({ length: count }, () => rng.below(vocabulary));
};
