// Ranks by the attention of the last queries, which stand in a ring: query rows go over all keys in blocks of whole groups.
#include "score.h"
#include "table.h"

namespace HT_NS {

struct Asked {
  int queries, newest;
  bool all, most, layer, smoothMost;
  int kernel;
};

HT_INLINE Asked asked(const View& v) {
  const int32_t* w = v.c->words + 12;
  return {least(w[0], v.newest + 1), v.newest, w[1] == 0, w[2] == GROUP_MAX, w[2] == GROUP_LAYER, w[3] == 1, w[4]};
}

HT_INLINE float* layerTotals(const View& v, int head) {
  return (float*)v.shared + ((size_t)v.item * v.st->kvHeads + head) * laneSlots(*v.st);
}

/** Keys at positions above `last` weigh nothing. */
HT_INLINE void hide(float* scores, const int32_t* positions, int last, int n) {
  for (int s = 0; s < n; s += W) {
    const VI seen = *(const VIUnaligned*)(positions + s) <= last - VI{};
    *(VUnaligned*)(scores + s) = seen ? *(const VUnaligned*)(scores + s) : splatV(-INFINITY);
  }
}

/** totals = sums of the queries' probabilities. */
template <bool BF>
static void attendAll(const View& v, const Asked& a, const float* ring, int inRing, float* totals) {
  const Store& st = *v.st;
  const int group = st.queryHeads / st.kvHeads, D = st.headDim, n = v.pages() * PAGE;
  const int each = group > QUERY_ROWS ? 1 : QUERY_ROWS / group;  // queries a block
  const size_t rows = groupRows(st), S = laneSlots(st);
  float* q = (float*)v.own;
  Span span;
  span.D = D;
  span.width = st.width;
  span.q = q;
  span.scores = q + rows * st.width;
  float* scores = span.scores + rows * SPAN;
  for (int s = 0; s < n; s++) totals[s] = 0;
  for (int from = a.newest - a.queries + 1; from <= a.newest; from += each) {
    const int count = least(each, a.newest + 1 - from);
    span.rows = count * group;
    for (int r = 0; r < span.rows; r++) {
      const size_t slot = ((size_t)v.set * st.layers + v.layer) * inRing + (size_t)((from + r / group) % inRing);
      const size_t head = slot * st.queryHeads + v.head * group + r % group;
      scaleQuery(q + (size_t)r * st.width, ring + head * D, D, st.width);
    }
    scorePages<BF>(span, v.pages(), scores, S, [&](int page) { return pageOf(v.slots, page); });
    for (int i = 0; i < count; i++) {
      float* row = scores + (size_t)i * group * S;
      if (a.most)
        for (int g = 1; g < group; g++)
          for (int s = 0; s < n; s += 16) store(row + s, larger(load(row + g * S + s), load(row + s)));
      for (int g = 0; g < (a.most ? 1 : group); g++) {
        float* x = row + (size_t)g * S;
        hide(x, v.positions, a.all ? from + i : a.newest - a.queries, n);
        const float scale = exponentials(x, n);
        if (scale != 0) addScaled(totals, x, scale, n);
      }
    }
  }
}

void scoreAttention(const View& v, const float* ring, int queries) {
  const Store& st = *v.st;
  const Asked a = asked(v);
  const int group = st.queryHeads / st.kvHeads;
  const size_t rows = groupRows(st), S = laneSlots(st);
  float* scores = (float*)v.own + rows * ((size_t)st.width + SPAN);
  float* totals = a.layer ? layerTotals(v, v.head) : scores + rows * S;
  if (st.bf16) {
    attendAll<true>(v, a, ring, queries, totals);
  } else {
    attendAll<false>(v, a, ring, queries, totals);
  }
  if (a.layer) return;
  const float scale = 1 / ((float)a.queries * (a.most ? 1 : group));
  // Old keys move together, so that neighbours are neighbours.
  float* old = scores;
  int n = 0;
  for (int s = 0; s < v.keys(); s++)
    if (v.positions[s] <= a.newest - a.queries) old[n++] = totals[s] * scale;
  const int reach = (a.kernel - 1) / 2;
  for (int s = 0, i = 0; s < v.keys(); s++) {
    v.board[s] = 0;
    if (v.positions[s] > a.newest - a.queries) continue;
    const int end = least(n, i + reach + 1);
    float sum = 0, most = old[i];
    for (int near = i > reach ? i - reach : 0; near < end; near++) {
      sum += old[near];
      most = old[near] > most ? old[near] : most;
    }
    v.board[s] = a.smoothMost ? most : sum / (float)a.kernel;
    i++;
  }
}

void mergeLayer(const View& v) {
  const Store& st = *v.st;
  const float scale = 1 / ((float)asked(v).queries * (float)st.queryHeads);
  for (int s = 0; s <= st.archive[v.slots.lane]; s++) {
    float total = 0;
    for (int h = 0; h < st.kvHeads; h++) total += layerTotals(v, h)[s];
    v.board[s] = total * scale;
  }
}

}  // namespace HT_NS
