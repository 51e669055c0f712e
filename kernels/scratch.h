// How operations lay out the scratch memory; plan.cc sizes it by the same functions before a pass starts.
#pragma once
#include <stdint.h>

#include "pass.h"

#define HT_SIZE static inline __attribute__((always_inline))

HT_SIZE size_t lineUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

/** Floats of one partial result: output (rounded up to 16 channels), maximum, sum. */
HT_SIZE size_t partialFloats(const Store& st) { return (size_t)st.width + 16; }

/** What a thread of `attend` and `attendChunk` has for itself. */
HT_SIZE size_t threadBytes(const Store& st, int steps) {
  const size_t rows = (size_t)QUERY_ROWS * ((size_t)st.width * 4 * 2 + CUT * 4);  // q, outputs, scores
  return lineUp(rows + 2 * CUT * 4 + (size_t)steps);                              // positions, limits; flags of steps
}

/** Most partials of one step and head. */
HT_SIZE size_t mostParts(const Store& st) {
  return (size_t)(st.archivePages + CUT_PAGES - 1) / CUT_PAGES + (size_t)(st.doomedPages + CUT_PAGES - 1) / CUT_PAGES + 3;
}

/** Pages that hold the pending key and `rows` keys of a chunk. */
HT_SIZE int chunkPages(int rows) { return (rows + 1 + PAGE - 1) / PAGE; }

/** A converted page of a chunk: keys and values, then the last position that sees each slot. */
HT_SIZE size_t chunkPageBytes(const Store& st) { return lineUp(st.pageBytes) + PAGE * 4; }
