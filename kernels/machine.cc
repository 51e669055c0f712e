// What the machine can do, for the benches: reading memory, multiply-adds from registers.
#include "table.h"

namespace HT_NS {

float readAll(const void* data, size_t bytes) {
  // Four streams per thread: one keeps too few lines on their way, and kernels that read several rows at once would
  // beat it.
  constexpr int STREAMS = 4;
  const float* p = (const float*)data;
  const size_t each = bytes / 4 / STREAMS;
  V acc[STREAMS][4] = {};
  for (size_t i = 0; i + 4 * W <= each; i += 4 * W)
    HT_UNROLL for (int s = 0; s < STREAMS; s++)
      HT_UNROLL for (int j = 0; j < 4; j++) acc[s][j] += ((const VUnaligned*)(p + s * each + i))[j];
  float total = 0;
  for (int s = 0; s < STREAMS; s++)
    for (int j = 0; j < 4; j++)
      for (int i = 0; i < W; i++) total += acc[s][j][i];
  return total;
}

float multiplyAdd(int rounds, double* operations) {
  // Twelve chains hide a latency of four at two a cycle and fit sixteen registers.
  constexpr int CHAINS = 12;
  V acc[CHAINS];
  for (int j = 0; j < CHAINS; j++) acc[j] = splatV(1.0f + (float)j);
  V a = splatV(0.999999f), b = splatV(1e-7f);
  for (int i = 0; i < rounds; i++) {
    HT_UNROLL for (int j = 0; j < CHAINS; j++) acc[j] = fma(acc[j], a, b);
  }
  float total = 0;
  for (int j = 0; j < CHAINS; j++)
    for (int i = 0; i < W; i++) total += acc[j][i];
  *operations = 2.0 * CHAINS * W * rounds;
  return total;
}

}  // namespace HT_NS
