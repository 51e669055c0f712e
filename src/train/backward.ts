// One layer backward: `block` of model/forward.ts read from its end.
import type { Hidden, Pass } from "../device/device.ts";
import type { Workspace } from "../model/workspace.ts";
import type { Gradients } from "./gradients.ts";
import { linearBack, type Precision } from "./linear.ts";
import type { Parameter, Parameters } from "./parameters.ts";
import type { SoftAttention } from "./softAttention.ts";

export interface Layer {
  parameters: Parameters;
  l: number;
  rows: number;
  angles: Hidden; // [rows, D]
  gated: boolean; // gates took part in the forward pass
  precision: Precision;
}

/** g.x, the gradient of what the layer put out, becomes that of its input; gradients of parameters are added to. */
export function blockBack(pass: Pass, on: Layer, w: Workspace, g: Gradients, attention: SoftAttention): void {
  const { parameters, l, rows, angles } = on;
  const { config: c, weights } = parameters;
  const layer = weights.layers[l];
  const { queryHeads, kvHeads, headDim: dim } = c;
  const linear = (p: Parameter, bias: Hidden | null, dout: Hidden, x: Hidden, dx: Hidden | null, add: boolean) => {
    const learns = bias ? parameters.vector(bias) : null;
    linearBack(pass, p, learns, { dout, x, dx, add, rows, low: g.low }, on.precision);
  };
  const norm = (dx: Hidden, dout: Hidden, x: Hidden, weight: Hidden, many: number, width: number, add: boolean) => {
    const dweight = parameters.vector(weight).gradient;
    pass.normBack({ dx, dweight, dout, x, weight, rows: many, dim: width, eps: c.normEps, add });
  };

  linear(layer.down, layer.downBias, g.x, w.acted, g.acted, false);
  pass.swigluBack({ dgate: g.gate, dup: g.up, dout: g.acted, gate: w.gate, up: w.up, count: rows * c.intermediate });
  linear(layer.gate, layer.gateBias, g.gate, w.postNormed, g.normed, false);
  linear(layer.up, layer.upBias, g.up, w.postNormed, g.normed, true);
  norm(g.x, g.normed, w.middle, layer.postNorm, rows, c.hidden, true);

  linear(layer.o, layer.oBias, g.x, w.mixed, g.mixed, false);
  attention.back(pass, l, w, g);
  // A borrowed channel is 0 after RoPE and before it: no gradient passes either place.
  const blank = () => c.dms?.borrowed && pass.blank({ q: g.q, rows, queryHeads, kvHeads, dim });
  blank();
  pass.ropeBack({ dx: g.q, angles, rows, heads: queryHeads, dim });
  pass.ropeBack({ dx: g.k, angles, rows, heads: kvHeads, dim });
  blank();
  if (on.gated) gatesBack(pass, on, g);
  if (layer.qNorm) norm(g.q, g.q, w.rawQ, layer.qNorm, rows * queryHeads, dim, false);
  if (layer.kNorm) norm(g.k, g.k, w.rawK, layer.kNorm, rows * kvHeads, dim, false);
  linear(layer.q, layer.qBias, g.q, w.normed, g.normed, false);
  linear(layer.k, layer.kBias, g.k, w.normed, g.normed, true);
  linear(layer.v, layer.vBias, g.v, w.normed, g.normed, true);
  const alpha = on.gated ? layer.alpha : null;
  norm(g.x, g.normed, w.x, layer.inputNorm, rows, c.hidden, true);
  if (!alpha) return;
  linear(alpha.proj, alpha.bias, g.z, w.gateNormed, g.normed, false);
  norm(g.x, g.normed, w.x, alpha.norm, rows, c.hidden, true);
}

/** From decision logits to what they were decided by: the raw outputs of gates, or borrowed channels of the queries. */
function gatesBack(pass: Pass, { parameters: { config: c }, rows }: Layer, g: Gradients): void {
  const { queryHeads, kvHeads, headDim: dim } = c;
  const { scale, perLayer, borrowed } = c.dms!;
  pass.decideBack({ draw: g.z, dz: g.z, rows, kvHeads, scale, perLayer });
  if (borrowed) pass.borrowBack({ dq: g.q, draw: g.z, rows, queryHeads, kvHeads, dim });
}
