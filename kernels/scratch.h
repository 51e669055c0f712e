// How operations lay out the scratch memory; plan.cc sizes it by the same functions before a pass starts.
#pragma once
#include "pass.h"
#include "state.h"

HT_SIZE size_t lineUp(size_t bytes) { return (bytes + 63) / 64 * 64; }
HT_SIZE int between(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

/**
 * The most that a lane of some sets holds: archive slots with the pending key's in whole pages, partial results of
 * attention.
 */
struct Reach {
  int slots = PAGE, parts = 1;
};
/** `more`: keys that may come to a lane before the operation runs. */
template <class Item>
HT_SIZE Reach reachOf(const Store& st, const List<Item>& items, int layer, int layers, int more) {
  Reach reach;
  for (const Item& item : items) {
    const int first = (item.set * st.layers + layer) * st.kvHeads;
    for (int lane = first; lane < first + layers * st.kvHeads; lane++) {
      const int most = st.archivePages * PAGE, archive = between(st.archive[lane], 0, most);
      const int grown = more < most - archive ? archive + more : most;
      const int doomed = between(st.tail[lane] - st.head[lane], 0, st.doomedPages * PAGE) + more;
      const int parts = (grown + SPAN - 1) / SPAN + (doomed > 0 ? (doomed + SPAN - 1) / SPAN + 1 : 0) + 1;
      if ((grown / PAGE + 1) * PAGE > reach.slots) reach.slots = (grown / PAGE + 1) * PAGE;
      if (parts > reach.parts) reach.parts = parts;
    }
  }
  return reach;
}

/** Floats of one partial result: output (rounded up to 16 channels), maximum, sum. */
HT_SIZE size_t partialFloats(const Store& st) { return (size_t)st.width + 16; }

/** What a thread of `attend` and `attendChunk` has for itself. */
HT_SIZE size_t threadBytes(const Store& st, int steps) {
  const size_t rows = (size_t)QUERY_ROWS * ((size_t)st.width * 4 * 2 + SPAN * 4);  // q, outputs, scores
  return lineUp(rows + 2 * SPAN * 4 + (size_t)steps);                              // positions, limits; flags of steps
}
/**
 * `attend`: partials of each step and head; then, with `pages`, what each step reads of a lane; with a rank, raw
 * scores.
 */
HT_SIZE size_t partialsBytes(const Store& st, int steps, Reach reach) {
  return (size_t)steps * (size_t)st.queryHeads * (size_t)reach.parts * partialFloats(st) * 4;
}
/** A number of pages and their places in the table. */
HT_SIZE size_t choiceInts(Reach reach) { return (size_t)reach.slots / PAGE + 1; }
HT_SIZE size_t attendBytes(const Store& st, const AttendArgs& a, Reach reach, int threads) {
  const size_t steps = (size_t)a.steps.count, choices = steps * (size_t)st.kvHeads * choiceInts(reach);
  const size_t raw = steps * (size_t)st.queryHeads * ((size_t)reach.slots + 1);
  return threadBytes(st, a.steps.count) * (size_t)threads + partialsBytes(st, a.steps.count, reach) +
         (a.pages ? choices * 4 : 0) + (a.rank == Rank::none ? 0 : raw * 4);
}

/** Bytes of a page's keys. */
HT_SIZE size_t keyBytes(const Store& st) { return (size_t)st.headDim * PAGE * st.numberBytes; }

/** `keep`: a thread's copy of a lane's table; then a flag per lane and a mark per key. */
HT_SIZE size_t sourceBytes(int slots) { return lineUp((size_t)slots / PAGE * 4); }
HT_SIZE size_t keepBytes(int lanes, int slots, int threads) {
  return sourceBytes(slots) * (size_t)threads + lineUp((size_t)lanes) + (size_t)lanes * (size_t)slots;
}

/** Most query rows that `scoreAttention` takes at once: whole groups. */
HT_SIZE size_t groupRows(const Store& st) {
  const size_t group = (size_t)(st.queryHeads / st.kvHeads);
  return group > (size_t)QUERY_ROWS ? group : (size_t)QUERY_ROWS;
}

/**
 * Parts of a lane under R-KV, 512 keys or more each: fewer would spend more on the units of all keys than on their
 * products.
 */
constexpr int MOST_REDUNDANCY_PARTS = 8;
HT_SIZE int redundancyParts(int keys) { return between(keys / 512, 1, MOST_REDUNDANCY_PARTS); }
/** What a lane has in the shared memory: three numbers per part and slot, and the cosines of slot 0. */
HT_SIZE size_t redundancyBytes(int slots) { return (MOST_REDUNDANCY_PARTS * 3 + 1) * (size_t)slots * 4; }
/** Lanes at a time: enough for all threads, and no more memory than the threads' unit keys take. */
HT_SIZE int redundancyLanes(int threads) { return 4 * threads; }

/** Scorers, a thread's own: the copied last page, positions, then what the scorer needs. */
HT_SIZE size_t scoreBytes(const Store& st, Op op, int slots) {
  const size_t S = (size_t)slots, D = (size_t)st.headDim, pad = (D + 3) / 4 * 4, rows = groupRows(st);
  size_t numbers = 0;
  if (op == Op::scoreDifference) numbers = S + D * PAGE + D;                       // 1 / norms; sums; their mean
  if (op == Op::scoreRange) numbers = S;                                           // ranges of values
  if (op == Op::scoreAttention) numbers = rows * ((size_t)st.width + SPAN + S) + S;  // queries; scores; totals
  if (op == Op::scoreRedundancy) numbers = S * D;                                  // unit keys
  if (op == Op::scoreExpected) numbers = 2 * (D * D + D) + pad * pad + pad + pad * 2 * PAGE + 2 * S;
  return lineUp(keyBytes(st)) + S * 4 + lineUp(numbers * 4);
}
/** What all threads share behind that: totals per lane, parts of redundancy, or the mean turns. */
HT_SIZE size_t scoreShared(const Store& st, Op op, int items, int slots, int threads) {
  if (op == Op::scoreAttention) return (size_t)items * (size_t)st.kvHeads * (size_t)slots * 4;
  if (op == Op::scoreRedundancy) return (size_t)redundancyLanes(threads) * redundancyBytes(slots);
  return op == Op::scoreExpected ? (size_t)items * (size_t)st.headDim * 8 : 0;
}

/** `sumAttention` and `maxAttention`: rows of a chunk fall into so many parts, each with results of its own. */
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

/** `attendChunk`: pages that hold the pending key and `rows` keys of a chunk. */
HT_SIZE int chunkPages(int rows) { return (rows + 1 + PAGE - 1) / PAGE; }
/** A converted page of a chunk: keys and values, then the last position that sees each slot. */
HT_SIZE size_t chunkPageBytes(const Store& st) { return lineUp(st.pageBytes) + PAGE * 4; }

/** `addMoments`: rows of queries that a thread widens to doubles at once. */
constexpr int MOMENT_ROWS = 32;
HT_SIZE size_t widenedBytes(const Store& st) { return (size_t)MOMENT_ROWS * (size_t)st.width * 8; }

/** `sample`: what a thread needs: logits and weights in double, a bin's ids, the bins. */
constexpr int BINS = 4096;
HT_SIZE size_t sampleBytes(int vocabulary) {
  const size_t padded = ((size_t)vocabulary + 63) / 64 * 64;
  return padded * 20 + BINS * 12 + 64;
}
