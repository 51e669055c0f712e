// What the queries of a chunk attend to, summed (H2O) or at most (KVzip), before the chunk's keys have a place. Keys
// are copied first; then tasks of up to 32 query rows score whole rows of slots. A chunk's rows fall into a fixed
// number of parts, whose results are merged in order: bits depend neither on threads nor on company.
#include "slots.h"
#include "table.h"

namespace HT_NS {

/** An item of either operation: whose probabilities of slots [from, to) go to the lanes of set `target`. */
struct Watched {
  int set, row, rows, first, target, from, to, tokens;
  char* shared;

  __attribute__((always_inline)) int end() const { return first + rows; }
};

static Watched watchedOf(const Run& r, char* shared) {
  return {r.set, r.row, r.rows, r.position, r.set, 0, r.position + r.rows, 0, shared};
}
static Watched watchedOf(const Repeat& r, char* shared) {
  return {r.set, r.row, r.rows, r.position, r.target, r.from, r.to, r.tokens, shared};
}

struct Watch {
  const Call* c;
  Store* st;
  const float *q, *k;
  int layer, sinks, group;

  __attribute__((always_inline)) size_t keysBytes(const Watched& w) const {
    return (size_t)behindPages(w.rows) * lineUp(keyBytes(*st));
  }
  __attribute__((always_inline)) float* result(const Watched& w, int h, int part) const {
    float* results = (float*)(w.shared + (size_t)st->kvHeads * keysBytes(w));
    return results + (size_t)(h * PARTS + part) * reportFloats(w.from, w.to);
  }
};

/** Nothing was dropped: slot and position of a key are one number. */
static bool complete(const Watch& x, const Watched& w, int h) {
  const Store& st = *x.st;
  const int lane = laneOf(st, w.set, x.layer, h);
  if (!sound(*x.c, st, lane)) return false;
  const int keys = st.archive[lane] + (w.first > 0 && predecessor(*x.c, st, lane, w.first) ? 1 : 0);
  return (keys == w.first && st.dead[lane] == DEAD_NONE) || scattered(*x.c, lane, w.first - 1, keys);
}

static Slots slotsOf(const Watch& x, const Watched& w, int h) {
  const int lane = laneOf(*x.st, w.set, x.layer, h);
  return slotsOf(*x.c, *x.st, lane, w.end() - x.st->archive[lane], w.shared + (size_t)h * x.keysBytes(w));
}

template <class Page>
static void copyKeys(const Watch& x, const Watched& w, int h) {
  const Store& st = *x.st;
  if (!complete(x, w, h)) return;
  const Slots s = slotsOf(x, w, h);
  const int pending = w.first - st.archive[s.lane];
  copyBehind<Page>(s, [&](int i, const auto& put) {
    if (i < pending) return put(pendingKey<Page>(st, s.lane));
    put(x.k + ((size_t)(w.row + i - pending) * st.kvHeads + h) * st.headDim);
  });
}

template <bool MAX, class Page>
static void watchRows(const Watch& x, const Watched& w, int h, int part, char* own) {
  const Store& st = *x.st;
  if (!complete(x, w, h)) return;
  const Slots slots = slotsOf(x, w, h);
  const int end = w.end();
  const size_t stride = (size_t)((end + PAGE - 1) / PAGE + 1) * PAGE;
  float* q = (float*)own;
  Span span;
  span.D = st.headDim;
  span.width = st.width;
  span.q = q;
  span.scores = q + (size_t)QUERY_ROWS * st.width;
  float* scores = span.scores + QUERY_ROWS * SPAN;
  int32_t* pages = (int32_t*)(scores + QUERY_ROWS * stride);
  float* result = x.result(w, h, part);
  memset(result, 0, reportFloats(w.from, w.to) * 4);
  // Pages that hold a slot that counts (their complement where some slot does not), and the place of the first that is
  // reported.
  const auto counts = [&](int s) { return s < x.sinks || (s >= w.from && s < w.to) || s >= w.tokens; };
  int known = 0, report = 0;
  for (int p = 0; p * PAGE < end; p++) {
    int n = 0;
    for (int s = p * PAGE; s < (p + 1) * PAGE; s++) n += counts(s);
    if (p == w.from / PAGE) report = known;
    if (n > 0) pages[known++] = n == PAGE ? p : ~p;
  }
  const auto pageAt = [&](int n) { return pages[n] < 0 ? ~pages[n] : pages[n]; };
  const int from = w.rows * part / PARTS * x.group, to = w.rows * (part + 1) / PARTS * x.group;
  for (int base = from; base < to; base += QUERY_ROWS) {
    span.rows = least(QUERY_ROWS, to - base);
    for (int r = 0; r < span.rows; r++) {
      const size_t row = (size_t)(w.row + (base + r) / x.group) * st.queryHeads + h * x.group + (base + r) % x.group;
      scaleQuery(q + (size_t)r * st.width, x.q + row * st.headDim, st.headDim, st.width);
    }
    const int last = w.first + (base + span.rows - 1) / x.group;
    int near = known;
    while (near > 0 && pageAt(near - 1) * PAGE > last) near--;
    scorePages<Page>(span, near, scores, stride, [&](int n) { return pageOf(slots, pageAt(n)); });
    for (int r = 0; r < span.rows; r++) {
      const int position = w.first + (base + r) / x.group;
      float* row = scores + (size_t)r * stride;
      for (int n = 0; n < near; n++) {
        if (pages[n] >= 0 && (pages[n] + 1) * PAGE <= position + 1) continue;
        for (int s = pageAt(n) * PAGE, i = n * PAGE; i < (n + 1) * PAGE; s++, i++)
          if (s > position || !counts(s)) row[i] = -INFINITY;
      }
      const float scale = exponentials(row, near * PAGE);
      if (scale == 0) continue;
      const float* reported = row + (size_t)report * PAGE;
      const int numbers = least(near - report, (w.to - 1) / PAGE - w.from / PAGE + 1) * PAGE;
      if constexpr (MAX) {
        for (int i = 0; i < numbers; i += 16)
          store(result + i, larger(load(reported + i) * splat(scale), load(result + i)));
      } else {
        addScaled(result, reported, scale, numbers);
      }
    }
  }
}

/** Merges the parts of one KV head into the scores of the target. */
template <bool MAX>
static void report(const Watch& x, const Watched& w, int h) {
  if (!complete(x, w, h)) return;
  const int lane = laneOf(*x.st, w.target, x.layer, h);
  float* scores = roomFor(*x.c, *x.st, lane, w.to);
  if (!scores) return;
  for (int s = w.from; s < w.to; s++) {
    float score = MAX || s < w.first ? scores[s] : 0;
    for (int part = 0; part < PARTS; part++) {
      const float more = x.result(w, h, part)[s - w.from / PAGE * PAGE];
      score = MAX ? (more > score ? more : score) : score + more;
    }
    scores[s] = score;
  }
}

template <bool MAX, class Item>
static void run(const Watch& x, const List<Item>& items) {
  const Call& c = *x.c;
  Store& st = *x.st;
  int most = 0;
  for (const Item& item : items) most = item.position + item.rows > most ? item.position + item.rows : most;
  const size_t own = watchBytes(st, most);
  const auto find = [&](int i) {
    char* at = c.scratch + own * (size_t)teamSize(c.team);
    for (int n = 0;; n++) {
      const Watched w = watchedOf(items[n], at);
      if (n == i) return w;
      at += watchShared(st, w.rows, w.from, w.to);
    }
  };
  char* mine = c.scratch + own * (size_t)c.thread;
  withPage(st.format, [&](auto page) {
    typedef decltype(page) Page;
    HT_TASKS(c, t, items.count * st.kvHeads) copyKeys<Page>(x, find(t / st.kvHeads), t % st.kvHeads);
    teamMeet(c.team);
    const int each = st.kvHeads * PARTS;
    HT_TASKS(c, t, items.count * each) watchRows<MAX, Page>(x, find(t / each), t % each / PARTS, t % PARTS, mine);
  });
  teamMeet(c.team);
  // Items may share a target: one task takes a KV head of all of them.
  HT_TASKS(c, h, st.kvHeads)
    for (int i = 0; i < items.count; i++) report<MAX>(x, find(i), h);
}

void sumAttention(const Call& c, const SumAttentionArgs& a) {
  run<false>({&c, a.lanes, a.q, a.k, a.layer, 0, a.lanes->queryHeads / a.lanes->kvHeads}, a.chunks);
}

void maxAttention(const Call& c, const MaxAttentionArgs& a) {
  run<true>({&c, a.lanes, a.q, a.k, a.layer, a.sinks, a.lanes->queryHeads / a.lanes->kvHeads}, a.chunks);
}

}  // namespace HT_NS
