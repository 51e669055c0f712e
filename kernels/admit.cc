// Keys move: into the archive, the doomed queue, out; pages are taken from the spares. A lane is one task, alone with
// its tables.
#include "lane.h"
#include "state.h"
#include "table.h"

namespace HT_NS {

/** The page of slot `s`, the next of the archive: where it opens a page, one that a cut left behind, or a spare. */
static int archivePage(const Call& c, Store& st, int lane, int s) {
  const int e = s / PAGE;
  int32_t& entry = archiveOf(st, lane)[e];
  if (s % PAGE != 0) return writablePage(c, st, lane, entry, e);
  const bool held = e < st.held[lane];
  if (held && st.holders[pageAt(c, st, lane, entry)] <= 1) return pageAt(c, st, lane, entry);
  const int page = takeSpare(c, st, lane, e, held ? entry : -1);
  if (page < 0) return -1;
  if (!held) st.held[lane] = e + 1;
  return entry = page;
}

static int doomedPage(const Call& c, Store& st, int lane, int s) {
  const int e = ringEntry(st, s);
  int32_t& entry = doomedOf(st, lane)[e];
  if (s % PAGE != 0) return writablePage(c, st, lane, entry, -1 - e);
  const int page = takeSpare(c, st, lane, -1 - e, -1);
  return page < 0 ? -1 : entry = page;
}

/**
 * Gives a key its place: the dead slot, the archive, the doomed queue, or none; `write(page, slot)` writes it there.
 */
template <class Write>
static void settle(const Call& c, Store& st, int lane, int position, bool labelled, int last, const Gates& g,
                   const Write& write) {
  const auto put = [&](int page, int s) {
    if (page < 0) return false;
    write(pageData(st, page), s % PAGE);
    st.positions[(size_t)page * PAGE + s % PAGE] = position;
    return true;
  };
  if (st.dead[lane] >= 0) {
    const int s = st.dead[lane];
    put(writablePage(c, st, lane, archiveOf(st, lane)[s / PAGE], s / PAGE), s);
    st.dead[lane] = DEAD_NONE;
  } else if (!labelled) {
    const int s = st.archive[lane];
    if (s >= st.archivePages * PAGE)
      fail(c.fault, "lane %d: archive of %d pages is full at slot %d; plan more pages", lane, st.archivePages, s);
    else if (put(archivePage(c, st, lane, s), s)) st.archive[lane]++;
  } else if (position >= last - g.window) {
    const int s = st.tail[lane];
    if (s / PAGE - st.head[lane] / PAGE >= st.doomedPages)
      fail(c.fault, "lane %d: ring of %d doomed pages is full at slot %d; plan more pages", lane, st.doomedPages, s);
    else if (put(doomedPage(c, st, lane, s), s)) st.tail[lane]++;
  }
}

/** Drops the doomed keys that queries from `last` on do not see. Without gates there is no window: all stay. */
static void dropDoomed(const Call& c, Store& st, int lane, int last, const Gates& g) {
  if (!g.z) return;
  const Entries table = doomedOf(st, lane);
  while (st.head[lane] < st.tail[lane]) {
    const int page = pageAt(c, st, lane, table[ringEntry(st, st.head[lane])]);
    if (st.positions[(size_t)page * PAGE + st.head[lane] % PAGE] >= last - g.window) return;
    st.head[lane]++;
  }
}

/**
 * A lane's run of rows at consecutive positions. `write(i, page, slot)` writes key i, `pend(k, v)` the last as pending.
 */
template <class Page, class Write, class Pend>
static void admitRows(const Call& c, Store& st, int layer, const Run& run, int h, const Gates& g, const Write& write,
                      const Pend& pend) {
  const int lane = laneOf(st, run.set, layer, h), D = st.headDim, last = run.position + run.rows - 1;
  if (!sound(c, st, lane)) return;
  dropDoomed(c, st, lane, last, g);
  auto* k = pendingKey<Page>(st, lane);
  auto* v = pendingValue<Page>(st, lane);
  if (predecessor(c, st, lane, run.position))
    settle(c, st, lane, run.position - 1, pendingLabelled(st, lane, h, run.row, g), last, g,
           [&](char* page, int s) { writeNumbers<Page>(page, D, s, k, v); });
  for (int i = 0; i < run.rows - 1; i++)
    settle(c, st, lane, run.position + i, over(st, g, h, run.row + i + g.shift), last, g,
           [&](char* page, int s) { write(i, page, s); });
  pend(k, v);
  st.pendingPosition[lane] = last;
  st.pendingZ[lane] = g.z ? g.z[(size_t)(run.row + run.rows - 1) * st.kvHeads + h] : 0;
  if (st.dead[lane] == DEAD_PENDING) st.dead[lane] = DEAD_NONE;
}

void admit(const Call& c, const AdmitArgs& a) {
  Store& st = *a.lanes;
  const int D = st.headDim;
  withPage(st.format, [&](auto format) {
    typedef decltype(format) Page;
    HT_TASKS(c, t, a.runs.count * st.kvHeads) {
      const Run& run = a.runs[t / st.kvHeads];
      const int h = t % st.kvHeads;
      const auto row = [&](const float* x, int i) { return x + ((size_t)(run.row + i) * st.kvHeads + h) * D; };
      const auto write = [&](int i, char* page, int s) { writeNumbers<Page>(page, D, s, row(a.k, i), row(a.v, i)); };
      const auto pend = [&](auto* k, auto* v) {
        const float *key = row(a.k, run.rows - 1), *value = row(a.v, run.rows - 1);
        for (int d = 0; d < D; d++) {
          k[d] = Page::number(key[d]);
          v[d] = Page::number(value[d]);
        }
      };
      if (run.rows > 0) admitRows<Page>(c, st, a.layer, run, h, gatesOf(a.z, st, run.set), write, pend);
    }
  });
}

/** Has nothing left the lane before slot `end`, so that slots are positions? */
static bool whole(const Call& c, const Store& st, int lane, int end) {
  if (!sound(c, st, lane)) return false;
  const int keys = st.archive[lane] + hasPending(st, lane);
  const bool dense = !hasPending(st, lane) || st.pendingPosition[lane] == st.archive[lane];
  if (keys >= end && dense && st.dead[lane] == DEAD_NONE && st.head[lane] == st.tail[lane]) return true;
  return scattered(c, lane, end - 1, keys);
}

void readmit(const Call& c, const ReadmitArgs& a) {
  Store& st = *a.lanes;
  const int D = st.headDim;
  withPage(st.format, [&](auto format) {
    typedef decltype(format) Page;
    HT_TASKS(c, t, a.copies.count * st.kvHeads) {
      const Copy& copy = a.copies[t / st.kvHeads];
      const Run run = {copy.set, copy.row, copy.rows, copy.position};
      const int h = t % st.kvHeads, from = laneOf(st, copy.source, a.layer, h);
      if (run.rows == 0 || !whole(c, st, from, run.position + run.rows)) continue;
      const Entries table = archiveOf(st, from);
      const auto pageOf = [&](int s) { return pageData(st, pageAt(c, st, from, table[s / PAGE])); };
      const auto write = [&](int i, char* page, int s) {
        const int slot = run.position + i;
        Page::copy(pageOf(slot), slot % PAGE, page, s, D);
      };
      const auto pend = [&](auto* k, auto* v) {
        const int slot = run.position + run.rows - 1;
        if (slot == st.archive[from]) {
          memcpy(k, pendingKey<Page>(st, from), (size_t)D * st.numberBytes);
          memcpy(v, pendingValue<Page>(st, from), (size_t)D * st.numberBytes);
          return;
        }
        char* page = pageOf(slot);
        for (int d = 0; d < D; d++) {
          k[d] = *Page::keyAt(page, D, slot % PAGE, d);
          v[d] = *Page::valueAt(page, D, slot % PAGE, d);
        }
      };
      admitRows<Page>(c, st, a.layer, run, h, gatesOf(a.z, st, run.set), write, pend);
    }
  });
}

static void copyWhereDiffering(const Call& c, Store& st, int lane, int from, int to) {
  if (from == to) return;
  from = pageAt(c, st, lane, from);
  to = pageAt(c, st, lane, to);
  copyPage(st, from, to);
}

/** Scores of the live keys, which stand at the front of a lane's row, as far as both sets have room. */
static void copyScores(const Store& st, int from, int to) {
  const State &source = st.states[from / st.lanes], &target = st.states[to / st.lanes];
  const int keys = least(st.archive[from] + 1, least(source.slots, target.slots));
  memcpy(target.scores + (size_t)(to % st.lanes) * (size_t)target.slots,
         source.scores + (size_t)(from % st.lanes) * (size_t)source.slots, (size_t)keys * 4);
}

/** The host has given the destination its tables and counters; what is left are the pages that both would write. */
void fork(const Call& c, const ForkArgs& a) {
  Store& st = *a.lanes;
  HT_TASKS(c, t, a.pairs.count * st.lanes) {
    const Pair& pair = a.pairs[t / st.lanes];
    const int within = t % st.lanes, from = pair.source * st.lanes + within, to = pair.set * st.lanes + within;
    if (!sound(c, st, from)) continue;
    const int last = (st.archive[from] + PAGE - 1) / PAGE - 1;
    if (last >= 0) copyWhereDiffering(c, st, to, archiveOf(st, from)[last], archiveOf(st, to)[last]);
    // A page that the head is still in stays held even when no key in it lives: the tail goes on there.
    const int head = st.head[from], tail = st.tail[from];
    if ((tail + PAGE - 1) / PAGE > head / PAGE) {
      const int e = ringEntry(st, tail - 1);
      copyWhereDiffering(c, st, to, doomedOf(st, from)[e], doomedOf(st, to)[e]);
    }
    const size_t bytes = (size_t)st.width * st.numberBytes;
    memcpy(pendingAt(st, st.pendingK, to), pendingAt(st, st.pendingK, from), bytes);
    memcpy(pendingAt(st, st.pendingV, to), pendingAt(st, st.pendingV, from), bytes);
    st.pendingPosition[to] = st.pendingPosition[from];
    st.pendingZ[to] = st.pendingZ[from];
    copyScores(st, from, to);
    if (within == 0) copyChanges(st.states[pair.source], st.states[pair.set]);
    if (within % st.kvHeads == 0) {
      const State &source = st.states[pair.source], &target = st.states[pair.set];
      const int layer = within / st.kvHeads, newest = st.pendingPosition[from];
      copyObserved(st, source.observed, source.queries, target.observed, target.queries, layer, newest);
      const size_t D = (size_t)st.headDim, sums = (size_t)st.queryHeads * (D + D * D);
      if (source.moments && target.moments)
        memcpy(target.moments + layer * sums, source.moments + layer * sums, sums * 8);
    }
  }
}

}  // namespace HT_NS
