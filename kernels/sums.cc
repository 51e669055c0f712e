// Sums and elementwise steps of training.
#include "sums.h"

#include "sumRows.h"
#include "table.h"

namespace HT_NS {

constexpr int BLOCK = 4096;  // numbers a task

/** act(i) on 16 numbers from i on, one(i) on the rest. */
template <class Many, class One>
HT_INLINE void sweep(const Call& c, int count, const Many& many, const One& one) {
  HT_TASKS(c, t, (int)(((int64_t)count + BLOCK - 1) / BLOCK)) {
    const int64_t from = (int64_t)t * BLOCK, end = from + BLOCK < count ? from + BLOCK : count;
    int64_t i = from;
    for (; i + 16 <= end; i += 16) many(i);
    for (; i < end; i++) one(i);
  }
}

void blend(const Call& c, const BlendArgs& a) {
  const F16 own = splat(a.own), other = splat(a.other);
  const bool fresh = a.own == 0, zero = a.other == 0;  // a factor of 0 makes 0 of everything
  sweep(
      c, a.count,
      [&](int64_t i) __attribute__((always_inline)) {
        const F16 x = zero ? splat(0) : load(a.x + i) * other;
        store(a.out + i, fresh ? x : fma(load(a.out + i), own, x));
      },
      [&](int64_t i) __attribute__((always_inline)) {
        const float x = zero ? 0 : a.x[i] * a.other;
        a.out[i] = fresh ? x : fmaf(a.out[i], a.own, x);
      });
}

void adamw(const Call& c, const AdamwArgs& a) {
  const float first = 1 / a.first, other = 1 / a.other;
  const auto step = [&](float& x, float g, float& m, float& v) __attribute__((always_inline)) {
    g *= a.scale;
    m = a.beta1 * m + (1 - a.beta1) * g;
    v = a.beta2 * v + (1 - a.beta2) * g * g;
    x -= a.rate * (m * first / (sqrtf(v * other) + a.eps) + a.decay * x);
  };
  HT_TASKS(c, t, (int)(((int64_t)a.count + BLOCK - 1) / BLOCK)) {
    const int64_t from = (int64_t)t * BLOCK, end = from + BLOCK < a.count ? from + BLOCK : a.count;
    // The compiler makes vectors of it; each number is its own.
    for (int64_t i = from; i < end; i++) step(a.x[i], a.gradient[i], a.moment[i], a.second[i]);
  }
}

void scatter(const Call& c, const ScatterArgs& a) {
  // Rows may meet in one place, so threads take columns.
  constexpr int COLS = 32;
  HT_TASKS(c, t, (a.dim + COLS - 1) / COLS) {
    const int from = t * COLS, end = least(a.dim, from + COLS);
    for (int i = 0; i < a.count; i++) {
      float* out = a.out + (size_t)a.index[i] * a.dim;
      const float* x = a.x + (size_t)i * a.dim;
      for (int d = from; d < end; d++) out[d] += x[d];
    }
  }
}

void sumRows(const Call& c, const SumRowsArgs& a) {
  const size_t dim = (size_t)a.dim;
  sumOverRows(c, a.out, a.rows, a.dim, [&](float* sums, int row) __attribute__((always_inline)) {
    const float* x = a.x + (size_t)row * dim;
    for (size_t d = 0; d < dim; d++) sums[d] += x[d];
  });
}

/** Partial sums of squares, in parts that do not depend on threads; all threads return their total. */
static double sumSquares(const Call& c, const float* x, int count) {
  const int parts = squaresParts(count);
  double* sums = (double*)c.scratch;
  HT_TASKS(c, p, parts) {
    const int64_t from = (int64_t)p * SQUARES, end = from + SQUARES < count ? from + SQUARES : count;
    double sum = 0;
    for (int64_t i = from; i < end;) {
      F16 some = splat(0);
      const int64_t stop = i + 1024 < end ? i + 1024 : end;
      for (; i + 16 <= stop; i += 16) some = fma(load(x + i), load(x + i), some);
      sum += (double)HT_NS::sum(some);
      for (; i < stop; i++) sum += (double)x[i] * (double)x[i];
    }
    sums[p] = sum;
  }
  teamMeet(c.team);
  double total = 0;
  for (int p = 0; p < parts; p++) total += sums[p];
  return total;
}

void squares(const Call& c, const SquaresArgs& a) {
  const double total = sumSquares(c, a.x, a.count);
  if (c.thread == 0) a.out[a.at] = (float)total;
}

void unit(const Call& c, const UnitArgs& a) {
  const double norm = sqrt(sumSquares(c, a.x, a.count));
  const float scale = 1 / (norm > (double)a.least ? (float)norm : a.least);
  sweep(
      c, a.count, [&](int64_t i) __attribute__((always_inline)) { store(a.x + i, load(a.x + i) * splat(scale)); },
      [&](int64_t i) __attribute__((always_inline)) { a.x[i] *= scale; });
}

}  // namespace HT_NS
