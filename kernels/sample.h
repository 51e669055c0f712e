// Sizes that `sample` and the plan of its scratch share.
#pragma once
#include <stddef.h>

constexpr int BINS = 4096;
constexpr int MOST_TOP = 20;  // MAX_TOP of device.ts

/** What a thread needs: logits and weights in double, a bin's ids, the bins. */
static inline __attribute__((always_inline)) size_t sampleBytes(int vocabulary) {
  const size_t padded = ((size_t)vocabulary + 63) / 64 * 64;
  return padded * 20 + BINS * 12 + 64;
}
