// Elementwise: silu(gate) * up, GELU.
#include "table.h"

namespace HT_NS {

HT_INLINE F16 silu(F16 x) {
  F16 e;
  HT_UNROLL for (int i = 0; i < NV; i++) {
    V minus = -x.v[i];
    e.v[i] = exp(minus > 88.0f ? splatV(88.0f) : minus);
    e.v[i] = x.v[i] / (1.0f + e.v[i]);
  }
  return e;
}

void swiglu(const Call& c, const SwigluArgs& a) {
  constexpr int BLOCK = 1024;
  HT_TASKS(c, t, (a.count + BLOCK - 1) / BLOCK) {
    const int end = least(a.count, (t + 1) * BLOCK);
    int i = t * BLOCK;
    for (; i + 16 <= end; i += 16) store(a.out + i, silu(load(a.gate + i)) * load(a.up + i));
    if (i < end) {
      float g[16] = {}, u[16] = {};
      memcpy(g, a.gate + i, (size_t)(end - i) * 4);
      memcpy(u, a.up + i, (size_t)(end - i) * 4);
      store(g, silu(load(g)) * load(u));
      memcpy(a.out + i, g, (size_t)(end - i) * 4);
    }
  }
}

void gelu(const Call& c, const GeluArgs& a) {
  constexpr int BLOCK = 256;
  HT_TASKS(c, t, (a.count + BLOCK - 1) / BLOCK)
    for (int i = t * BLOCK; i < least(a.count, (t + 1) * BLOCK); i++) {
      const float x = a.x[i];
      // Below zero 1 + erf would cancel.
      a.x[i] = 0.5f * x * (x < 0 ? erfcf(-x * 0.70710678f) : 1 + erff(x * 0.70710678f));
    }
}

}  // namespace HT_NS
