// Slots, pages and labels of one lane.
#pragma once
#include "words.h"

namespace HT_NS {

constexpr int DEAD_NONE = -1;
constexpr int DEAD_PENDING = -2;

/** `Labels` of device.ts; z null: nothing is labelled. */
struct Gates {
  const float* z;
  float threshold;
  int window;
  int shift;
};

HT_INLINE Gates gates(const Call& c, int i) { return {floats(c, i), real(c, i + 1), c.words[i + 2], c.words[i + 3]}; }
HT_INLINE bool over(const Store& st, const Gates& g, int h, int row) {
  return g.z && g.z[(size_t)row * st.kvHeads + h] > g.threshold;
}

HT_INLINE int laneOf(const Store& st, int set, int layer, int h) { return (set * st.layers + layer) * st.kvHeads + h; }
HT_INLINE int32_t* doomedEntry(Store& st, int lane, int s) {
  return &st.doomedTable[(size_t)lane * st.doomedPages + s / PAGE % st.doomedPages];
}

/** Do the host's counters of a lane fit its tables? */
HT_INLINE bool sound(const Call& c, const Store& st, int lane) {
  const int archive = st.archive[lane], head = st.head[lane], tail = st.tail[lane], dead = st.dead[lane];
  const int slots = st.archivePages * PAGE;
  if (archive >= 0 && archive <= slots && head >= 0 && tail >= head && tail - head <= st.doomedPages * PAGE && dead < slots)
    return true;
  fail(c.fault, "lane %d: archive of %d, doomed %d .. %d or dead slot %d do not fit %d and %d pages", lane, archive, head, tail,
       dead, st.archivePages, st.doomedPages);
  return false;
}

/** Lanes of a layer whose ranks are added up slot by slot. */
HT_INLINE bool asMany(const Call& c, const Store& st, int first, int lane) {
  if (st.archive[first] == st.archive[lane]) return true;
  fail(c.fault,
       "lane %d: expected as many keys as in lane %d where a layer's heads are ranked together, got %d and %d; "
       "cut all lanes of a layer alike",
       lane, first, st.archive[lane] + 1, st.archive[first] + 1);
  return false;
}

/** A page id out of a table: the host wrote it, so a wrong one must be an error and no wild access. */
HT_INLINE int pageAt(const Call& c, const Store& st, int lane, int page) {
  if (page >= 0 && page < st.pages) return page;
  fail(c.fault, "lane %d: expected a page id below %d in its table, got %d", lane, st.pages, page);
  return 0;
}
HT_INLINE char* pageData(const Store& st, int page) { return st.arena + (size_t)page * st.pageBytes; }

/** The pending key as the predecessor of `position`: is there one? Position 0 starts a chain, whatever the set held before. */
HT_INLINE bool predecessor(const Call& c, const Store& st, int lane, int position) {
  const int pending = st.pendingPosition[lane];
  if (position == 0 || pending < 0 || st.dead[lane] == DEAD_PENDING) return false;
  if (pending != position - 1)
    fail(c.fault, "lane %d: expected position %d after the pending key, got %d", lane, pending + 1, position);
  return true;
}

/** `row` is that of the token after the pending key. */
HT_INLINE bool pendingLabelled(const Store& st, int lane, int h, int row, const Gates& g) {
  if (!g.z) return false;
  return (g.shift == 1 ? g.z[(size_t)row * st.kvHeads + h] : st.pendingZ[lane]) > g.threshold;
}

/** Writes a key's numbers into slot `s` of page-like memory. */
HT_INLINE void writeNumbers(char* page, int D, bool bf16, int s, const float* k, const float* v) {
  if (bf16) {
    uint16_t* keys = (uint16_t*)page;
    uint16_t* values = keys + (size_t)D * PAGE + (size_t)(s / 2) * 2 * D + s % 2;
    for (int d = 0; d < D; d++) {
      keys[d / 2 * 2 * PAGE + 2 * s + d % 2] = toBf16(k[d]);
      values[2 * d] = toBf16(v[d]);
    }
  } else {
    float* keys = (float*)page;
    float* values = keys + (size_t)D * PAGE + (size_t)s * D;
    for (int d = 0; d < D; d++) {
      keys[d * PAGE + s] = k[d];
      values[d] = v[d];
    }
  }
}

HT_INLINE void readNumbers(const char* page, int D, bool bf16, int s, float* k, float* v) {
  if (bf16) {
    const uint16_t* keys = (const uint16_t*)page;
    const uint16_t* values = keys + (size_t)D * PAGE + (size_t)(s / 2) * 2 * D + s % 2;
    for (int d = 0; d < D; d++) {
      k[d] = fromBf16(keys[d / 2 * 2 * PAGE + 2 * s + d % 2]);
      v[d] = fromBf16(values[2 * d]);
    }
  } else {
    const float* keys = (const float*)page;
    const float* values = keys + (size_t)D * PAGE + (size_t)s * D;
    for (int d = 0; d < D; d++) {
      k[d] = keys[d * PAGE + s];
      v[d] = values[d];
    }
  }
}

HT_INLINE void writeKey(Store& st, int page, int s, const float* k, const float* v, int position) {
  writeNumbers(pageData(st, page), st.headDim, st.bf16, s, k, v);
  st.positions[(size_t)page * PAGE + s] = position;
}

/** Slot `s` of page `from` to slot `t` of page `to`, bits unchanged. */
HT_INLINE void copyKey(Store& st, int from, int s, int to, int t) {
  const int D = st.headDim;
  const char* source = pageData(st, from);
  char* target = pageData(st, to);
  if (st.bf16) {
    const uint32_t* k = (const uint32_t*)source;
    uint32_t* toK = (uint32_t*)target;
    for (int d = 0; d < D / 2; d++) toK[d * PAGE + t] = k[d * PAGE + s];
    const uint16_t* v = (const uint16_t*)source + (size_t)D * PAGE + (size_t)(s / 2) * 2 * D + s % 2;
    uint16_t* toV = (uint16_t*)target + (size_t)D * PAGE + (size_t)(t / 2) * 2 * D + t % 2;
    for (int d = 0; d < D; d++) toV[2 * d] = v[2 * d];
  } else {
    const float* k = (const float*)source;
    float* toK = (float*)target;
    for (int d = 0; d < D; d++) toK[d * PAGE + t] = k[d * PAGE + s];
    memmove(toK + (size_t)D * PAGE + (size_t)t * D, k + (size_t)D * PAGE + (size_t)s * D, (size_t)D * 4);
  }
  st.positions[(size_t)to * PAGE + t] = st.positions[(size_t)from * PAGE + s];
}

HT_INLINE void copyPage(Store& st, int from, int to) {
  memcpy(pageData(st, to), pageData(st, from), st.pageBytes);
  memcpy(st.positions + (size_t)to * PAGE, st.positions + (size_t)from * PAGE, PAGE * 4);
}

/** The next spare of the lane, -1 (and a failure) where there is none; its entry turns to `instead`. */
HT_INLINE int takeSpare(const Call& c, Store& st, int lane, int instead) {
  const int index = st.used[lane];
  const size_t at = (size_t)lane * st.sparePages + index;
  const int page = index >= 0 && index < st.sparePages ? st.spare[at] : -1;
  if (page < 0 || page >= st.pages) {
    fail(c.fault, "lane %d: expected a spare page at %d, got none; the plan gave this lane too few pages", lane, index);
    return -1;
  }
  st.spare[at] = instead;
  st.used[lane]++;
  return page;
}

/** The page of a table entry, replaced by a copy where others hold it too; -1 after a failure. */
HT_INLINE int writablePage(const Call& c, Store& st, int lane, int32_t* entry) {
  const int page = pageAt(c, st, lane, *entry);
  if (st.holders[page] <= 1) return page;
  const int copy = takeSpare(c, st, lane, page);
  if (copy < 0) return -1;
  copyPage(st, page, copy);
  *entry = copy;
  return copy;
}

}  // namespace HT_NS
