// Scores by queries that are yet to come (expected attention).
#include "score.h"
#include "table.h"

namespace HT_NS {

/** Mean cosine and sine of the positions to come, channel pair `j` of an item. */
static void meanTurn(int future, float frequency, int newest, int j, int half, double* turn) {
  double cos = 0, sin = 0;
  for (int p = newest + 1; p < newest + 1 + future; p++) {
    const double angle = (float)p * frequency;
    cos += ::cos(angle);
    sin += ::sin(angle);
  }
  turn[j] = cos / future;
  turn[half + j] = sin / future;
}

/** Rotates `count` pairs of numbers, `step` apart, by one mean turn. */
HT_INLINE void rotate(double* a, double* b, double cos, double sin, int count, int step) {
  for (int i = 0; i < count * step; i += step) {
    const double x = a[i], y = b[i];
    a[i] = x * cos - y * sin;
    b[i] = y * cos + x * sin;
  }
}

/**
 * What the queries of one head to come are like: mean * 1 / sqrt(D), and covariance / 2 D folded to its lower triangle.
 */
static void foresee(const View& v, int skip, const double* sums, double* work, float* mean, float* lower, int pad) {
  const Store& st = *v.st;
  const int D = st.headDim, half = D / 2;
  const int count = v.newest + 1 - skip;
  const double* turn = (const double*)v.shared + (size_t)v.item * D;
  double* mu = work + (size_t)D * D;
  for (int a = 0; a < D; a++) {
    mu[a] = sums[a] / count;
    for (int b = 0; b < D; b++)
      work[(size_t)a * D + b] = sums[D + (size_t)a * D + b] / count - mu[a] * (sums[b] / count);
  }
  for (int a = 0; a < half; a++) {
    const double cos = turn[a], sin = turn[half + a];
    rotate(mu + a, mu + half + a, cos, sin, 1, 1);
    rotate(work + (size_t)a * D, work + (size_t)(half + a) * D, cos, sin, D, 1);
  }
  for (int b = 0; b < half; b++) rotate(work + b, work + half + b, turn[b], turn[half + b], D, D);
  memset(lower, 0, (size_t)pad * pad * 4);
  memset(mean, 0, (size_t)pad * 4);
  for (int a = 0; a < D; a++) {
    mean[a] = (float)(mu[a] / ::sqrt((double)D));
    for (int b = 0; b <= a; b++) {
      const double both = work[(size_t)a * D + b] + (a == b ? 0 : work[(size_t)b * D + a]);
      lower[(size_t)a * pad + b] = (float)(both / (2 * D));
    }
  }
}

/** z of two pages of keys, x [pad][32]. */
static void quadratic(const float* x, const float* mean, const float* lower, int pad, bool covariance, float* z) {
  F16 total[2] = {splat(0), splat(0)};
  for (int a = 0; a < pad; a += 4) {
    F16 acc[4][2];
    HT_UNROLL for (int t = 0; t < 4; t++)
      HT_UNROLL for (int p = 0; p < 2; p++) acc[t][p] = splat(mean[a + t]);
    if (covariance)
      for (int b = 0; b < a + 4; b++)
        HT_UNROLL for (int p = 0; p < 2; p++) {
          const F16 y = load(x + (size_t)b * 2 * PAGE + p * PAGE);
          HT_UNROLL for (int t = 0; t < 4; t++) acc[t][p] = fma(splat(lower[(size_t)(a + t) * pad + b]), y, acc[t][p]);
        }
    HT_UNROLL for (int t = 0; t < 4; t++)
      HT_UNROLL for (int p = 0; p < 2; p++)
        total[p] = fma(acc[t][p], load(x + (size_t)(a + t) * 2 * PAGE + p * PAGE), total[p]);
  }
  store(z, total[0]);
  store(z + PAGE, total[1]);
}

template <class Page>
static float valueLength(const View& v, int slot) {
  double squares = 0;
  eachChannel<Page>(v, slot, [&](float x) { squares += (double)x * x; });
  return (float)::sqrt(squares);
}

template <class Page>
static void widen(const View& v, int page, int pad, float* x) {
  for (int p = 0; p < 2; p++) {
    const char* keys = page + p < v.pages() ? pageOf(v.slots, page + p) : nullptr;
    for (int d = 0; d < pad; d++)
      store(x + (size_t)d * 2 * PAGE + p * PAGE, keys && d < v.st->headDim ? channel<Page>(keys, d) : splat(0));
  }
}

template <class Page>
static void byQueriesToCome(const View& v, const ScoreExpectedArgs& a) {
  const Store& st = *v.st;
  const int D = st.headDim, pad = up(D, 4), group = st.queryHeads / st.kvHeads, skip = a.skip, n = v.pages() * PAGE;
  double* work = (double*)v.own;
  float* lower = (float*)(work + (size_t)D * D + D);
  float* mean = lower + (size_t)pad * pad;
  float* x = mean + pad;
  float* z = x + (size_t)pad * 2 * PAGE;
  float* ranks = z + v.room;
  for (int s = 0; s < n; s++) ranks[s] = 0;
  for (int g = 0; g < group && v.newest + 1 > skip; g++) {
    const double* sums = momentsOf(*v.c, st, v.set, v.layer, v.head * group + g);
    if (!sums) return;
    foresee(v, skip, sums, work, mean, lower, pad);
    for (int page = 0; page < v.pages(); page += 2) {
      widen<Page>(v, page, pad, x);
      float t[2 * PAGE];
      quadratic(x, mean, lower, pad, a.covariance, t);
      memcpy(z + page * PAGE, t, (size_t)least(2 * PAGE, n - page * PAGE) * 4);
    }
    for (int s = 0; s < n; s++)
      if (s >= v.keys() || v.positions[s] < skip) z[s] = -INFINITY;
    const float scale = exponentials(z, n);
    if (scale != 0) addScaled(ranks, z, scale / (float)group, n);
  }
  float top = 0;
  for (int s = 0; s < v.keys(); s++) {
    if (v.positions[s] < skip) continue;
    ranks[s] = (ranks[s] + a.epsilon) * (a.values ? valueLength<Page>(v, s) : 1);
    top = ranks[s] > top ? ranks[s] : top;
  }
  // The first `skip` keys rank above all others.
  for (int s = 0; s < v.keys(); s++) v.scores[s] = v.positions[s] < skip ? top + 1 : ranks[s];
}

void scoreExpected(const Call& c, const ScoreExpectedArgs& a) {
  const Scoring s(c, a);
  const int D = s.st.headDim, half = D / 2;
  HT_TASKS(c, t, a.runs.count * half) {
    const int item = t / half, j = t % half;
    double* turn = (double*)s.shared() + (size_t)item * (size_t)D;
    if (s.anyDue(item)) meanTurn(a.future, a.frequencies[j], a.runs[item].position, j, half, turn);
  }
  teamMeet(c.team);
  s.each([&](const View& v, auto page) { byQueriesToCome<decltype(page)>(v, a); });
}

}  // namespace HT_NS
