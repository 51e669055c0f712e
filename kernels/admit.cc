// Keys move: into the archive, the doomed queue, out; pages are taken from the spares. A lane is one task, alone with its tables.
#include "lane.h"
#include "table.h"

namespace HT_NS {

struct Labelled {
  const float *k, *v;
  int position;
  bool labelled;
};

/** The page that slot `s`, the next of its part, goes to: where it opens a page, one that a cut left behind, or a spare. */
static int appendPage(const Call& c, Store& st, int lane, int32_t* entry, int s, bool archive) {
  if (s % PAGE != 0) return writablePage(c, st, lane, entry);
  const int left = archive ? *entry : -1;
  if (left >= 0) {
    pageAt(c, st, lane, left);
    if (left < st.pages && st.holders[left] <= 1) return left;
  }
  const int page = takeSpare(c, st, lane, left);
  if (page >= 0) *entry = page;
  return page;
}

/** Gives a key its place: the dead slot, the archive, the doomed queue, or none. */
static void settle(const Call& c, Store& st, int lane, const Labelled& key, int last, const Gates& g) {
  if (st.dead[lane] >= 0) {
    const int s = st.dead[lane];
    const int page = writablePage(c, st, lane, &st.archiveTable[(size_t)lane * st.archivePages + s / PAGE]);
    if (page >= 0) writeKey(st, page, s % PAGE, key.k, key.v, key.position);
    st.dead[lane] = DEAD_NONE;
  } else if (!key.labelled) {
    const int s = st.archive[lane];
    if (s >= st.archivePages * PAGE)
      return fail(c.fault, "lane %d: archive of %d pages is full at slot %d; plan more pages", lane, st.archivePages, s);
    const int page = appendPage(c, st, lane, &st.archiveTable[(size_t)lane * st.archivePages + s / PAGE], s, true);
    if (page < 0) return;
    writeKey(st, page, s % PAGE, key.k, key.v, key.position);
    st.archive[lane]++;
  } else if (key.position >= last - g.window) {
    const int s = st.tail[lane];
    if (s / PAGE - st.head[lane] / PAGE >= st.doomedPages)
      return fail(c.fault, "lane %d: ring of %d doomed pages is full at slot %d; plan more pages", lane, st.doomedPages, s);
    const int page = appendPage(c, st, lane, doomedEntry(st, lane, s), s, false);
    if (page < 0) return;
    writeKey(st, page, s % PAGE, key.k, key.v, key.position);
    st.tail[lane]++;
  }
}

/** Drops the doomed keys that the query at `last` and later ones do not see. Without gates there is no window: all stay. */
static void dropDoomed(const Call& c, Store& st, int lane, int last, const Gates& g) {
  if (!g.z) return;
  while (st.head[lane] < st.tail[lane]) {
    const int page = pageAt(c, st, lane, *doomedEntry(st, lane, st.head[lane]));
    if (st.positions[(size_t)page * PAGE + st.head[lane] % PAGE] >= last - g.window) return;
    st.head[lane]++;
  }
}

static void setPending(Store& st, int lane, const float* k, const float* v, int position, float z) {
  float* pk = st.pendingK + (size_t)lane * st.width;
  float* pv = st.pendingV + (size_t)lane * st.width;
  for (int d = 0; d < st.headDim; d++) {
    pk[d] = st.bf16 ? fromBf16(toBf16(k[d])) : k[d];
    pv[d] = st.bf16 ? fromBf16(toBf16(v[d])) : v[d];
  }
  st.pendingPosition[lane] = position;
  st.pendingZ[lane] = z;
  if (st.dead[lane] == DEAD_PENDING) st.dead[lane] = DEAD_NONE;
}

/** A lane's run of rows at positions first, first + 1, ...: a chunk, or a step of one row. */
static void admitRows(const Call& c, Store& st, int layer, int set, int h, int row, int rows, int first) {
  const float* k = floats(c, 0);
  const float* v = floats(c, 1);
  const Gates g = gates(c, 7);
  const int lane = laneOf(st, set, layer, h), D = st.headDim, last = first + rows - 1;
  const auto key = [&](const float* x, int i) { return x + ((size_t)(row + i) * st.kvHeads + h) * D; };
  if (!sound(c, st, lane)) return;
  dropDoomed(c, st, lane, last, g);
  if (predecessor(c, st, lane, first)) {
    const Labelled before = {st.pendingK + (size_t)lane * st.width, st.pendingV + (size_t)lane * st.width, first - 1,
                             pendingLabelled(st, lane, h, row, g)};
    settle(c, st, lane, before, last, g);
  }
  for (int i = 0; i < rows - 1; i++)
    settle(c, st, lane, {key(k, i), key(v, i), first + i, over(st, g, h, row + i + g.shift)}, last, g);
  setPending(st, lane, key(k, rows - 1), key(v, rows - 1), last,
             g.z ? g.z[(size_t)(row + rows - 1) * st.kvHeads + h] : 0);
}

void admitChunk(const Call& c, int) {
  Store& st = lanesOf(c, 2);
  const int layer = c.words[3], count = c.words[6];
  const int32_t* items = ints(c, 4) + (size_t)c.words[5] * 4;
  HT_TASKS(c, t, count * st.kvHeads) {
    const int32_t* item = items + (size_t)(t / st.kvHeads) * 4;
    if (item[2] > 0) admitRows(c, st, layer, item[0], t % st.kvHeads, item[1], item[2], item[3]);
  }
}

void admit(const Call& c, int) {
  Store& st = lanesOf(c, 2);
  const int layer = c.words[3], count = c.words[6];
  const int32_t* items = ints(c, 4) + (size_t)c.words[5] * 3;
  HT_TASKS(c, t, count * st.kvHeads) {
    const int32_t* item = items + (size_t)(t / st.kvHeads) * 3;
    admitRows(c, st, layer, item[0], t % st.kvHeads, item[1], 1, item[2]);
  }
}

static void copyWhereDiffering(const Call& c, Store& st, int lane, int from, int to) {
  if (from == to) return;
  from = pageAt(c, st, lane, from);
  to = pageAt(c, st, lane, to);
  copyPage(st, from, to);
}

/** Ranks of the live keys, which stand at the front of a lane's row. */
static void copyRanks(const Call& c, const Store& st, int from, int to) {
  float* board = floats(c, 4);
  const int stride = c.words[5];
  const bool pending = st.pendingPosition[from] >= 0 && st.dead[from] != DEAD_PENDING;
  const int live = st.archive[from] + (pending ? 1 : 0);
  if (live > stride) return fail(c.fault, "lane %d: expected a board of at least %d ranks a lane, got %d", from, live, stride);
  memcpy(board + (size_t)to * stride, board + (size_t)from * stride, (size_t)live * 4);
}

/** `numbers` of a layer of a set, where word i names a buffer. */
static void copyLayer(const Call& c, int i, int from, int to, size_t numbers) {
  float* all = floats(c, i);
  if (all) memcpy(all + (size_t)to * numbers, all + (size_t)from * numbers, numbers * 4);
}

/** The host has given the destination its tables and counters; what is left are the pages that both would write. */
void fork(const Call& c, int) {
  Store& st = lanesOf(c, 0);
  const int each = st.layers * st.kvHeads, count = c.words[3];
  const int32_t* items = ints(c, 1) + (size_t)c.words[2] * 2;
  HT_TASKS(c, t, count * each) {
    const int32_t* pair = items + (size_t)(t / each) * 2;
    const int from = pair[0] * each + t % each, to = pair[1] * each + t % each;
    if (!sound(c, st, from)) continue;
    const int pages = (st.archive[from] + PAGE - 1) / PAGE;
    if (pages > 0)
      copyWhereDiffering(c, st, to, st.archiveTable[(size_t)from * st.archivePages + pages - 1],
                         st.archiveTable[(size_t)to * st.archivePages + pages - 1]);
    // A page that the head is still in stays held even when no key in it lives: the tail goes on there.
    const int head = st.head[from], tail = st.tail[from];
    if ((tail + PAGE - 1) / PAGE > head / PAGE)
      copyWhereDiffering(c, st, to, *doomedEntry(st, from, tail - 1), *doomedEntry(st, to, tail - 1));
    const size_t bytes = (size_t)st.width * 4;
    memcpy(st.pendingK + (size_t)to * st.width, st.pendingK + (size_t)from * st.width, bytes);
    memcpy(st.pendingV + (size_t)to * st.width, st.pendingV + (size_t)from * st.width, bytes);
    st.pendingPosition[to] = st.pendingPosition[from];
    st.pendingZ[to] = st.pendingZ[from];
    if (c.words[4] >= 0) copyRanks(c, st, from, to);
    if (t % st.kvHeads == 0) {
      const size_t width = (size_t)st.queryHeads * st.headDim;
      copyLayer(c, 6, from / st.kvHeads, to / st.kvHeads, (size_t)c.words[7] * width);
      copyLayer(c, 8, from / st.kvHeads, to / st.kvHeads, 2 * width * (size_t)(1 + st.headDim));
    }
  }
}

}  // namespace HT_NS
