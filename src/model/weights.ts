import type { F32, Matrix } from "../device/device.ts";

/** A checkpoint on a device. Matrices are [outputs, inputs]. */
export interface Weights {
  embed: Matrix; // [V, H]
  head: Matrix; // [V, H]; the same object as embed where the head is tied
  norm: F32; // [H]
  layers: LayerWeights[];
}

export interface LayerWeights {
  inputNorm: F32; // [H]
  q: Matrix; // [Hq * D, H]
  k: Matrix; // [Hkv * D, H]
  v: Matrix; // [Hkv * D, H]
  o: Matrix; // [H, Hq * D]
  qBias: F32 | null;
  kBias: F32 | null;
  vBias: F32 | null;
  oBias: F32 | null;
  qNorm: F32 | null; // [D]
  kNorm: F32 | null; // [D]
  postNorm: F32; // [H]
  gate: Matrix; // [I, H]
  up: Matrix; // [I, H]
  down: Matrix; // [H, I]
  gateBias: F32 | null;
  upBias: F32 | null;
  downBias: F32 | null;
  /** DMS gate of its own: norm of the residual stream, then [Hkv, H] in float32. */
  alpha: { norm: F32; proj: Matrix; bias: F32 | null } | null;
  /**
   * Borrowed gate where `q` was rounded below the checkpoint's own type: the carrying
   * heads' rows in float32, [Hkv * D, H].
   */
  borrowed: { q: Matrix; bias: F32 | null } | null;
  /**
   * KVzap probe of the attention's input, its sign turned so that high means evict: [Hkv,
   * H], or [Hkv, inner] after [inner, H].
   */
  probe: { inner: Matrix | null; innerBias: F32 | null; out: Matrix; outBias: F32 | null } | null;
}
