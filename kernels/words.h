// Reading the words of an operation.
#pragma once
#include "isa.h"
#include "pass.h"

namespace HT_NS {

HT_INLINE float* floats(const Call& c, int i) { return c.words[i] < 0 ? nullptr : (float*)c.objects[c.words[i]].data; }
HT_INLINE int32_t* ints(const Call& c, int i) { return (int32_t*)c.objects[c.words[i]].data; }
HT_INLINE Matrix& matrix(const Call& c, int i) { return *(Matrix*)c.objects[c.words[i]].data; }
HT_INLINE Store& lanesOf(const Call& c, int i) { return *(Store*)c.objects[c.words[i]].data; }
HT_INLINE float real(const Call& c, int i) {
  float x;
  memcpy(&x, &c.words[i], 4);
  return x;
}

/** A double in two words. */
HT_INLINE double wide(const Call& c, int i) {
  double x;
  memcpy(&x, &c.words[i], 8);
  return x;
}

/** Takes tasks 0 .. count - 1 from the team's counter. */
#define HT_TASKS(call, task, count) for (int task; (task = teamNext((call).team)) < (count);)

}  // namespace HT_NS
