// Forward operations of rows.ts run backward.
import { erf } from "../../../base/erf.ts";
import type { Given } from "../given.ts";
import { rotate } from "../rows.ts";

export function normBack({ dx, dweight, dout, x, weight, rows, dim, eps, add }: Given<"normBack">): void {
  const weights = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    let [squares, along] = [0, 0];
    for (let c = 0; c < dim; c++) {
      squares += x[at + c] ** 2;
      along += dout[at + c] * weight[c] * x[at + c];
    }
    const scale = 1 / Math.sqrt(squares / dim + eps);
    for (let c = 0; c < dim; c++) {
      const d = dout[at + c];
      weights[c] += d * x[at + c] * scale;
      dx[at + c] = (add ? dx[at + c] : 0) + scale * (d * weight[c] - (x[at + c] * along * scale * scale) / dim);
    }
  }
  if (dweight) for (let c = 0; c < dim; c++) dweight[c] += weights[c];
}

export function ropeBack({ dx, ...by }: Given<"ropeBack">): void {
  rotate(dx, by, -1);
}

export function swigluBack({ dgate, dup, dout, gate, up, count }: Given<"swigluBack">): void {
  for (let i = 0; i < count; i++) {
    const sigmoid = 1 / (1 + Math.exp(-gate[i]));
    const d = dout[i];
    dup[i] = d * gate[i] * sigmoid;
    dgate[i] = d * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
  }
}

export function geluBack({ dx, dout, x, count }: Given<"geluBack">): void {
  for (let i = 0; i < count; i++) {
    const density = Math.exp((-x[i] * x[i]) / 2) / Math.sqrt(2 * Math.PI);
    dx[i] = dout[i] * ((1 + erf(x[i] / Math.SQRT2)) / 2 + x[i] * density);
  }
}

export function borrowBack({ dq, draw, rows, queryHeads, kvHeads, dim }: Given<"borrowBack">): void {
  const group = queryHeads / kvHeads;
  for (let r = 0; r < rows; r++)
    for (let h = 0; h < kvHeads; h++) dq[(r * queryHeads + h * group) * dim + dim - 1] = draw[r * kvHeads + h];
}

export function decideBack({ draw, dz, rows, kvHeads, scale, perLayer }: Given<"decideBack">): void {
  for (let r = 0; r < rows; r++) {
    const row = dz.slice(r * kvHeads, (r + 1) * kvHeads);
    const sum = row.reduce((total, d) => total + d, 0);
    for (let h = 0; h < kvHeads; h++) draw[r * kvHeads + h] = scale * (perLayer ? (h === 0 ? sum : 0) : row[h]);
  }
}
