// Rotary positions: the angles of a pass once, then the rotation of every head.
#include "table.h"

namespace HT_NS {

void angles(const Call& c, const AnglesArgs& a) {
  const int half = a.half;
  HT_TASKS(c, r, a.rows) {
    for (int j = 0; j < half; j++) {
      const float angle = (float)a.positions[r] * a.frequencies[j];
      a.out[(size_t)r * 2 * half + j] = (float)::cos((double)angle);
      a.out[(size_t)r * 2 * half + half + j] = (float)::sin((double)angle);
    }
  }
}

void rope(const Call& c, const RopeArgs& a) {
  const int dim = a.dim, half = dim / 2;
  HT_TASKS(c, r, a.rows) {
    const float* cos = a.angles + (size_t)r * dim;
    const float* sin = cos + half;
    for (int h = 0; h < a.heads; h++) {
      float* x = a.x + ((size_t)r * a.heads + h) * dim;
      float* y = x + half;
      int j = 0;
      for (; j + 16 <= half; j += 16) {
        const F16 p = load(x + j), q = load(y + j), co = load(cos + j), si = load(sin + j);
        store(x + j, p * co - q * si);
        store(y + j, q * co + p * si);
      }
      for (; j < half; j++) {
        const float p = x[j], q = y[j];
        x[j] = p * cos[j] - q * sin[j];
        y[j] = q * cos[j] + p * sin[j];
      }
    }
  }
}

}  // namespace HT_NS
