// Slots, pages, labels and scores of one lane.
#pragma once
#include "formats.h"
#include "pass.h"

namespace HT_NS {

/** How a set's keys are labelled in one operation; z null: they are not. */
struct Gates {
  const float* z;
  float threshold;
  int window, shift;
};

HT_INLINE Gates gatesOf(const float* z, const Store& st, int set) {
  Gates g = {st.window[set] == NO_LABELS ? nullptr : z, 0, st.window[set], st.shift[set] == 1};
  memcpy(&g.threshold, &st.threshold[set], 4);
  return g;
}
HT_INLINE bool over(const Store& st, const Gates& g, int h, int row) {
  return g.z && g.z[(size_t)row * st.kvHeads + h] > g.threshold;
}

HT_INLINE int laneOf(const Store& st, int set, int layer, int h) { return (set * st.layers + layer) * st.kvHeads + h; }

/** A lane's entries of a table: entryAt of buffers.ts. */
struct Entries {
  int32_t* at;
  size_t step;  // from span to span
  __attribute__((always_inline)) int32_t& operator[](int e) const {
    return at[(size_t)((uint32_t)e / SPAN_PAGES) * step + (uint32_t)e % SPAN_PAGES];
  }
};
HT_INLINE Entries entriesOf(const Store& st, int32_t* table, int pages, int set, int within) {
  const size_t step = (size_t)st.lanes * SPAN_PAGES;
  return {table + (size_t)set * (size_t)(pages / SPAN_PAGES) * step + (size_t)within * SPAN_PAGES, step};
}
HT_INLINE Entries archiveOf(const Store& st, int lane) {
  return entriesOf(st, st.archiveTable, st.archivePages, lane / st.lanes, lane % st.lanes);
}
HT_INLINE Entries doomedOf(const Store& st, int lane) {
  return entriesOf(st, st.doomedTable, st.doomedPages, lane / st.lanes, lane % st.lanes);
}
/** The entry of doomed slot `s`. */
HT_INLINE int ringEntry(const Store& st, int s) { return s / PAGE % st.doomedPages; }

/** Do the host's counters of a lane fit its tables? */
HT_INLINE bool sound(const Call& c, const Store& st, int lane) {
  const int archive = st.archive[lane], head = st.head[lane], tail = st.tail[lane], dead = st.dead[lane];
  const int slots = st.archivePages * PAGE;
  const bool queued = head >= 0 && tail >= head && tail - head <= st.doomedPages * PAGE;
  if (archive >= 0 && archive <= slots && queued && dead < slots) return true;
  return fail(c.fault, "lane %d: archive of %d, doomed %d .. %d or dead slot %d do not fit %d and %d pages", lane,
              archive, head, tail, dead, st.archivePages, st.doomedPages);
}

/** Lanes of a layer whose scores are added up slot by slot. */
HT_INLINE bool asMany(const Call& c, const Store& st, int first, int lane) {
  if (st.archive[first] == st.archive[lane]) return true;
  return fail(c.fault,
              "lane %d: expected as many keys as in lane %d where a layer's heads are ranked together, got %d and %d; "
              "cut all lanes of a layer alike",
              lane, first, st.archive[lane] + 1, st.archive[first] + 1);
}

/** What those say who take slots for positions: some key has left its own. */
HT_INLINE bool scattered(const Call& c, int lane, int last, int keys) {
  return fail(c.fault,
              "lane %d: expected every key up to position %d in its own slot, got %d keys; nothing may leave before",
              lane, last, keys);
}

/** A page id out of a table: the host wrote it, so a wrong one must be an error and no wild access. */
HT_INLINE int pageAt(const Call& c, const Store& st, int lane, int page) {
  if (page >= 0 && page < st.pages) return page;
  fail(c.fault, "lane %d: expected a page id below %d in its table, got %d", lane, st.pages, page);
  return 0;
}
HT_INLINE char* pageData(const Store& st, int page) { return st.arena + (size_t)page * st.pageBytes; }

/** Is there a pending key that queries see? */
HT_INLINE bool hasPending(const Store& st, int lane) {
  return st.pendingPosition[lane] >= 0 && st.dead[lane] != DEAD_PENDING;
}
/**
 * The pending key as the predecessor of `position`: is there one? Position 0 starts a chain, whatever the set held
 * before.
 */
HT_INLINE bool predecessor(const Call& c, const Store& st, int lane, int position) {
  if (position == 0 || !hasPending(st, lane)) return false;
  const int pending = st.pendingPosition[lane];
  if (pending != position - 1)
    fail(c.fault, "lane %d: expected position %d after the pending key, got %d", lane, pending + 1, position);
  return true;
}
HT_INLINE char* pendingAt(const Store& st, char* all, int lane) {
  return all + (size_t)lane * (size_t)st.width * st.numberBytes;
}
template <class Page>
HT_INLINE typename Page::Number* pendingKey(const Store& st, int lane) {
  return (typename Page::Number*)pendingAt(st, st.pendingK, lane);
}
template <class Page>
HT_INLINE typename Page::Number* pendingValue(const Store& st, int lane) {
  return (typename Page::Number*)pendingAt(st, st.pendingV, lane);
}

/** `row` is that of the token after the pending key. */
HT_INLINE bool pendingLabelled(const Store& st, int lane, int h, int row, const Gates& g) {
  if (!g.z) return false;
  return (g.shift == 1 ? g.z[(size_t)row * st.kvHeads + h] : st.pendingZ[lane]) > g.threshold;
}

/** Writes a key, floats or numbers as stored, into slot `s` of page-like memory. */
template <class Page, class T>
HT_INLINE void writeNumbers(char* page, int D, int s, const T* k, const T* v) {
  for (int d = 0; d < D; d++) *Page::keyAt(page, D, s, d) = Page::number(k[d]);
  for (int d = 0; d < D; d++) *Page::valueAt(page, D, s, d) = Page::number(v[d]);
}

HT_INLINE void copyPage(Store& st, int from, int to) {
  memcpy(pageData(st, to), pageData(st, from), st.pageBytes);
  memcpy(st.positions + (size_t)to * PAGE, st.positions + (size_t)from * PAGE, PAGE * 4);
}

/**
 * The next spare of the lane, -1 (and a failure) where there is none. It goes to `place` (entry e of the archive's
 * table, -1 - e of the doomed ring), which held `instead`.
 */
HT_INLINE int takeSpare(const Call& c, Store& st, int lane, int place, int instead) {
  const int index = st.used[lane], at = st.firstSpare[lane] + index;
  const int page = index >= 0 && index < st.spares[lane] && at >= 0 && at < st.pages ? st.spare[at] : -1;
  if (page < 0 || page >= st.pages) {
    fail(c.fault, "lane %d: expected a spare page at %d, got none; the plan gave this lane too few pages", lane, index);
    return -1;
  }
  st.spare[at] = instead;
  st.places[at] = place;
  st.used[lane]++;
  return page;
}

/** The page of a table's entry, replaced by a copy where others hold it too; -1 after a failure. */
HT_INLINE int writablePage(const Call& c, Store& st, int lane, int32_t& entry, int place) {
  const int page = pageAt(c, st, lane, entry);
  if (st.holders[page] <= 1) return page;
  const int copy = takeSpare(c, st, lane, place, page);
  if (copy < 0) return -1;
  copyPage(st, page, copy);
  return entry = copy;
}

/** Scores of `keys` keys of a lane; null, and a failure, where its set has not so many. */
HT_INLINE float* roomFor(const Call& c, const Store& st, int lane, int keys) {
  const State& state = st.states[lane / st.lanes];
  if (keys <= state.slots) return state.scores + (size_t)(lane % st.lanes) * (size_t)state.slots;
  fail(c.fault, "set %d: expected scores of at least %d keys on the device, got %d; attach them", lane / st.lanes, keys,
       state.slots);
  return nullptr;
}
/** Of all that it holds. */
HT_INLINE float* scoresOf(const Call& c, const Store& st, int lane) {
  return roomFor(c, st, lane, st.archive[lane] + 1);
}

/** Moments of a query head: sums of q [D], then of q q^T [D, D]; null, and a failure, where its set has none. */
HT_INLINE double* momentsOf(const Call& c, const Store& st, int set, int layer, int head) {
  const size_t D = (size_t)st.headDim, number = (size_t)layer * (size_t)st.queryHeads + (size_t)head;
  if (st.states[set].moments) return st.states[set].moments + number * (D + D * D);
  fail(c.fault, "set %d: expected moments of queries on the device, got none; attach them", set);
  return nullptr;
}

/** Does a set have room for changes of its hidden state at so many positions? */
HT_INLINE bool changes(const Call& c, const Store& st, int set, int64_t positions) {
  const State& state = st.states[set];
  return (state.changed && positions <= state.changes) ||
         fail(c.fault, "set %d: expected changes at %lld positions or more on the device, got %d; attach them", set,
              (long long)positions, state.changes);
}
HT_INLINE bool observes(const Call& c, const Store& st, int set, int queries) {
  const int room = st.states[set].queries;
  return queries <= room ||
         fail(c.fault, "set %d: expected at least %d observed queries on the device, got %d; attach them", set, queries,
              room);
}
HT_INLINE bool hasBounds(const Call& c, const Store& st, int set) {
  return st.states[set].bounds ||
         fail(c.fault, "set %d: expected bounds of pages on the device, got none; attach them", set);
}

}  // namespace HT_NS
