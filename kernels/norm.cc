// RMS norm: x / sqrt(mean(x^2) + eps) * weight, a row a task.
#include "table.h"
#include "words.h"

namespace HT_NS {

void norm(const Call& c, int) {
  float* out = floats(c, 0);
  const float* x = floats(c, 1);
  const float* weight = floats(c, 2);
  const int rows = c.words[3], dim = c.words[4];
  const float eps = real(c, 5);
  // Heads are short rows (Qwen3 norms each of them): several to a task, or the counter costs more than the work.
  const int each = dim >= 512 ? 1 : 512 / dim;
  HT_TASKS(c, t, (rows + each - 1) / each) {
    for (int r = t * each; r < least(rows, (t + 1) * each); r++) {
      const float* from = x + (size_t)r * dim;
      float* to = out + (size_t)r * dim;
      F16 squares = splat(0);
      int i = 0;
      for (; i + 16 <= dim; i += 16) squares = fma(load(from + i), load(from + i), squares);
      float total = sum(squares);
      for (; i < dim; i++) total += from[i] * from[i];
      const float scale = 1 / sqrtf(total / (float)dim + eps);
      for (i = 0; i + 16 <= dim; i += 16) store(to + i, load(from + i) * splat(scale) * load(weight + i));
      for (; i < dim; i++) to[i] = from[i] * scale * weight[i];
    }
  }
}

}  // namespace HT_NS
