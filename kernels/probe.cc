// What the machine can do, for the benches: reading memory, multiply-adds from registers.
#include "table.h"

namespace HT_NS {

float readAll(const void* data, size_t bytes) {
  const float* p = (const float*)data;
  V acc[8] = {};
  for (size_t i = 0; i + 8 * W <= bytes / 4; i += 8 * W)
    HT_UNROLL for (int j = 0; j < 8; j++) acc[j] += ((const VUnaligned*)(p + i))[j];
  float total = 0;
  for (int j = 0; j < 8; j++)
    for (int i = 0; i < W; i++) total += acc[j][i];
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
