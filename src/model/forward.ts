import type { F32, Hidden, I32, Labels, Lanes, Pass, Sampled, Samplers, Scores, Work } from "../device/device.ts";
import type { Policy } from "../policy/policy.ts";
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
  discard: Hidden; // [rows, Hq, D] attention output that only its scores were wanted of
  carrier: Hidden; // [rows, Hkv, D] float32 query heads that carry a borrowed gate
  z: Hidden[]; // per layer [rows, Hkv] decision logits
  gate: Hidden; // [rows, I]
  up: Hidden; // [rows, I]
  angles: Hidden; // [rows, D]
  frequencies: F32; // [D / 2]
  picked: Hidden; // [logitRows, H]
  logits: Hidden; // [logitRows, V]
  scores: Scores | null; // for policies that watch weights
}

/** What one pass computes, as the plan laid it out. */
export interface Batch {
  rows: number;
  ids: I32; // [rows]
  positions: I32; // [rows]
  forks: Work;
  chunks: Work; // prompt chunks: prefill attention
  steps: Work[]; // decode attention, in order; each list names a set at most once
  prompts: Work; // last tokens of prompts that end in this pass, as steps
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
  lanes: Lanes,
  policy: Policy,
  samplers: Samplers,
  sampled: Sampled,
): void {
  const { rows } = batch;
  if (batch.forks.count) pass.fork(lanes, batch.forks);
  pass.embed(w.x, weights.embed, batch.ids, rows);
  pass.angles(w.angles, batch.positions, w.frequencies, rows);
  weights.layers.forEach((layer, l) => {
    pass.norm(w.normed, w.x, layer.inputNorm, rows, c.hidden, c.normEps);
    project(pass, c, layer, w, rows);
    const labels = gates(pass, c, layer, w, rows, l, policy);
    attention(pass, batch, w, lanes, l, labels, policy);
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
 * Decision logits (dms.md 3.2) and RoPE. A borrowed channel is cut out of the query before and after the rotation whatever the
 * policy, as the model was trained so; the carrying heads come from float32 rows where the query weights were rounded.
 */
function gates(
  pass: Pass,
  c: ModelConfig,
  layer: LayerWeights,
  w: Workspace,
  rows: number,
  l: number,
  policy: Policy,
): Labels | null {
  const { dms } = c;
  const z = w.z[l];
  const wanted = dms !== null && policy.watches === "gate";
  if (dms?.borrowed) {
    pass.borrow(z, w.q, rows, c.queryHeads, c.kvHeads, c.headDim);
    if (wanted && layer.borrowed) {
      pass.matmul(w.carrier, w.normed, layer.borrowed.q, rows, layer.borrowed.bias, false);
      if (layer.qNorm) pass.norm(w.carrier, w.carrier, layer.qNorm, rows * c.kvHeads, c.headDim, c.normEps);
      pass.borrow(z, w.carrier, rows, c.kvHeads, c.kvHeads, c.headDim);
    }
  } else if (wanted && layer.alpha) {
    pass.norm(w.normed, w.x, layer.alpha.norm, rows, c.hidden, c.normEps);
    pass.matmul(z, w.normed, layer.alpha.proj, rows, layer.alpha.bias, false);
  }
  pass.rope(w.q, w.angles, rows, c.queryHeads, c.headDim);
  pass.rope(w.k, w.angles, rows, c.kvHeads, c.headDim);
  if (dms?.borrowed) pass.blank(w.q, rows, c.queryHeads, c.kvHeads, c.headDim);
  if (!wanted || !policy.labels) return null;
  pass.gate(z, z, rows, c.kvHeads, dms.scale, dms.offset, dms.perLayer);
  return { z, shift: dms.shift, ...policy.labels };
}

function attention(
  pass: Pass,
  batch: Batch,
  w: Workspace,
  lanes: Lanes,
  l: number,
  labels: Labels | null,
  policy: Policy,
): void {
  if (batch.chunks.count) {
    pass.attendChunk(w.mixed, w.q, w.k, w.v, lanes, l, batch.chunks, labels);
    pass.admitChunk(w.k, w.v, lanes, l, batch.chunks, labels);
  }
  for (const steps of batch.steps) {
    pass.admit(w.k, w.v, lanes, l, steps, labels);
    pass.attend(w.mixed, w.q, lanes, l, steps, w.scores);
    if (policy.cut && w.scores) policy.cut({ pass, lanes, layer: l, steps, scores: w.scores });
  }
  if (batch.prompts.count && policy.cut && w.scores) {
    // Only the scores are wanted: this row's output was computed by attendChunk, and attend over the same keys gives it again.
    pass.attend(w.discard, w.q, lanes, l, batch.prompts, w.scores);
    policy.cut({ pass, lanes, layer: l, steps: batch.prompts, scores: w.scores });
  }
}
