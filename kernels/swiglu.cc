// silu(gate) * up, elementwise.
#include "table.h"
#include "words.h"

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

void swiglu(const Call& c, int) {
  float* out = floats(c, 0);
  const float* gate = floats(c, 1);
  const float* up = floats(c, 2);
  const int count = c.words[3];
  constexpr int BLOCK = 1024;
  HT_TASKS(c, t, (count + BLOCK - 1) / BLOCK) {
    const int end = least(count, (t + 1) * BLOCK);
    int i = t * BLOCK;
    for (; i + 16 <= end; i += 16) store(out + i, silu(load(gate + i)) * load(up + i));
    if (i < end) {
      float g[16] = {}, u[16] = {};
      memcpy(g, gate + i, (size_t)(end - i) * 4);
      memcpy(u, up + i, (size_t)(end - i) * 4);
      store(g, silu(load(g)) * load(u));
      memcpy(out + i, g, (size_t)(end - i) * 4);
    }
  }
}

}  // namespace HT_NS
