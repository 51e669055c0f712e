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
  const size_t rows = (size_t)QUERY_ROWS * ((size_t)st.width * 4 * 2 + SPAN * 4);  // q, outputs, scores
  return lineUp(rows + 2 * SPAN * 4 + (size_t)steps);                              // positions, limits; flags of steps
}

/** Most partials of one step and head. */
HT_SIZE size_t mostParts(const Store& st) {
  return (size_t)(st.archivePages + SPAN_PAGES - 1) / SPAN_PAGES + (size_t)(st.doomedPages + SPAN_PAGES - 1) / SPAN_PAGES + 3;
}

/** Most live keys of a lane, the pending one included, rounded up to whole pages. */
HT_SIZE size_t laneSlots(const Store& st) { return ((size_t)st.archivePages + 1) * PAGE; }

/** Bytes of a page's keys. */
HT_SIZE size_t keyBytes(const Store& st) { return (size_t)st.headDim * PAGE * (st.bf16 ? 2 : 4); }

/** `attend` with `select`: what a step reads of a lane, a number of pages and their places in the table. */
HT_SIZE size_t choiceInts(const Store& st) { return (size_t)st.archivePages + 1; }

/** Bytes of a page's bounds: [2][D] in the lanes' dtype. */
HT_SIZE size_t boundsBytes(const Store& st) { return (size_t)2 * st.headDim * (st.bf16 ? 2 : 4); }

/** `keep`: a thread's copy of a lane's table; then a flag a lane and a mark a key. */
HT_SIZE size_t sourceBytes(const Store& st) { return lineUp((size_t)st.archivePages * 4); }
HT_SIZE size_t keepBytes(const Store& st, int items, int lanes, int threads) {
  const size_t all = (size_t)items * (size_t)lanes;
  return sourceBytes(st) * (size_t)threads + lineUp(all) + all * laneSlots(st);
}

/** `score`: which kind, and over which query heads `attention` runs; numbers as in src/device/native.ts. */
enum { KIND_NORM, KIND_DIFFERENCE, KIND_RANDOM, KIND_MEAN, KIND_ATTENTION, KIND_REDUNDANCY, KIND_EXPECTED };
enum { GROUP_MEAN, GROUP_MAX, GROUP_LAYER };
enum { POOL_LANE, POOL_LAYER, POOL_SET };

/** Most query rows that `score` takes at once: whole groups. */
HT_SIZE size_t groupRows(const Store& st) {
  const size_t group = (size_t)(st.queryHeads / st.kvHeads);
  return group > (size_t)QUERY_ROWS ? group : (size_t)QUERY_ROWS;
}

/** Parts of a lane under R-KV, 512 keys or more each: fewer would spend more on the units of all keys than on their products. */
constexpr int MOST_REDUNDANCY_PARTS = 8;
HT_SIZE int redundancyParts(int keys) {
  const int parts = keys / 512;
  return parts < 1 ? 1 : parts > MOST_REDUNDANCY_PARTS ? MOST_REDUNDANCY_PARTS : parts;
}
/** What a lane has in the shared memory: three numbers a part and slot, and the cosines of slot 0. */
HT_SIZE size_t redundancyBytes(const Store& st) { return (MOST_REDUNDANCY_PARTS * 3 + 1) * laneSlots(st) * 4; }
/** Lanes at a time: enough for all threads, and no more memory than the threads' unit keys take. */
HT_SIZE int redundancyLanes(int threads) { return 4 * threads; }

/** A thread's own: the copied last page, positions, then what the kind needs. */
HT_SIZE size_t scoreBytes(const Store& st, int kind) {
  const size_t S = laneSlots(st), D = (size_t)st.headDim, pad = (D + 3) / 4 * 4, rows = groupRows(st);
  size_t numbers = 0;
  if (kind == KIND_DIFFERENCE) numbers = S + D * PAGE + D;                                     // 1 / norms; sums; their mean
  if (kind == KIND_ATTENTION) numbers = rows * ((size_t)st.width + SPAN + S) + S;               // queries; scores; totals
  if (kind == KIND_REDUNDANCY) numbers = S * D;                                                // unit keys
  if (kind == KIND_EXPECTED) numbers = 2 * (D * D + D) + pad * pad + pad + pad * 2 * PAGE + 2 * S;
  return lineUp(keyBytes(st)) + S * 4 + lineUp(numbers * 4);
}

/** What all threads share behind that: totals a lane, parts of redundancy, or the mean turns. */
HT_SIZE size_t scoreShared(const Store& st, int kind, int group, int items, int threads) {
  if (kind == KIND_ATTENTION && group == GROUP_LAYER) return (size_t)items * (size_t)st.kvHeads * laneSlots(st) * 4;
  if (kind == KIND_REDUNDANCY) return (size_t)redundancyLanes(threads) * redundancyBytes(st);
  return kind == KIND_EXPECTED ? (size_t)items * (size_t)st.headDim * 8 : 0;
}

/** `sum` and `replay`: rows of a chunk fall into so many parts, each with results of its own. */
constexpr int PARTS = 4;

/** Pages that hold the archive's last keys, the pending one and a chunk's. */
HT_SIZE int behindPages(int rows) { return (PAGE + rows + PAGE - 1) / PAGE; }

/** A thread's own: queries, scores of a span, scores of `slots` slots, numbers of their pages. */
HT_SIZE size_t watchBytes(const Store& st, int slots) {
  const size_t pages = (size_t)(slots + PAGE - 1) / PAGE + 1;
  return lineUp(QUERY_ROWS * ((size_t)st.width + SPAN + pages * PAGE) * 4 + pages * 4);
}
/** Floats of one part's result on slots [from, to). */
HT_SIZE size_t reportFloats(int from, int to) { return ((size_t)(to - from) / PAGE + 2) * PAGE; }
/** Shared, of one item: copied keys of each KV head, then its parts' results. */
HT_SIZE size_t watchShared(const Store& st, int rows, int from, int to) {
  return (size_t)st.kvHeads * ((size_t)behindPages(rows) * lineUp(keyBytes(st)) + PARTS * reportFloats(from, to) * 4);
}

/** Pages that hold the pending key and `rows` keys of a chunk. */
HT_SIZE int chunkPages(int rows) { return (rows + 1 + PAGE - 1) / PAGE; }

/** A converted page of a chunk: keys and values, then the last position that sees each slot. */
HT_SIZE size_t chunkPageBytes(const Store& st) { return lineUp(st.pageBytes) + PAGE * 4; }

/** `gather`: rows of queries that a thread widens to doubles at once. */
constexpr int GATHER_ROWS = 32;
HT_SIZE size_t gatherBytes(const Store& st) { return (size_t)GATHER_ROWS * (size_t)st.width * 8; }
