// Scores by the attention of the last observed queries: query rows go over all keys in blocks of whole groups.
#include "score.h"
#include "table.h"

namespace HT_NS {

HT_INLINE float* layerTotals(const View& v, int head) {
  return (float*)v.shared + ((size_t)v.item * v.st->kvHeads + head) * v.room;
}

/** Keys at positions above `last` weigh nothing. */
HT_INLINE void hide(float* scores, const int32_t* positions, int last, int n) {
  for (int s = 0; s < n; s += W) {
    const VI seen = *(const VIUnaligned*)(positions + s) <= last - VI{};
    *(VUnaligned*)(scores + s) = seen ? *(const VUnaligned*)(scores + s) : splatV(-INFINITY);
  }
}

/** totals = sums of the queries' probabilities. */
template <class Page>
static void attendAll(const View& v, const ScoreAttentionArgs& a, int queries, float* totals) {
  const Store& st = *v.st;
  const State& state = st.states[v.set];
  const int group = st.queryHeads / st.kvHeads, D = st.headDim, n = v.pages() * PAGE;
  const bool most = a.group == Group::max;
  const int each = group > QUERY_ROWS ? 1 : QUERY_ROWS / group;  // queries a block
  const size_t rows = groupRows(st), S = (size_t)v.room;
  float* q = (float*)v.own;
  Span span;
  span.D = D;
  span.width = st.width;
  span.q = q;
  span.scores = q + rows * st.width;
  float* scores = span.scores + rows * SPAN;
  for (int s = 0; s < n; s++) totals[s] = 0;
  for (int from = v.newest - queries + 1; from <= v.newest; from += each) {
    const int count = least(each, v.newest + 1 - from);
    span.rows = count * group;
    for (int r = 0; r < span.rows; r++) {
      const size_t slot = (size_t)v.layer * state.queries + (size_t)((from + r / group) % state.queries);
      const size_t head = slot * st.queryHeads + v.head * group + r % group;
      scaleQuery(q + (size_t)r * st.width, state.observed + head * D, D, st.width);
    }
    scorePages<Page>(span, v.pages(), scores, S, [&](int page) { return pageOf(v.slots, page); });
    for (int i = 0; i < count; i++) {
      float* row = scores + (size_t)i * group * S;
      if (most)
        for (int g = 1; g < group; g++)
          for (int s = 0; s < n; s += 16) store(row + s, larger(load(row + g * S + s), load(row + s)));
      for (int g = 0; g < (most ? 1 : group); g++) {
        float* x = row + (size_t)g * S;
        hide(x, v.positions, a.over == Over::all ? from + i : v.newest - queries, n);
        const float scale = exponentials(x, n);
        if (scale != 0) addScaled(totals, x, scale, n);
      }
    }
  }
}

template <class Page>
static void byQueries(const View& v, const ScoreAttentionArgs& a) {
  const Store& st = *v.st;
  const int group = st.queryHeads / st.kvHeads, queries = least(a.queries, v.newest + 1);
  if (!observes(*v.c, st, v.set, a.queries)) return;
  const size_t rows = groupRows(st), S = (size_t)v.room;
  float* scores = (float*)v.own + rows * ((size_t)st.width + SPAN);
  float* totals = a.group == Group::layer ? layerTotals(v, v.head) : scores + rows * S;
  attendAll<Page>(v, a, queries, totals);
  if (a.group == Group::layer) return;
  const float scale = 1 / ((float)queries * (a.group == Group::max ? 1 : group));
  // Old keys move together, so that neighbours are neighbours.
  float* old = scores;
  int n = 0;
  for (int s = 0; s < v.keys(); s++)
    if (v.positions[s] <= v.newest - queries) old[n++] = totals[s] * scale;
  const int reach = (a.kernel - 1) / 2;
  for (int s = 0, i = 0; s < v.keys(); s++) {
    v.scores[s] = 0;
    if (v.positions[s] > v.newest - queries) continue;
    const int end = least(n, i + reach + 1);
    float sum = 0, most = old[i];
    for (int near = i > reach ? i - reach : 0; near < end; near++) {
      sum += old[near];
      most = old[near] > most ? old[near] : most;
    }
    v.scores[s] = a.smooth == Smooth::max ? most : sum / (float)a.kernel;
    i++;
  }
}

/** Where all heads of a layer count: merges what each KV head left, into the scores of one of them. */
static void mergeLayer(const View& v, int queries) {
  const Store& st = *v.st;
  const float scale = 1 / ((float)least(queries, v.newest + 1) * (float)st.queryHeads);
  float* scores = scoresOf(*v.c, st, v.lane());
  for (int s = 0; scores && s <= st.archive[v.lane()]; s++) {
    float total = 0;
    for (int h = 0; h < st.kvHeads; h++) total += layerTotals(v, h)[s];
    scores[s] = total * scale;
  }
}

void scoreAttention(const Call& c, const ScoreAttentionArgs& a) {
  const Scoring s(c, a);
  const Store& st = s.st;
  if (a.group != Group::layer) return s.each([&](const View& v, auto page) { byQueries<decltype(page)>(v, a); });
  // The attention of a whole layer adds up by slot.
  const auto alike = [&](int item) {
    const int first = laneOf(st, a.runs[item].set, a.layer, 0);
    for (int lane = first; lane < first + st.kvHeads; lane++)
      if (!sound(c, st, lane) || !asMany(c, st, first, lane)) return false;
    return true;
  };
  withPage(st.format, [&](auto page) {
    HT_TASKS(c, t, s.lanes()) {
      View v = s.view(t / st.kvHeads, t % st.kvHeads);
      if (s.anyDue(v.item) && alike(v.item) && s.open<decltype(page)>(v)) byQueries<decltype(page)>(v, a);
    }
  });
  teamMeet(c.team);
  HT_TASKS(c, t, s.lanes()) {
    const View v = s.view(t / st.kvHeads, t % st.kvHeads);
    if (s.due(v.item, v.head) && alike(v.item)) mergeLayer(v, a.queries);
  }
}

}  // namespace HT_NS
