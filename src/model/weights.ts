import type { F32, Matrix } from "../device/device.ts";

/** A checkpoint on a device. Matrices are [outputs, inputs], of the device's own kind or, in training, parameters. */
export interface Weights<M = Matrix, V = F32> {
  embed: M; // [V, H]
  head: M; // [V, H]; the same object as embed where the head is tied
  norm: V; // [H]
  layers: LayerWeights<M, V>[];
}

export interface LayerWeights<M = Matrix, V = F32> {
  inputNorm: V; // [H]
  q: M; // [Hq * D, H]
  k: M; // [Hkv * D, H]
  v: M; // [Hkv * D, H]
  o: M; // [H, Hq * D]
  qBias: V | null;
  kBias: V | null;
  vBias: V | null;
  oBias: V | null;
  qNorm: V | null; // [D]
  kNorm: V | null; // [D]
  postNorm: V; // [H]
  gate: M; // [I, H]
  up: M; // [I, H]
  down: M; // [H, I]
  gateBias: V | null;
  upBias: V | null;
  downBias: V | null;
  /** DMS gate of its own: norm of the residual stream, then [Hkv, H] in float32. */
  alpha: { norm: V; proj: M; bias: V | null } | null;
  /**
   * Borrowed gate where `q` was rounded below the checkpoint's own type: the carrying
   * heads' rows in float32, [Hkv * D, H].
   */
  borrowed: { q: M; bias: V | null } | null;
  /**
   * KVzap probe of the attention's input, its sign turned so that high means evict: [Hkv,
   * H], or [Hkv, inner] after [inner, H].
   */
  probe: { inner: M | null; innerBias: V | null; width: number; out: M; outBias: V | null } | null; // width: of inner
}
