// What the files of decode attention share: one call over the steps of a layer, and where its parts lie in the scratch.
#pragma once
#include "lane.h"
#include "scratch.h"

namespace HT_NS {

struct Decode {
  const Call* c;
  const AttendArgs* a;
  Store* st;
  int steps, group;
  Reach reach;
  const float* archiveQ;  // queries that attend to the archive
  float* partials;
  int32_t* choices;  // [steps][Hkv] number and list of the pages that are read, -1: all; null: every step reads all
  float* raw;        // [steps][Hq][slots] scaled q.k of archived keys, then of the pending one; null without a rank
  float* lse;        // [steps][Hq] log-sum-exp over the live keys
  // This thread's.
  float *query, *scores;
  uint8_t* done;

  __attribute__((always_inline)) int lane(int i, int h) const { return laneOf(*st, a->steps[i].set, a->layer, h); }
  /** Query head `j` of step `i` in q, out or `archiveQ`. */
  __attribute__((always_inline)) size_t queryAt(int i, int j) const {
    return ((size_t)a->steps[i].row * st->queryHeads + j) * st->headDim;
  }
  __attribute__((always_inline)) float* partial(int i, int head, int part) const {
    return partials + (((size_t)i * st->queryHeads + head) * reach.parts + part) * partialFloats(*st);
  }
  __attribute__((always_inline)) int32_t* choice(int i, int h) const {
    return choices + ((size_t)i * st->kvHeads + h) * choiceInts(reach);
  }
  __attribute__((always_inline)) bool chosen(int i, int h) const { return choices && choice(i, h)[0] >= 0; }
  /** The page of entry `n` of a choice. */
  __attribute__((always_inline)) int chosenPage(int i, int h, int n) const {
    const int l = lane(i, h);
    return pageAt(*c, *st, l, archiveOf(*st, l)[choice(i, h)[1 + n]]);
  }
  __attribute__((always_inline)) float* rawOf(int i, int j) const {
    return raw + ((size_t)i * st->queryHeads + j) * reach.slots;
  }
};

/** Fills `choices`: which pages does each KV head of each step read? All threads; they meet inside, and at the end. */
void selectPages(const Decode& d);
/** After the merge: scores of keys by the newest query's probabilities. */
void rankKeys(const Decode& d);

}  // namespace HT_NS
