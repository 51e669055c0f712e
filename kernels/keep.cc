// Cuts: the keys of lowest score leave, and the gaps close. Lanes that share budgets decide first; then each moves its
// own keys.
#include <math.h>

#include "lane.h"
#include "scratch.h"
#include "select.h"
#include "table.h"

namespace HT_NS {

struct Cutting {
  const Call* c;
  Store* st;
  const KeepArgs* a;
  size_t slots;  // room of a lane in the marks
  int each;      // lanes of an item
  uint8_t* acts;   // [items][each] does the cut act on the lane?
  uint8_t* marks;  // [items][each][slots] does the key stay?

  __attribute__((always_inline)) float* scores(int lane) const {
    const State& state = st->states[lane / st->lanes];
    return state.scores + (size_t)(lane % st->lanes) * (size_t)state.slots;
  }
  __attribute__((always_inline)) uint8_t* marksOf(int item, int i) const {
    return marks + ((size_t)item * (size_t)each + (size_t)i) * slots;
  }
};

HT_INLINE int positionOf(const Cutting& k, int lane, int slot) {
  const Store& st = *k.st;
  if (slot == st.archive[lane]) return st.pendingPosition[lane];
  const int page = pageAt(*k.c, st, lane, archiveOf(st, lane)[slot / PAGE]);
  return st.positions[(size_t)page * PAGE + slot % PAGE];
}

static double recentOf(const Cutting& k, int lane) {
  return k.a->recent < 1 ? ::floor(k.a->recent * k.st->budget[lane]) : k.a->recent;
}

static bool cuttable(const Cutting& k, int lane) {
  const Store& st = *k.st;
  if (!sound(*k.c, st, lane)) return false;
  if (st.tail[lane] != st.head[lane] || st.dead[lane] != DEAD_NONE)
    return fail(k.c->fault, "lane %d: expected no doomed key and no dead slot at a cut, got %d and %d", lane,
                st.tail[lane] - st.head[lane], st.dead[lane]);
  return scoresOf(*k.c, st, lane) != nullptr;
}

/** Pages between the positions that are read and those that are asked for. */
constexpr int POSITIONS_AHEAD = 8;

/**
 * Slot of the key that leaves where one leaves: of the lowest score among those that may, of equals the last; -1: none
 * may. What `best` would find in six passes, in one of vectors: methods that cut every token pay it every token.
 */
static int victim(const Cutting& k, int lane, int set, int newest, double recent) {
  const Store& st = *k.st;
  const int archive = st.archive[lane], first = st.protect[set];
  const int64_t last = (int64_t)newest - (int64_t)::ceil(recent);  // positions from `first` to `last` may leave
  const bool any = first <= 0 && last >= newest;
  const float* scores = k.scores(lane);
  const Entries table = archiveOf(st, lane);
  uint32_t low[PAGE];
  int32_t at[PAGE];
  for (int i = 0; i < PAGE; i++) {
    low[i] = UINT32_MAX;  // above every score
    at[i] = -1;
  }
  const auto visit = [&](int slot, int i, int position) __attribute__((always_inline)) {
    const bool may = any || (position >= first && position <= last);
    const uint32_t rank = may ? ordered(scores[slot]) : UINT32_MAX;
    const bool lower = may && rank <= low[i];
    low[i] = lower ? rank : low[i];
    at[i] = lower ? slot : at[i];
  };
  for (int p = 0; p * PAGE < archive; p++) {
    const int32_t* positions = st.positions + (size_t)pageAt(*k.c, st, lane, table[p]) * PAGE;
    if (!any) prefetch(st.positions + (size_t)table[least(p + POSITIONS_AHEAD, (archive - 1) / PAGE)] * PAGE);
    const int slots = least(PAGE, archive - p * PAGE);
    if (slots == PAGE) {
      for (int i = 0; i < PAGE; i++) visit(p * PAGE + i, i, any ? 0 : positions[i]);
    } else {
      for (int i = 0; i < slots; i++) visit(p * PAGE + i, i, any ? 0 : positions[i]);
    }
  }
  visit(archive, archive % PAGE, st.pendingPosition[lane]);
  int out = -1;
  for (int i = 0; i < PAGE; i++)
    if (at[i] >= 0 && (out < 0 || low[i] < low[out % PAGE] || (low[i] == low[out % PAGE] && at[i] > out))) out = at[i];
  return out;
}

/** Marks what stays in lanes [from, from + count) of an item, which share their budgets. */
static void decide(const Cutting& k, int item, int set, int newest, int base, int from, int count) {
  const Store& st = *k.st;
  int64_t over = 0, budget = 0, kept = 0;
  for (int i = from; i < from + count; i++) {
    k.acts[(size_t)item * k.each + i] = 0;
    over += (int64_t)st.archive[base + i] + 1 - st.budget[base + i];
  }
  if (over < (int64_t)(uint32_t)k.a->slack) return;
  for (int i = from; i < from + count; i++)
    if (!cuttable(k, base + i)) return;
  if (count == 1 && over == 1) {
    const int lane = base + from;
    const int gone = victim(k, lane, set, newest, recentOf(k, lane));
    if (gone < 0) return;
    uint8_t* marks = k.marksOf(item, from);
    k.acts[(size_t)item * k.each + from] = 1;
    memset(marks, 1, (size_t)st.archive[lane] + 1);
    marks[gone] = 0;
    return;
  }
  for (int i = from; i < from + count; i++) {
    const int lane = base + i, keys = st.archive[lane] + 1;
    uint8_t* marks = k.marksOf(item, i);
    const float* scores = k.scores(lane);
    const double recent = recentOf(k, lane);
    int64_t own = 0;
    for (int s = 0; s < keys; s++) {
      const int position = positionOf(k, lane, s);
      marks[s] = position < st.protect[set] || position > newest - recent;
      own += marks[s];
    }
    const int64_t floor = count > 1 ? (int64_t)::floor(st.budget[lane] * k.a->floor) : 0;
    if (floor > own) {
      Best top = best(floor - own, [&](auto visit) {
        for (int s = 0; s < keys; s++)
          if (!marks[s]) visit(scores[s]);
      });
      for (int s = 0; s < keys; s++)
        if (!marks[s] && top.takes(scores[s])) own += marks[s] = 1;
    }
    kept += own;
    budget += st.budget[lane];
  }
  Best top = best(budget - kept, [&](auto visit) {
    for (int i = from; i < from + count; i++)
      for (int s = 0; s <= st.archive[base + i]; s++)
        if (!k.marksOf(item, i)[s]) visit(k.scores(base + i)[s]);
  });
  for (int i = from; i < from + count; i++) {
    uint8_t* marks = k.marksOf(item, i);
    k.acts[(size_t)item * k.each + i] = 1;
    for (int s = 0; s <= st.archive[base + i]; s++)
      if (!marks[s]) marks[s] = top.takes(k.scores(base + i)[s]);
  }
}

/**
 * Closes the gaps, order kept. Keys are read where the table pointed before: copies take the place of what others hold.
 */
template <class Page>
static int compact(const Cutting& k, int lane, const uint8_t* marks, int32_t* sources) {
  Store& st = *k.st;
  const int archive = st.archive[lane];
  const Entries table = archiveOf(st, lane);
  float* scores = k.scores(lane);
  for (int e = 0; e * PAGE < archive; e++) sources[e] = table[e];
  int to = 0;
  for (int s = 0; s < archive; s++) {
    if (!marks[s]) continue;
    if (s != to) {
      const int target = writablePage(*k.c, st, lane, table[to / PAGE], to / PAGE);
      if (target < 0) return archive;
      const int source = pageAt(*k.c, st, lane, sources[s / PAGE]);
      Page::copy(pageData(st, source), s % PAGE, pageData(st, target), to % PAGE, st.headDim);
      st.positions[(size_t)target * PAGE + to % PAGE] = st.positions[(size_t)source * PAGE + s % PAGE];
      scores[to] = scores[s];
    }
    to++;
  }
  // The next key is written into the last page.
  if (to < archive && to % PAGE != 0) writablePage(*k.c, st, lane, table[to / PAGE], to / PAGE);
  return to;
}

template <class Page>
static void drop(const Cutting& k, int lane, const uint8_t* marks, int32_t* sources) {
  Store& st = *k.st;
  const int archive = st.archive[lane];
  float* scores = k.scores(lane);
  int gone = 0, last = -1;
  for (int s = 0; s <= archive; s++)
    if (!marks[s]) {
      gone++;
      last = s;
    }
  if (gone == 0) return;
  const bool pending = last == archive;
  if (k.a->replace && gone == 1 && !pending) {
    st.dead[lane] = last;
    scores[last] = scores[archive];  // the pending key will lie there
    return;
  }
  if (pending) st.dead[lane] = DEAD_PENDING;
  const int to = compact<Page>(k, lane, marks, sources);
  st.archive[lane] = to;
  scores[to] = pending ? 0 : scores[archive];
}

void keep(const Call& c, const KeepArgs& a) {
  Store& st = *a.lanes;
  Cutting k = {};
  k.c = &c;
  k.st = &st;
  k.a = &a;
  k.each = a.layers * st.kvHeads;
  const int slots = reachOf(st, a.runs, a.layer, a.layers, 0).slots;
  k.slots = (size_t)slots;
  int32_t* sources = (int32_t*)(c.scratch + sourceBytes(slots) * (size_t)c.thread);
  k.acts = (uint8_t*)c.scratch + sourceBytes(slots) * (size_t)teamSize(c.team);
  k.marks = k.acts + lineUp((size_t)a.runs.count * k.each);
  const int shared = a.share == Share::lane ? 1 : k.each, parts = k.each / shared;
  HT_TASKS(c, t, a.runs.count * parts) {
    const Run& run = a.runs[t / parts];
    decide(k, t / parts, run.set, run.position, laneOf(st, run.set, a.layer, 0), t % parts * shared, shared);
  }
  teamMeet(c.team);
  withPage(st.format, [&](auto page) {
    HT_TASKS(c, t, a.runs.count * k.each) {
      const int item = t / k.each, i = t % k.each, lane = laneOf(st, a.runs[item].set, a.layer, 0) + i;
      if (k.acts[t]) drop<decltype(page)>(k, lane, k.marksOf(item, i), sources);
    }
  });
}

}  // namespace HT_NS
