// One lane as its scorer sees it, and the scorers that have files of their own.
#pragma once
#include "slots.h"

namespace HT_NS {

struct View {
  const Call* c;
  const Store* st;
  Slots slots;  // the live keys, the pending one last
  int item, set, layer, head, newest;
  float* board;        // [keys]
  int32_t* positions;  // [slots], INT32_MAX past the last key
  char* own;           // scratch of this kind
  char* shared;

  __attribute__((always_inline)) int lane() const { return slots.lane; }
  __attribute__((always_inline)) int keys() const { return slots.count; }
  __attribute__((always_inline)) int pages() const { return (slots.count + PAGE - 1) / PAGE; }
};

/** Lengths of a page's 16 keys. */
template <bool BF>
HT_INLINE void lengths(const char* page, int D, float out[16]) {
  F16 squares = splat(0);
  for (int d = 0; d < D; d++) {
    const F16 x = channel<BF>(page, d);
    squares = fma(x, x, squares);
  }
  store(out, squares);
  for (int s = 0; s < PAGE; s++) out[s] = sqrtf(out[s]);
}

void scoreAttention(const View& v, const float* ring, int queries);
/** Where all heads of a layer count: merges what `scoreAttention` left for each KV head. */
void mergeLayer(const View& v);
/** A part's share of all cosines, into `shared`; `scoreRedundancy` merges the parts. */
void addCosines(const View& v, int part);
void scoreRedundancy(const View& v);
void scoreExpected(const View& v);
/** Mean cosine and sine of the positions to come, channel pair `j` of an item. */
void meanTurn(const Call& c, int newest, int j, int half, double* turn);

}  // namespace HT_NS
