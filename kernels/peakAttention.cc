// The greatest part that queries of a document give each key (KVzip's scores), by the log-sum-exp that attention left.
#include "softTile.h"

namespace HT_NS {

static float normOf(const float* x, int count) {
  F16 squares = splat(0);
  int i = 0;
  for (; i + 16 <= count; i += 16) squares = fma(load(x + i), load(x + i), squares);
  float total = sum(squares);
  for (; i < count; i++) total += x[i] * x[i];
  return sqrtf(total);
}

void peakAttention(const Call& c, const PeakAttentionArgs& a) {
  const int group = a.queryHeads / a.kvHeads;
  const float scale = 1 / sqrtf((float)a.dim);
  everywhere(c, a, nullptr, 0, [&](const Soft& s) {
    for (int h = s.head * group; h < (s.head + 1) * group; h++) {
      float* out = a.out + (size_t)s.row * a.queryHeads + h;
      for (int i = 0; i < s.rows; i++) out[(size_t)i * a.queryHeads] = -1e30f;
      for (int first = s.from; first < s.rows; first += Q) {
        const int count = least(Q, s.rows - first);
        bringQueries(s, a.q, h, first, count, scale, s.queries, s.queriesAcross);
        float less[Q];
        for (int i = 0; i < Q; i++) {
          const size_t row = (size_t)(s.row + first + i);
          less[i] = i < count ? a.lse[row * a.queryHeads + h] : INFINITY;
          if (a.states && i < count) less[i] += logf(normOf(a.states + row * a.width, a.width));
        }
        for (int key = 0; key < first + count; key += A) {
          F16 x[A][2];
          scoreTile(s, key, first, x);
          for (int r = 0; r < A && key + r < s.rows; r++) {
            float* at = out + (size_t)(key + r) * a.queryHeads;
            const float peak = most(larger(x[r][0] - load(less), x[r][1] - load(less + 16)));
            if (peak > *at) *at = peak;
          }
        }
      }
    }
  });
}

}  // namespace HT_NS
