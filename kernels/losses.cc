// Losses of rows of logits, which become their gradients; rows are tasks.
#include "table.h"

namespace HT_NS {

constexpr float NOTHING = -INFINITY;

/** Calls act(vector, index, count) on 16 numbers a time, the last ones filled up with `pad`. */
template <class Act>
HT_INLINE void over(const float* x, int n, float pad, const Act& act) {
  int i = 0;
  for (; i + 16 <= n; i += 16) act(load(x + i), i, 16);
  if (i < n) {
    float t[16];
    for (int j = 0; j < 16; j++) t[j] = i + j < n ? x[i + j] : pad;
    act(load(t), i, n - i);
  }
}
HT_INLINE void put(float* to, F16 x, int count) {
  if (count == 16) return store(to, x);
  float t[16];
  store(t, x);
  memcpy(to, t, (size_t)count * 4);
}
HT_INLINE F16 some(const float* x, int count) {
  if (count == 16) return load(x);
  float t[16] = {};
  memcpy(t, x, (size_t)count * 4);
  return load(t);
}

/** log of the sum of e^x. */
static float logSum(const float* x, int n) {
  F16 most16 = splat(NOTHING);
  over(x, n, NOTHING, [&](F16 v, int, int) __attribute__((always_inline)) { most16 = larger(most16, v); });
  const float m = most(most16);
  double total = 0;
  F16 sums = splat(0);
  over(x, n, NOTHING, [&](F16 v, int i, int) __attribute__((always_inline)) {
    sums = sums + exp(v - splat(m));
    if (i % 1024 == 1008) {
      total += (double)sum(sums);
      sums = splat(0);
    }
  });
  return m + (float)log(total + (double)sum(sums));
}

void distill(const Call& c, const DistillArgs& a) {
  const int n = a.vocabulary;
  HT_TASKS(c, r, a.rows) {
    float* own = a.logits + (size_t)r * n;
    const float* its = a.teacher + (size_t)r * n;
    const float weight = a.weights[r];
    a.losses[r] = 0;
    if (weight == 0) {
      memset(own, 0, (size_t)n * 4);
      continue;
    }
    const float ownLog = logSum(own, n), itsLog = logSum(its, n);
    const bool reverse = a.direction == Direction::reverse;
    double loss = 0;
    over(own, n, ownLog - 200, [&](F16 x, int i, int count) __attribute__((always_inline)) {
      const F16 lo = x - splat(ownLog), li = some(its + i, count) - splat(itsLog);
      F16 term = reverse ? exp(lo) * (lo - li) : exp(li) * (li - lo);
      if (count < 16) {
        float t[16];
        store(t, term);
        for (int j = count; j < 16; j++) t[j] = 0;
        term = load(t);
      }
      loss += (double)sum(term);
    });
    a.losses[r] = (float)loss;
    const F16 w = splat(weight), l = splat((float)loss);
    over(own, n, 0, [&](F16 x, int i, int count) __attribute__((always_inline)) {
      const F16 lo = x - splat(ownLog), li = some(its + i, count) - splat(itsLog);
      put(own + i, reverse ? w * exp(lo) * (lo - li - l) : w * (exp(lo) - exp(li)), count);
    });
  }
}

void predict(const Call& c, const PredictArgs& a) {
  const int n = a.vocabulary;
  HT_TASKS(c, r, a.rows) {
    float* own = a.logits + (size_t)r * n;
    const float weight = a.weights[r];
    a.losses[r] = 0;
    if (weight == 0) {
      memset(own, 0, (size_t)n * 4);
      continue;
    }
    const int target = a.targets[r];
    if (target < 0 || target >= n) {
      fail(c.fault, "predict: expected a target below %d for row %d, got %d", n, r, target);
      continue;
    }
    const float log = logSum(own, n);
    a.losses[r] = log - own[target];
    const F16 w = splat(weight);
    over(own, n, 0, [&](F16 x, int i, int count) __attribute__((always_inline)) {
      put(own + i, w * exp(x - splat(log)), count);
    });
    own[target] -= weight;
  }
}

}  // namespace HT_NS
