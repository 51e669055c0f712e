// Sizes of what a set remembers, and how observed queries move to room of another size.
#pragma once
#include "pages.h"

#define HT_SIZE static inline __attribute__((always_inline))

HT_SIZE size_t scoresBytes(const Store& st, int slots) { return (size_t)st.lanes * (size_t)slots * 4; }
HT_SIZE size_t queryBytes(const Store& st) { return (size_t)st.queryHeads * (size_t)st.headDim * 4; }
HT_SIZE size_t observedBytes(const Store& st, int queries) {
  return (size_t)st.layers * (size_t)queries * queryBytes(st);
}
HT_SIZE size_t momentsBytes(const Store& st) {
  return (size_t)st.layers * (size_t)st.queryHeads * (size_t)st.headDim * (size_t)(1 + st.headDim) * 8;
}
HT_SIZE size_t changesBytes(int changes, int width) { return (2 * (size_t)width + 3 * (size_t)changes) * 4; }
/** Bytes of a page's bounds. */
HT_SIZE size_t boundsBytes(const Store& st) { return (size_t)2 * (size_t)st.headDim * st.numberBytes; }

/** The last hidden state before the early or the late layer, how far it moved by position, and what of that ranks. */
HT_SIZE float* lastState(const State& s, bool late) { return s.changed + (late ? (size_t)s.width : 0); }
HT_SIZE float* movedOf(const State& s, bool late) {
  return s.changed + 2 * (size_t)s.width + (late ? (size_t)s.changes : 0);
}
HT_SIZE float* standingOf(const State& s) { return s.changed + 2 * ((size_t)s.width + (size_t)s.changes); }
/** What both have room for. */
HT_SIZE void copyChanges(const State& from, const State& to) {
  if (!from.changed || !to.changed) return;
  const size_t width = (size_t)(from.width < to.width ? from.width : to.width) * 4;
  const size_t positions = (size_t)(from.changes < to.changes ? from.changes : to.changes) * 4;
  for (const bool late : {false, true}) {
    memcpy(lastState(to, late), lastState(from, late), width);
    memcpy(movedOf(to, late), movedOf(from, late), positions);
  }
  memcpy(standingOf(to), standingOf(from), positions);
}

/** The last queries of a layer, up to position `newest`: as many as both have room for. */
HT_SIZE void copyObserved(const Store& st, const float* from, int source, float* to, int target, int layer,
                          int newest) {
  const size_t bytes = queryBytes(st);
  const int count = source < target ? source : target;
  for (int p = newest; p >= 0 && p > newest - count; p--)
    memcpy((char*)to + ((size_t)layer * (size_t)target + (size_t)(p % target)) * bytes,
           (const char*)from + ((size_t)layer * (size_t)source + (size_t)(p % source)) * bytes, bytes);
}
