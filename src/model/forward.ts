import type { Hidden, I32, Matrix, Pass } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerWeights, Weights } from "./weights.ts";
import type { Activations, Workspace } from "./workspace.ts";

/** `M`, `V`: how matrices and vectors are held, where not as the device's own (in training: parameters). */
export interface Model<M = Matrix, V extends Hidden = Hidden> {
  config: ModelConfig;
  weights: Weights<M, V>;
}

/** A pass without the operations that read matrices. */
export type Body = Omit<Pass, "embed" | "matmul">;
/** A pass over matrices of kind `M`. */
export type Steps<M> = Body & {
  readonly embed: (args: Omit<Parameters<Pass["embed"]>[0], "table"> & { readonly table: M }) => void;
  readonly matmul: (args: Omit<Parameters<Pass["matmul"]>[0], "w"> & { readonly w: M }) => void;
};

/** The tokens of a pass, and what their gates are wanted for. */
export interface Tokens {
  rows: number;
  ids: I32; // [rows]
  positions: I32; // [rows]
  /** [rows] which keys their gates label, as `mark` reads it; null: no row's gate is looked at so. */
  marks: I32 | null;
  /** Decision logits of the model's DMS gates; scores of its probe. */
  wants: { gates: boolean; probe: boolean };
  /** [rows] positions in the cache, where some queries attend by them too; null: none do. */
  places: I32 | null;
  self: I32; // [rows] 0, 1, 2 ...
  logitRows: I32;
  logitCount: number;
}

/**
 * How the queries of a pass meet keys: over the paged cache (paged.ts), or in another way, such as densely under a soft
 * mask where gates are trained. Both functions record operations of one layer.
 */
export interface Attention {
  /** Sees queries and keys before RoPE. */
  before?(pass: Body, layer: number, w: Workspace): void;
  /** From q, k, v (rotated), z and q2 to `mixed`. */
  mix(pass: Body, layer: number, w: Workspace): void;
}

/** Records one pass of the transformer: the only place where its order of operations is written. */
export function forward<M>(
  pass: Steps<M>,
  model: Model<M>,
  tokens: Tokens,
  { layers, ends }: Activations,
  by: Attention,
): void {
  const { config: c, weights } = model;
  const { rows, ids, positions, places } = tokens;
  const half = c.headDim / 2;
  const { frequencies } = ends;
  pass.embed({ out: layers[0].x, table: weights.embed, ids, rows });
  pass.angles({ out: ends.angles, positions, frequencies, rows, half });
  if (places) pass.angles({ out: ends.angles2, positions: places, frequencies, rows, half });
  for (let l = 0; l < c.layers; l++) block(pass, model, l, tokens, { layers, ends }, by);
  const { logitCount: count, logitRows: index } = tokens;
  if (count === 0) return;
  const { picked, logits } = ends;
  pass.gather({ out: picked, x: ends.x, index, count, dim: c.hidden });
  pass.norm({ out: picked, x: picked, weight: weights.norm, rows: count, dim: c.hidden, eps: c.normEps });
  pass.matmul({ out: logits, x: picked, w: weights.head, rows: count, bias: null, add: false });
}

/** One layer: the residual stream goes to the next layer's workspace, in place where that is this one's. */
export function block<M>(
  pass: Steps<M>,
  { config: c, weights }: Model<M>,
  l: number,
  tokens: Tokens,
  { layers, ends }: Activations,
  by: Attention,
): void {
  const w = layers[l];
  const layer = weights.layers[l];
  const { rows } = tokens;
  const { queryHeads, kvHeads, headDim: dim } = c;
  const x = layers[l + 1]?.x ?? ends.x;
  pass.norm({ out: w.normed, x: w.x, weight: layer.inputNorm, rows, dim: c.hidden, eps: c.normEps });
  project(pass, c, layer, w, rows);
  by.before?.(pass, l, w);
  gates(pass, c, layer, w, tokens);
  if (tokens.places) {
    pass.gather({ out: w.q2, x: w.q, index: tokens.self, count: rows, dim: queryHeads * dim });
    pass.rope({ x: w.q2, angles: ends.angles2, rows, heads: queryHeads, dim });
  }
  pass.rope({ x: w.q, angles: ends.angles, rows, heads: queryHeads, dim });
  pass.rope({ x: w.k, angles: ends.angles, rows, heads: kvHeads, dim });
  if (c.dms?.borrowed)
    for (const q of tokens.places ? [w.q, w.q2] : [w.q]) pass.blank({ q, rows, queryHeads, kvHeads, dim });
  by.mix(pass, l, w);
  const copy = (out: Hidden, x: Hidden) => {
    if (out !== x) pass.gather({ out, x, index: tokens.self, count: rows, dim: c.hidden });
  };
  copy(w.middle, w.x);
  pass.matmul({ out: w.middle, x: w.mixed, w: layer.o, rows, bias: layer.oBias, add: true });
  const { postNormed } = w;
  pass.norm({ out: postNormed, x: w.middle, weight: layer.postNorm, rows, dim: c.hidden, eps: c.normEps });
  pass.matmul({ out: w.gate, x: postNormed, w: layer.gate, rows, bias: layer.gateBias, add: false });
  pass.matmul({ out: w.up, x: postNormed, w: layer.up, rows, bias: layer.upBias, add: false });
  pass.swiglu({ out: w.acted, gate: w.gate, up: w.up, count: rows * c.intermediate });
  copy(x, w.middle);
  pass.matmul({ out: x, x: w.acted, w: layer.down, rows, bias: layer.downBias, add: true });
}

/** Queries, keys and values up to head norms, before RoPE. */
function project<M>(pass: Steps<M>, c: ModelConfig, layer: LayerWeights<M, Hidden>, w: Workspace, rows: number): void {
  const x = w.normed;
  pass.matmul({ out: w.rawQ, x, w: layer.q, rows, bias: layer.qBias, add: false });
  pass.matmul({ out: w.rawK, x, w: layer.k, rows, bias: layer.kBias, add: false });
  pass.matmul({ out: w.v, x, w: layer.v, rows, bias: layer.vBias, add: false });
  const dim = c.headDim;
  const eps = c.normEps;
  if (layer.qNorm) pass.norm({ out: w.q, x: w.rawQ, weight: layer.qNorm, rows: rows * c.queryHeads, dim, eps });
  if (layer.kNorm) pass.norm({ out: w.k, x: w.rawK, weight: layer.kNorm, rows: rows * c.kvHeads, dim, eps });
}

/**
 * Decision logits (DMS) and a KVzap probe's scores, before RoPE. A borrowed channel is cut out of the query
 * before and after the rotation whatever is wanted, as the model was trained so; the carrying heads come from float32
 * rows where the query weights were rounded.
 */
function gates<M>(
  pass: Steps<M>,
  c: ModelConfig,
  layer: LayerWeights<M, Hidden>,
  w: Workspace,
  { rows, wants, marks }: Tokens,
): void {
  const { dms, kvHeads, queryHeads, headDim: dim, normEps: eps } = c;
  const { z, carrier } = w;
  if (wants.probe && layer.probe) probe(pass, layer.probe, w, rows);
  const wanted = dms !== null && wants.gates;
  if (dms?.borrowed) {
    pass.borrow({ raw: wanted ? z : carrier, q: w.q, rows, queryHeads, kvHeads, dim });
    if (wanted && layer.borrowed) {
      const { q, bias } = layer.borrowed;
      pass.matmul({ out: carrier, x: w.normed, w: q, rows, bias, add: false });
      if (layer.qNorm) pass.norm({ out: carrier, x: carrier, weight: layer.qNorm, rows: rows * kvHeads, dim, eps });
      pass.borrow({ raw: z, q: carrier, rows, queryHeads: kvHeads, kvHeads, dim });
    }
  } else if (wanted && layer.alpha) {
    pass.norm({ out: w.gateNormed, x: w.x, weight: layer.alpha.norm, rows, dim: c.hidden, eps });
    pass.matmul({ out: z, x: w.gateNormed, w: layer.alpha.proj, rows, bias: layer.alpha.bias, add: false });
  }
  if (wanted) {
    const { scale, offset, perLayer } = dms;
    pass.decide({ z, raw: z, rows, kvHeads, scale, offset, perLayer });
  }
  if (marks) pass.mark({ z, probed: wants.probe ? w.probed : null, marks, rows, kvHeads });
}

/** KVzap: a linear map of the attention's input, or two with a GELU between. */
function probe<M>(pass: Steps<M>, p: NonNullable<LayerWeights<M, Hidden>["probe"]>, w: Workspace, rows: number): void {
  const { inner } = p;
  if (inner) {
    pass.matmul({ out: w.inner, x: w.normed, w: inner, rows, bias: p.innerBias, add: false });
    pass.gelu({ x: w.inner, count: rows * p.width });
  }
  pass.matmul({ out: w.probed, x: inner ? w.inner : w.normed, w: p.out, rows, bias: p.outBias, add: false });
}
