import type { F32, Hidden, I32, Labels, Lanes, Pass, Sampled, Samplers, Work } from "../device/device.ts";
import type { Policy } from "../policy/policy.ts";
import { attention, type Side } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerWeights, Weights } from "./weights.ts";

/** Activations of a pass, sized for `rows` tokens and `logitRows` rows of logits. */
export interface Workspace {
  x: Hidden; // [rows, H] residual stream
  normed: Hidden; // [rows, H]
  q: Hidden; // [rows, Hq, D]
  k: Hidden; // [rows, Hkv, D]
  v: Hidden; // [rows, Hkv, D]
  mixed: Hidden; // [rows, Hq, D] attention output
  q2: Hidden; // [rows, Hq, D] second copy of the queries, for positions in the cache
  carrier: Hidden; // [rows, Hkv, D] float32 query heads that carry a borrowed gate
  z: Hidden[]; // per layer [rows, Hkv] decision logits, or a probe's scores
  inner: Hidden; // [rows, inner] hidden layer of a probe
  gate: Hidden; // [rows, I]
  up: Hidden; // [rows, I]
  angles: Hidden; // [rows, D]
  angles2: Hidden; // [rows, D] of positions in the cache
  frequencies: F32; // [D / 2]
  picked: Hidden; // [logitRows, H]
  logits: Hidden; // [logitRows, V]
}

/** What one pass computes, as the plan laid it out. */
export interface Batch {
  rows: number;
  ids: I32; // [rows]
  positions: I32; // [rows]
  places: I32; // [rows] positions in the cache, where the policy reads by them
  self: I32; // [rows] 0, 1, 2 ...
  free: I32; // [rows] 1 where the row's gate may label a key
  forks: Work;
  chunks: Work; // prompt chunks: prefill attention
  steps: Work[]; // decode attention, in order; each list names a set at most once
  cuts: Work[]; // of each of `steps`: those after which the policy cuts
  replays: Work; // chunks that replay a prompt for KVzip, besides being chunks
  logitRows: I32;
  logitCount: number;
  samples: Work;
}

export interface Model {
  config: ModelConfig;
  weights: Weights;
}

/** Records one pass of the transformer: the only place where its order of operations is written. */
export function forward(
  pass: Pass,
  { config: c, weights }: Model,
  batch: Batch,
  w: Workspace,
  side: Side,
  lanes: Lanes,
  policy: Policy,
  samplers: Samplers,
  sampled: Sampled,
): void {
  const { rows } = batch;
  const decodes = policy.cut?.decode ? side : null; // a policy that cuts once has no use for what it watched
  if (batch.forks.count) pass.fork(lanes, batch.forks, decodes?.board ?? null, decodes?.ring ?? null, null);
  pass.embed(w.x, weights.embed, batch.ids, rows);
  pass.angles(w.angles, batch.positions, w.frequencies, rows);
  const inCache = policy.reads !== null && policy.reads.archivePosition !== null;
  if (inCache) pass.angles(w.angles2, batch.places, w.frequencies, rows);
  weights.layers.forEach((layer, l) => {
    pass.norm(w.normed, w.x, layer.inputNorm, rows, c.hidden, c.normEps);
    project(pass, c, layer, w, rows);
    if (side.moments && batch.chunks.count) pass.gather(side.moments, w.q, lanes, l, batch.chunks);
    const labels = gates(pass, c, layer, w, batch, l, policy);
    if (inCache) {
      pass.pick(w.q2, w.q, batch.self, rows, c.queryHeads * c.headDim);
      pass.rope(w.q2, w.angles2, rows, c.queryHeads, c.headDim);
    }
    pass.rope(w.q, w.angles, rows, c.queryHeads, c.headDim);
    pass.rope(w.k, w.angles, rows, c.kvHeads, c.headDim);
    if (c.dms?.borrowed)
      for (const q of inCache ? [w.q, w.q2] : [w.q]) pass.blank(q, rows, c.queryHeads, c.kvHeads, c.headDim);
    attention(pass, batch, w, side, lanes, l, labels, c.dms?.shift ?? 0, policy);
    pass.matmul(w.x, w.mixed, layer.o, rows, layer.oBias, true);
    pass.norm(w.normed, w.x, layer.postNorm, rows, c.hidden, c.normEps);
    pass.matmul(w.gate, w.normed, layer.gate, rows, layer.gateBias, false);
    pass.matmul(w.up, w.normed, layer.up, rows, layer.upBias, false);
    pass.swiglu(w.gate, w.gate, w.up, rows * c.intermediate);
    pass.matmul(w.x, w.gate, layer.down, rows, layer.downBias, true);
  });
  if (batch.logitCount === 0) return;
  pass.pick(w.picked, w.x, batch.logitRows, batch.logitCount, c.hidden);
  pass.norm(w.picked, w.picked, weights.norm, batch.logitCount, c.hidden, c.normEps);
  pass.matmul(w.logits, w.picked, weights.head, batch.logitCount, null, false);
  if (batch.samples.count) pass.sample(sampled, w.logits, c.vocabulary, samplers, batch.samples);
}

/** Queries, keys and values up to head norms, before RoPE. */
function project(pass: Pass, c: ModelConfig, layer: LayerWeights, w: Workspace, rows: number): void {
  pass.matmul(w.q, w.normed, layer.q, rows, layer.qBias, false);
  pass.matmul(w.k, w.normed, layer.k, rows, layer.kBias, false);
  pass.matmul(w.v, w.normed, layer.v, rows, layer.vBias, false);
  if (layer.qNorm) pass.norm(w.q, w.q, layer.qNorm, rows * c.queryHeads, c.headDim, c.normEps);
  if (layer.kNorm) pass.norm(w.k, w.k, layer.kNorm, rows * c.kvHeads, c.headDim, c.normEps);
}

/**
 * Decision logits (dms.md 3.2), or a KVzap probe's, before RoPE. A borrowed channel is cut out of the query before and after the
 * rotation whatever the policy, as the model was trained so; the carrying heads come from float32 rows where the query weights
 * were rounded.
 */
function gates(
  pass: Pass,
  c: ModelConfig,
  layer: LayerWeights,
  w: Workspace,
  batch: Batch,
  l: number,
  policy: Policy,
): Labels | null {
  const { dms } = c;
  const { rows } = batch;
  const z = w.z[l];
  const source = policy.labels?.source ?? null;
  const wanted = dms !== null && (source === "dms" || policy.cut?.watch.gates === true);
  if (source === "probe" && layer.probe) probe(pass, layer.probe, w, rows, z);
  if (dms?.borrowed) {
    pass.borrow(wanted ? z : w.carrier, w.q, rows, c.queryHeads, c.kvHeads, c.headDim);
    if (wanted && layer.borrowed) {
      pass.matmul(w.carrier, w.normed, layer.borrowed.q, rows, layer.borrowed.bias, false);
      if (layer.qNorm) pass.norm(w.carrier, w.carrier, layer.qNorm, rows * c.kvHeads, c.headDim, c.normEps);
      pass.borrow(z, w.carrier, rows, c.kvHeads, c.kvHeads, c.headDim);
    }
  } else if (wanted && layer.alpha) {
    pass.norm(w.normed, w.x, layer.alpha.norm, rows, c.hidden, c.normEps);
    pass.matmul(z, w.normed, layer.alpha.proj, rows, layer.alpha.bias, false);
  }
  if (wanted) pass.gate(z, z, rows, c.kvHeads, dms.scale, dms.offset, dms.perLayer);
  if (!policy.labels) return null;
  const { threshold, window, spare } = policy.labels;
  if (source === "all" || spare !== 0) pass.mark(z, batch.free, rows, c.kvHeads, source === "all");
  return { z, shift: source === "dms" && dms ? dms.shift : 0, threshold, window };
}

/** KVzap: a linear map of the attention's input, or two with a GELU between. */
function probe(pass: Pass, p: NonNullable<LayerWeights["probe"]>, w: Workspace, rows: number, z: Hidden): void {
  const { inner } = p;
  if (inner) {
    pass.matmul(w.inner, w.normed, inner, rows, p.innerBias, false);
    pass.gelu(w.inner, rows * inner.rows);
  }
  pass.matmul(z, inner ? w.inner : w.normed, p.out, rows, p.outBias, false);
}
