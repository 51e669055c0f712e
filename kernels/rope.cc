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

/** Turns the halves of each head by the angles, or back by them. */
template <bool BACK>
static void rotate(const Call& c, float* heads, const float* angles, int rows, int count, int dim) {
  const int half = dim / 2;
  HT_TASKS(c, r, rows) {
    const float* cos = angles + (size_t)r * dim;
    const float* sin = cos + half;
    for (int h = 0; h < count; h++) {
      float* x = heads + ((size_t)r * count + h) * dim;
      float* y = x + half;
      int j = 0;
      for (; j + 16 <= half; j += 16) {
        const F16 p = load(x + j), q = load(y + j), co = load(cos + j), si = load(sin + j);
        store(x + j, BACK ? p * co + q * si : p * co - q * si);
        store(y + j, BACK ? q * co - p * si : q * co + p * si);
      }
      for (; j < half; j++) {
        const float p = x[j], q = y[j], turned = BACK ? -sin[j] : sin[j];
        x[j] = p * cos[j] - q * turned;
        y[j] = q * cos[j] + p * turned;
      }
    }
  }
}

void rope(const Call& c, const RopeArgs& a) { rotate<false>(c, a.x, a.angles, a.rows, a.heads, a.dim); }
void ropeBack(const Call& c, const RopeBackArgs& a) { rotate<true>(c, a.dx, a.angles, a.rows, a.heads, a.dim); }

}  // namespace HT_NS
