// RMS norm: x / sqrt(mean(x^2) + eps) * weight; rows are tasks.
#include "table.h"

namespace HT_NS {

void norm(const Call& c, const NormArgs& a) {
  const int dim = a.dim;
  // Heads are short rows (Qwen3 norms each of them): several to a task, or the counter costs more than the work.
  const int each = dim >= 512 ? 1 : 512 / dim;
  HT_TASKS(c, t, (a.rows + each - 1) / each) {
    for (int r = t * each; r < least(a.rows, (t + 1) * each); r++) {
      const float* from = a.x + (size_t)r * dim;
      float* to = a.out + (size_t)r * dim;
      F16 squares = splat(0);
      int i = 0;
      for (; i + 16 <= dim; i += 16) squares = fma(load(from + i), load(from + i), squares);
      float total = sum(squares);
      for (; i < dim; i++) total += from[i] * from[i];
      const float scale = 1 / sqrtf(total / (float)dim + a.eps);
      for (i = 0; i + 16 <= dim; i += 16) store(to + i, load(from + i) * splat(scale) * load(a.weight + i));
      for (; i < dim; i++) to[i] = from[i] * scale * a.weight[i];
    }
  }
}

}  // namespace HT_NS
