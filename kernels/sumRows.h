// Column sums over rows, in SUM_PARTS parts of neighbouring rows, so that bits do not depend on threads.
#pragma once
#include "isa.h"
#include "sums.h"

namespace HT_NS {

/**
 * out[d] += what `add(sums, row)` adds to sums[d], over all rows; `out` may be null. All threads; scratch of
 * sumRowsBytes.
 */
template <class Add>
HT_INLINE void sumOverRows(const Call& c, float* out, int rows, int dim, const Add& add) {
  float* parts = (float*)c.scratch;
  const int each = (rows + SUM_PARTS - 1) / SUM_PARTS;
  HT_TASKS(c, p, SUM_PARTS) {
    float* sums = parts + (size_t)p * dim;
    memset(sums, 0, (size_t)dim * 4);
    for (int r = p * each; r < least(rows, (p + 1) * each); r++) add(sums, r);
  }
  teamMeet(c.team);
  if (!out) return;
  constexpr int COLS = 64;
  HT_TASKS(c, t, (dim + COLS - 1) / COLS)
    for (int d = t * COLS; d < least(dim, (t + 1) * COLS); d++) {
      float sum = 0;
      for (int p = 0; p < SUM_PARTS; p++) sum += parts[(size_t)p * dim + d];
      out[d] += sum;
    }
}

}  // namespace HT_NS
