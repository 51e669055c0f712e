// The best of many scores, without sorting them.
#pragma once
#include "isa.h"

namespace HT_NS {

/** A score as a whole number in the same order; -0 equals 0, NaN is below all. */
HT_INLINE uint32_t ordered(float x) {
  if (x != x) return 0;
  if (x == 0) x = 0;
  uint32_t u;
  memcpy(&u, &x, 4);
  return u >> 31 ? ~u : u | 0x80000000u;
}

/**
 * Takes scores in their candidates' order and says which are among the best: above `least`, the first `equals` like it.
 */
struct Best {
  uint32_t least;
  int64_t equals;

  __attribute__((always_inline)) bool takes(float x) {
    const uint32_t u = ordered(x);
    return u > least || (u == least && equals-- > 0);
  }
};

/**
 * The `wanted` best of the scores that `each(visit)` visits, byte by byte: four passes whatever their number and order.
 */
template <class Each>
static Best best(int64_t wanted, const Each& each) {
  if (wanted <= 0) return {UINT32_MAX, 0};
  uint32_t prefix = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    int64_t counts[256] = {};
    const uint32_t above = shift == 24 ? 0 : UINT32_MAX << (shift + 8);
    each([&](float x) __attribute__((always_inline)) {
      const uint32_t u = ordered(x);
      if ((u & above) == prefix) counts[u >> shift & 255]++;
    });
    int byte = 255;
    for (; byte > 0 && counts[byte] < wanted; byte--) wanted -= counts[byte];
    prefix |= (uint32_t)byte << shift;
  }
  return {prefix, wanted};
}

}  // namespace HT_NS
