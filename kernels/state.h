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
/** Bytes of a page's bounds. */
HT_SIZE size_t boundsBytes(const Store& st) { return (size_t)2 * (size_t)st.headDim * st.numberBytes; }

/** The last queries of a layer, up to position `newest`: as many as both have room for. */
HT_SIZE void copyObserved(const Store& st, const float* from, int source, float* to, int target, int layer,
                          int newest) {
  const size_t bytes = queryBytes(st);
  const int count = source < target ? source : target;
  for (int p = newest; p >= 0 && p > newest - count; p--)
    memcpy((char*)to + ((size_t)layer * (size_t)target + (size_t)(p % target)) * bytes,
           (const char*)from + ((size_t)layer * (size_t)source + (size_t)(p % source)) * bytes, bytes);
}
