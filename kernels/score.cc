// Scorers that look at each key by itself, or at the mean of all. A lane is one task.
#include <math.h>

#include "score.h"
#include "select.h"
#include "table.h"
#include "uniform.h"

namespace HT_NS {

void scoreNorm(const Call& c, const ScoreNormArgs& a) {
  Scoring(c, a).each([](const View& v, auto page) {
    float t[16];
    for (int p = 0; p < v.pages(); p++) {
      lengths<decltype(page)>(pageOf(v.slots, p), v.st->headDim, t);
      for (int s = p * PAGE; s < least(v.keys(), (p + 1) * PAGE); s++) v.scores[s] = -t[s % PAGE];
    }
  });
}

template <class Page>
static void byDifference(const View& v) {
  const int D = v.st->headDim;
  float* inverse = (float*)v.own;
  float* sums = inverse + v.room;  // [D][16]: one per place in the page
  float* mean = sums + (size_t)D * PAGE;
  memset(sums, 0, (size_t)D * PAGE * 4);
  for (int p = 0; p < v.pages(); p++) {
    const char* page = pageOf(v.slots, p);
    float* t = inverse + p * PAGE;
    lengths<Page>(page, D, t);
    for (int s = 0; s < PAGE; s++) t[s] = 1 / (t[s] > 1e-12f ? t[s] : 1e-12f);
    const F16 scale = load(t);
    for (int d = 0; d < D; d++) store(sums + d * PAGE, fma(channel<Page>(page, d), scale, load(sums + d * PAGE)));
  }
  double squares = 0;
  for (int d = 0; d < D; d++) {
    double total = 0;
    for (int s = 0; s < PAGE; s++) total += sums[d * PAGE + s];
    mean[d] = (float)(total / v.keys());
    squares += (double)mean[d] * mean[d];
  }
  const double length = ::sqrt(squares) > 1e-12 ? ::sqrt(squares) : 1e-12;
  for (int d = 0; d < D; d++) mean[d] = (float)(mean[d] / length);
  for (int p = 0; p < v.pages(); p++) {
    const char* page = pageOf(v.slots, p);
    F16 dot = splat(0);
    for (int d = 0; d < D; d++) dot = fma(splat(mean[d]), channel<Page>(page, d), dot);
    float t[16];
    store(t, dot * load(inverse + p * PAGE));
    for (int s = p * PAGE; s < least(v.keys(), (p + 1) * PAGE); s++) v.scores[s] = -t[s % PAGE];
  }
}

void scoreDifference(const Call& c, const ScoreDifferenceArgs& a) {
  Scoring(c, a).each([](const View& v, auto page) { byDifference<decltype(page)>(v); });
}

void scoreRandom(const Call& c, const ScoreRandomArgs& a) {
  Scoring(c, a).each([&](const View& v, auto) {
    const uint32_t chain = (uint32_t)(v.layer * v.st->kvHeads + v.head);
    for (int s = 0; s < v.keys(); s++)
      v.scores[s] = (float)uniform((uint32_t)a.seed, 0x6b76, chain, (uint32_t)v.positions[s]);
  });
}

void scoreChange(const Call& c, const ScoreChangeArgs& a) {
  Scoring(c, a).each([](const View& v, auto) {
    if (!changes(*v.c, *v.st, v.set, (int64_t)v.newest + 1)) return;
    const State& state = v.st->states[v.set];
    const float* standing = standingOf(state);
    for (int s = 0; s < v.keys(); s++)
      v.scores[s] = v.positions[s] < state.changes ? standing[v.positions[s]] : (float)NAN;
  });
}

void scoreDraw(const Call& c, const ScoreDrawArgs& a) {
  Scoring(c, a).each([&](const View& v, auto) {
    const uint32_t lane = (uint32_t)(v.layer * v.st->kvHeads + v.head);
    for (int s = 0; s < v.keys(); s++) {
      const double u = uniform((uint32_t)a.seed, (uint32_t)v.newest, lane, (uint32_t)v.positions[s]);
      v.scores[s] = (float)(v.scores[s] / -::log(u + 1.0 / (1 << 25)));
    }
  });
}

/** Greatest minus least channel of a key's value. */
template <class Page>
static float valueRange(const View& v, int slot) {
  float low = INFINITY, high = -INFINITY;
  eachChannel<Page>(v, slot, [&](float x) {
    low = x < low ? x : low;
    high = x > high ? x : high;
  });
  return high - low;
}

template <class Page>
static void reserveRange(const View& v, const ScoreRangeArgs& a) {
  const int first = v.st->protect[v.set];
  const int64_t last = (int64_t)v.newest - (uint32_t)a.recent;
  int64_t wanted = (int64_t)::floor(a.part * v.st->budget[v.lane()]);
  float* ranges = (float*)v.own;
  const auto free = [&](int s) { return v.positions[s] >= first && v.positions[s] <= last; };
  for (int s = 0; s < v.keys(); s++) {
    wanted -= v.positions[s] < first;
    if (free(s)) ranges[s] = valueRange<Page>(v, s);
  }
  Best top = best(wanted, [&](auto visit) {
    for (int s = 0; s < v.keys(); s++)
      if (free(s)) visit(ranges[s]);
  });
  for (int s = 0; s < v.keys(); s++)
    if (free(s) && top.takes(ranges[s])) v.scores[s] = INFINITY;
}

void scoreRange(const Call& c, const ScoreRangeArgs& a) {
  Scoring(c, a).each([&](const View& v, auto page) { reserveRange<decltype(page)>(v, a); });
}

void scoreMean(const Call& c, const ScoreMeanArgs& a) {
  Scoring(c, a).each([](const View& v, auto) {
    const double group = v.st->queryHeads / v.st->kvHeads;
    for (int s = 0; s < v.keys(); s++) v.scores[s] = (float)(v.scores[s] / (group * (v.newest + 1 - v.positions[s])));
  });
}

}  // namespace HT_NS
