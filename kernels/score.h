// A lane as its scorer sees it, and which lanes a scorer acts on.
#pragma once
#include "slots.h"

namespace HT_NS {

struct View {
  const Call* c;
  const Store* st;
  Slots slots;  // the live keys, the pending one last
  int item, set, layer, head, newest;
  int room;            // slots that scratch has for each lane
  float* scores;       // [keys]
  int32_t* positions;  // [slots], INT32_MAX past the last key
  char* own;           // scratch of this scorer
  char* shared;

  __attribute__((always_inline)) int lane() const { return slots.lane; }
  __attribute__((always_inline)) int keys() const { return slots.count; }
  __attribute__((always_inline)) int pages() const { return (slots.count + PAGE - 1) / PAGE; }
};

/** Lengths of a page's 16 keys. */
template <class Page>
HT_INLINE void lengths(const char* page, int D, float out[16]) {
  F16 squares = splat(0);
  for (int d = 0; d < D; d++) {
    const F16 x = channel<Page>(page, d);
    squares = fma(x, x, squares);
  }
  store(out, squares);
  for (int s = 0; s < PAGE; s++) out[s] = sqrtf(out[s]);
}

/** Numbers of a key's value, in the channels' order: `visit(number)`. */
template <class Page, class Visit>
HT_INLINE void eachChannel(const View& v, int slot, const Visit& visit) {
  const Store& st = *v.st;
  const int D = st.headDim, lane = v.lane();
  const bool pending = slot == st.archive[lane];
  const typename Page::Number* numbers =
      pending ? pendingValue<Page>(st, lane)
              : Page::valueAt(pageData(st, pageAt(*v.c, st, lane, v.slots.table[slot / PAGE])), D, slot % PAGE, 0);
  const int step = pending ? 1 : Page::G;
  for (int d = 0; d < D; d++) visit(Page::widen(numbers[step * d]));
}

/** A scorer's call. */
struct Scoring {
  const Call& c;
  const Store& st;
  int layer;
  List<Run> runs;
  int64_t slack;
  Share share;
  int room;
  size_t own;

  template <class Args>
  Scoring(const Call& call, const Args& a)
      : c(call), st(*a.lanes), layer(a.layer), runs(a.runs), slack((uint32_t)a.slack), share(a.share),
        room(reachOf(*a.lanes, a.runs, a.layer, 1, 0).slots), own(scoreBytes(*a.lanes, Args::OPERATION, room)) {}

  char* shared() const { return c.scratch + own * (size_t)teamSize(c.team); }
  int lanes() const { return runs.count * st.kvHeads; }

  bool over(int from, int count) const {
    int64_t n = 0;
    for (int lane = from; lane < from + count; lane++) n += (int64_t)st.archive[lane] + 1 - st.budget[lane];
    return n >= slack;
  }
  /** What is shared over all layers is not known yet: all lanes are due. */
  bool due(int item, int h) const {
    const int first = laneOf(st, runs[item].set, layer, 0);
    return share == Share::set || (share == Share::layer ? over(first, st.kvHeads) : over(first + h, 1));
  }
  bool anyDue(int item) const {
    for (int h = 0; h < st.kvHeads; h++)
      if (due(item, h)) return true;
    return false;
  }

  View view(int item, int h) const {
    View v = {};
    v.c = &c;
    v.st = &st;
    v.item = item;
    v.set = runs[item].set;
    v.layer = layer;
    v.head = h;
    v.newest = runs[item].position;
    v.room = room;
    v.slots.lane = laneOf(st, v.set, layer, h);
    v.slots.behind = c.scratch + own * (size_t)c.thread;
    v.positions = (int32_t*)(v.slots.behind + lineUp(keyBytes(st)));
    v.own = (char*)(v.positions + room);
    v.shared = shared();
    return v;
  }

  /** Makes a lane's keys and positions ready; false (and a failure) where it is in no state to be ranked. */
  template <class Page>
  bool open(View& v) const {
    const int lane = v.lane();
    if (!sound(c, st, lane)) return false;
    const int archive = st.archive[lane];
    if (st.dead[lane] != DEAD_NONE || st.pendingPosition[lane] < 0)
      return fail(c.fault, "lane %d: expected no dead key where keys are ranked, got slot %d; admit first", lane,
                  st.dead[lane]);
    v.scores = scoresOf(c, st, lane);
    if (!v.scores) return false;
    v.slots = slotsOf(c, st, lane, 1, v.slots.behind);
    copyBehind<Page>(v.slots, [&](int, const auto& put) { put(pendingKey<Page>(st, lane)); });
    for (int p = 0; p * PAGE < archive; p++)
      memcpy(v.positions + p * PAGE, st.positions + (size_t)pageAt(c, st, lane, v.slots.table[p]) * PAGE, PAGE * 4);
    v.positions[archive] = st.pendingPosition[lane];
    for (int s = v.keys(); s < v.pages() * PAGE; s++) v.positions[s] = INT32_MAX;
    return true;
  }

  /** A task per lane that is due: `rank(view, page format)`. */
  template <class Rank>
  void each(const Rank& rank) const {
    withPage(st.format, [&](auto page) {
      HT_TASKS(c, t, lanes()) {
        View v = view(t / st.kvHeads, t % st.kvHeads);
        if (due(v.item, v.head) && open<decltype(page)>(v)) rank(v, page);
      }
    });
  }
};

}  // namespace HT_NS
