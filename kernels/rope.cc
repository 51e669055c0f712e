// Rotary positions: the angles of a pass once, then the rotation of every head.
#include "table.h"
#include "words.h"

namespace HT_NS {

void angles(const Call& c, int) {
  float* out = floats(c, 0);
  const int32_t* positions = ints(c, 1);
  const float* frequencies = floats(c, 2);
  const int rows = c.words[3], half = c.words[4];
  HT_TASKS(c, r, rows) {
    for (int j = 0; j < half; j++) {
      const float angle = (float)positions[r] * frequencies[j];
      out[(size_t)r * 2 * half + j] = (float)::cos((double)angle);
      out[(size_t)r * 2 * half + half + j] = (float)::sin((double)angle);
    }
  }
}

void rope(const Call& c, int) {
  float* x = floats(c, 0);
  const float* turn = floats(c, 1);
  const int rows = c.words[2], heads = c.words[3], dim = c.words[4], half = dim / 2;
  HT_TASKS(c, r, rows) {
    const float* cos = turn + (size_t)r * dim;
    const float* sin = cos + half;
    for (int h = 0; h < heads; h++) {
      float* a = x + ((size_t)r * heads + h) * dim;
      float* b = a + half;
      int j = 0;
      for (; j + 16 <= half; j += 16) {
        const F16 p = load(a + j), q = load(b + j), co = load(cos + j), si = load(sin + j);
        store(a + j, p * co - q * si);
        store(b + j, q * co + p * si);
      }
      for (; j < half; j++) {
        const float p = a[j], q = b[j];
        a[j] = p * cos[j] - q * sin[j];
        b[j] = q * cos[j] + p * sin[j];
      }
    }
  }
}

}  // namespace HT_NS
