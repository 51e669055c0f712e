// Cuts: the keys of lowest rank leave, and the gaps close. Pools decide first, each alone; then every lane moves its own keys.
#include <math.h>

#include "lane.h"
#include "scratch.h"
#include "select.h"
#include "table.h"

namespace HT_NS {

struct Cutting {
  const Call* c;
  Store* st;
  float* board;
  int stride;
  double recent, share;  // `Rule.recent`, `Rule.floor`
  int64_t slack;
  bool replace;
  size_t slots;  // room of a lane in the marks
  int each;      // lanes of an item
  uint8_t* acts;   // [items][each] does the cut act on the lane?
  uint8_t* marks;  // [items][each][slots] does the key stay?

  __attribute__((always_inline)) uint8_t* marksOf(int item, int i) const {
    return marks + ((size_t)item * (size_t)each + (size_t)i) * slots;
  }
};

HT_INLINE int positionOf(const Cutting& k, int lane, int slot) {
  const Store& st = *k.st;
  if (slot == st.archive[lane]) return st.pendingPosition[lane];
  const int page = pageAt(*k.c, st, lane, st.archiveTable[(size_t)lane * st.archivePages + slot / PAGE]);
  return st.positions[(size_t)page * PAGE + slot % PAGE];
}

static double recentOf(const Cutting& k, int lane) {
  return k.recent < 1 ? ::floor(k.recent * k.st->budget[lane]) : k.recent;
}

static bool cuttable(const Cutting& k, int lane) {
  const Store& st = *k.st;
  if (!sound(*k.c, st, lane)) return false;
  if (st.tail[lane] != st.head[lane] || st.dead[lane] != DEAD_NONE) {
    fail(k.c->fault, "lane %d: expected no doomed key and no dead slot at a cut, got %d and %d", lane,
         st.tail[lane] - st.head[lane], st.dead[lane]);
    return false;
  }
  if (st.archive[lane] < k.stride) return true;
  fail(k.c->fault, "lane %d: expected an archive below the board's stride %d, got %d slots", lane, k.stride, st.archive[lane]);
  return false;
}

/** Pages between the positions that are read and those that are asked for. */
constexpr int POSITIONS_AHEAD = 8;

/**
 * Slot of the key that leaves where one leaves: of the lowest rank among those that may, of equals the last; -1: none may. What
 * `best` would find in six passes, in one of vectors: methods that cut every token pay it every token.
 */
static int victim(const Cutting& k, int lane, int set, int newest, double recent) {
  const Store& st = *k.st;
  const int archive = st.archive[lane], first = st.protect[set];
  const int64_t last = (int64_t)newest - (int64_t)::ceil(recent);  // positions from `first` to `last` may leave
  const bool any = first <= 0 && last >= newest;
  const float* ranks = k.board + (size_t)lane * k.stride;
  const int32_t* table = st.archiveTable + (size_t)lane * st.archivePages;
  uint32_t low[PAGE];
  int32_t at[PAGE];
  for (int i = 0; i < PAGE; i++) {
    low[i] = UINT32_MAX;  // above every rank
    at[i] = -1;
  }
  const auto visit = [&](int slot, int i, int position) __attribute__((always_inline)) {
    const bool may = any || (position >= first && position <= last);
    const uint32_t rank = may ? ordered(ranks[slot]) : UINT32_MAX;
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
  if (over < k.slack) return;
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
    const float* ranks = k.board + (size_t)lane * k.stride;
    const double recent = recentOf(k, lane);
    int64_t own = 0;
    for (int s = 0; s < keys; s++) {
      const int position = positionOf(k, lane, s);
      marks[s] = position < st.protect[set] || position > newest - recent;
      own += marks[s];
    }
    const int64_t floor = count > 1 ? (int64_t)::floor(st.budget[lane] * k.share) : 0;
    if (floor > own) {
      Best top = best(floor - own, [&](auto visit) {
        for (int s = 0; s < keys; s++)
          if (!marks[s]) visit(ranks[s]);
      });
      for (int s = 0; s < keys; s++)
        if (!marks[s] && top.takes(ranks[s])) own += marks[s] = 1;
    }
    kept += own;
    budget += st.budget[lane];
  }
  Best top = best(budget - kept, [&](auto visit) {
    for (int i = from; i < from + count; i++)
      for (int s = 0; s <= st.archive[base + i]; s++)
        if (!k.marksOf(item, i)[s]) visit(k.board[(size_t)(base + i) * k.stride + s]);
  });
  for (int i = from; i < from + count; i++) {
    uint8_t* marks = k.marksOf(item, i);
    k.acts[(size_t)item * k.each + i] = 1;
    for (int s = 0; s <= st.archive[base + i]; s++)
      if (!marks[s]) marks[s] = top.takes(k.board[(size_t)(base + i) * k.stride + s]);
  }
}

/** Closes the gaps, order kept. Keys are read where the table pointed before: copies take the place of what others hold. */
static int compact(const Cutting& k, int lane, const uint8_t* marks, int32_t* sources) {
  Store& st = *k.st;
  const int archive = st.archive[lane];
  int32_t* table = st.archiveTable + (size_t)lane * st.archivePages;
  float* ranks = k.board + (size_t)lane * k.stride;
  memcpy(sources, table, (size_t)((archive + PAGE - 1) / PAGE) * 4);
  int to = 0;
  for (int s = 0; s < archive; s++) {
    if (!marks[s]) continue;
    if (s != to) {
      const int target = writablePage(*k.c, st, lane, &table[to / PAGE]);
      if (target < 0) return archive;
      copyKey(st, pageAt(*k.c, st, lane, sources[s / PAGE]), s % PAGE, target, to % PAGE);
      ranks[to] = ranks[s];
    }
    to++;
  }
  // The next key is written into the last page.
  if (to < archive && to % PAGE != 0) writablePage(*k.c, st, lane, &table[to / PAGE]);
  return to;
}

static void drop(const Cutting& k, int lane, const uint8_t* marks, int32_t* sources) {
  Store& st = *k.st;
  const int archive = st.archive[lane];
  float* ranks = k.board + (size_t)lane * k.stride;
  int gone = 0, last = -1;
  for (int s = 0; s <= archive; s++)
    if (!marks[s]) {
      gone++;
      last = s;
    }
  if (gone == 0) return;
  const bool pending = last == archive;
  if (k.replace && gone == 1 && !pending) {
    st.dead[lane] = last;
    ranks[last] = ranks[archive];  // the pending key will lie there
    return;
  }
  if (pending) st.dead[lane] = DEAD_PENDING;
  const int to = compact(k, lane, marks, sources);
  st.archive[lane] = to;
  ranks[to] = pending ? 0 : ranks[archive];
}

void keep(const Call& c, int thread) {
  Cutting k = {};
  Store& st = lanesOf(c, 2);
  k.c = &c;
  k.st = &st;
  k.board = floats(c, 0);
  k.stride = c.words[1];
  const int layer = c.words[3], layers = c.words[4], count = c.words[7], pool = c.words[11];
  const int32_t* items = ints(c, 5) + (size_t)c.words[6] * 3;
  k.slack = c.words[8];
  k.recent = wide(c, 9);
  k.share = wide(c, 12);
  k.replace = c.words[14] != 0;
  k.each = layers * st.kvHeads;
  k.slots = laneSlots(st);
  int32_t* sources = (int32_t*)(c.scratch + sourceBytes(st) * thread);
  k.acts = (uint8_t*)c.scratch + sourceBytes(st) * teamSize(c.team);
  k.marks = k.acts + lineUp((size_t)count * k.each);
  const int shared = pool == POOL_LANE ? 1 : k.each, pools = k.each / shared;
  HT_TASKS(c, t, count * pools) {
    const int32_t* item = items + (size_t)(t / pools) * 3;
    decide(k, t / pools, item[0], item[2], laneOf(st, item[0], layer, 0), t % pools * shared, shared);
  }
  teamMeet(c.team);
  HT_TASKS(c, t, count * k.each) {
    const int item = t / k.each, i = t % k.each;
    if (k.acts[t]) drop(k, laneOf(st, items[3 * item], layer, 0) + i, k.marksOf(item, i), sources);
  }
}

}  // namespace HT_NS
