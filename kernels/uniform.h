// Random numbers as functions of four words: pcg4d, as src/base/rng.ts.
#pragma once
#include "isa.h"

namespace HT_NS {

HT_INLINE uint32_t lcg(uint32_t word) { return word * 1664525u + 1013904223u; }

HT_INLINE double uniform(uint32_t seedLow, uint32_t seedHigh, uint32_t chain, uint32_t position) {
  uint32_t x = lcg(seedLow), y = lcg(seedHigh), z = lcg(chain), w = lcg(position);
  x += y * w;
  y += z * x;
  z += x * y;
  w += y * z;
  x ^= x >> 16;
  y ^= y >> 16;
  w ^= w >> 16;
  x += y * w;
  return (double)(x >> 8) * (1.0 / 16777216);
}

}  // namespace HT_NS
