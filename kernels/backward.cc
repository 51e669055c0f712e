// Operations on rows, run backward: norm, swiglu, GELU, borrow, decide. (rope: rope.cc)
#include "sumRows.h"
#include "table.h"

namespace HT_NS {

void normBack(const Call& c, const NormBackArgs& a) {
  const int dim = a.dim, whole = dim / 16 * 16;
  sumOverRows(c, a.dweight, a.rows, dim, [&](float* sums, int row) __attribute__((always_inline)) {
    const float *x = a.x + (size_t)row * dim, *dout = a.dout + (size_t)row * dim;
    float* dx = a.dx + (size_t)row * dim;
    F16 squares = splat(0), along = splat(0);
    for (int i = 0; i < whole; i += 16) {
      const F16 xi = load(x + i);
      squares = fma(xi, xi, squares);
      along = fma(load(dout + i) * load(a.weight + i), xi, along);
    }
    float total = sum(squares), dot = sum(along);
    for (int i = whole; i < dim; i++) {
      total += x[i] * x[i];
      dot += dout[i] * a.weight[i] * x[i];
    }
    const float scale = 1 / sqrtf(total / (float)dim + a.eps), back = dot * scale * scale / (float)dim;
    for (int i = 0; i < whole; i += 16) {
      const F16 xi = load(x + i), d = load(dout + i);
      store(sums + i, fma(d * xi, splat(scale), load(sums + i)));
      F16 g = (d * load(a.weight + i) - xi * splat(back)) * splat(scale);
      if (a.add) g = g + load(dx + i);
      store(dx + i, g);
    }
    for (int i = whole; i < dim; i++) {
      const float d = dout[i];
      sums[i] += d * x[i] * scale;
      const float g = (d * a.weight[i] - x[i] * back) * scale;
      dx[i] = a.add ? dx[i] + g : g;
    }
  });
}

void swigluBack(const Call& c, const SwigluBackArgs& a) {
  constexpr int BLOCK = 1024;
  const auto back = [](F16 d, F16 g, F16 u, F16& dg, F16& du) __attribute__((always_inline)) {
    HT_UNROLL for (int i = 0; i < NV; i++) {
      const V minus = -g.v[i];
      const V sigmoid = 1.0f / (1.0f + exp(minus > 88.0f ? splatV(88.0f) : minus));
      du.v[i] = d.v[i] * g.v[i] * sigmoid;
      dg.v[i] = d.v[i] * u.v[i] * sigmoid * (1.0f + g.v[i] * (1.0f - sigmoid));
    }
  };
  HT_TASKS(c, t, (a.count + BLOCK - 1) / BLOCK) {
    const int end = least(a.count, (t + 1) * BLOCK);
    int i = t * BLOCK;
    for (; i + 16 <= end; i += 16) {
      F16 dg, du;
      back(load(a.dout + i), load(a.gate + i), load(a.up + i), dg, du);
      store(a.dgate + i, dg);
      store(a.dup + i, du);
    }
    if (i < end) {
      const size_t bytes = (size_t)(end - i) * 4;
      float d[16] = {}, g[16] = {}, u[16] = {};
      memcpy(d, a.dout + i, bytes);
      memcpy(g, a.gate + i, bytes);
      memcpy(u, a.up + i, bytes);
      F16 dg, du;
      back(load(d), load(g), load(u), dg, du);
      store(g, dg);
      store(u, du);
      memcpy(a.dgate + i, g, bytes);
      memcpy(a.dup + i, u, bytes);
    }
  }
}

void geluBack(const Call& c, const GeluBackArgs& a) {
  constexpr int BLOCK = 256;
  HT_TASKS(c, t, (a.count + BLOCK - 1) / BLOCK)
    for (int i = t * BLOCK; i < least(a.count, (t + 1) * BLOCK); i++) {
      const float x = a.x[i], density = 0.39894228f * expf(-0.5f * x * x);
      // Below zero 1 + erf would cancel.
      const float below = 0.5f * (x < 0 ? erfcf(-x * 0.70710678f) : 1 + erff(x * 0.70710678f));
      a.dx[i] = a.dout[i] * (below + x * density);
    }
}

void borrowBack(const Call& c, const BorrowBackArgs& a) {
  if (c.thread != 0) return;
  const int group = a.queryHeads / a.kvHeads;
  for (int r = 0; r < a.rows; r++)
    for (int h = 0; h < a.kvHeads; h++)
      a.dq[((size_t)r * a.queryHeads + h * group) * a.dim + a.dim - 1] = a.draw[(size_t)r * a.kvHeads + h];
}

void decideBack(const Call& c, const DecideBackArgs& a) {
  if (c.thread != 0) return;
  for (int r = 0; r < a.rows; r++) {
    const float* dz = a.dz + (size_t)r * a.kvHeads;
    float* draw = a.draw + (size_t)r * a.kvHeads;
    float sum = 0;
    for (int h = 0; h < a.kvHeads; h++) sum += dz[h];
    for (int h = 0; h < a.kvHeads; h++) draw[h] = a.scale * (a.perLayer ? (h == 0 ? sum : 0) : dz[h]);
  }
}

}  // namespace HT_NS
