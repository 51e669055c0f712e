// The inner loop of products in training: a tile of R x 16 N sums in registers.
#pragma once
#include "isa.h"

namespace HT_NS {

// Tiles fill the registers: AVX-512 has 32 of 16 floats, AVX2 16 of 8, NEON 32 of 4, SSE 16 of 4.
#if defined(__AVX512F__)
constexpr int TILE_ROWS = 12, TILE_COLS = 32;
#else
constexpr int TILE_ROWS = 4, TILE_COLS = 16;
#endif

/**
 * sums[r][n] += sum over k of a[r * ROW + k * stepA] * b[k * stepB + n], k ascending: one accumulator each, so bits do
 * not depend on the tile.
 */
template <int R, int N, int ROW>
HT_INLINE void addTile(F16 (*sums)[N], const float* a, size_t stepA, const float* b, size_t stepB, int k) {
  F16 acc[R][N];
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++) acc[r][n] = sums[r][n];
  for (int i = 0; i < k; i++) {
    F16 y[N];
    HT_UNROLL for (int n = 0; n < N; n++) y[n] = load(b + 16 * n);
    HT_UNROLL for (int r = 0; r < R; r++) {
      const F16 x = splat(a[r * ROW]);
      HT_UNROLL for (int n = 0; n < N; n++) acc[r][n] = fma(x, y[n], acc[r][n]);
    }
    a += stepA;
    b += stepB;
  }
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++) sums[r][n] = acc[r][n];
}

/** Four numbers in a row of any instruction set. */
typedef float V4 __attribute__((vector_size(16)));
typedef uint32_t U4 __attribute__((vector_size(16)));
typedef V4 V4Unaligned __attribute__((aligned(4), may_alias));
typedef U4 U4Unaligned __attribute__((aligned(4), may_alias));
HT_INLINE V4 load4(const float* p) { return *(const V4Unaligned*)p; }
HT_INLINE void store4(float* p, V4 x) { *(V4Unaligned*)p = x; }

#if defined(__clang__)
#define HT_SHUFFLE4(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define HT_SHUFFLE4(a, b, i, j, k, l) __builtin_shuffle(a, b, (U4){i, j, k, l})
#endif

/** Rows become columns. */
HT_INLINE void turn4(V4& a, V4& b, V4& c, V4& d) {
  const V4 ab = HT_SHUFFLE4(a, b, 0, 4, 1, 5), AB = HT_SHUFFLE4(a, b, 2, 6, 3, 7);
  const V4 cd = HT_SHUFFLE4(c, d, 0, 4, 1, 5), CD = HT_SHUFFLE4(c, d, 2, 6, 3, 7);
  a = HT_SHUFFLE4(ab, cd, 0, 1, 4, 5);
  b = HT_SHUFFLE4(ab, cd, 2, 3, 6, 7);
  c = HT_SHUFFLE4(AB, CD, 0, 1, 4, 5);
  d = HT_SHUFFLE4(AB, CD, 2, 3, 6, 7);
}

}  // namespace HT_NS
