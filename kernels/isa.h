// Vectors of the instruction set that this object is compiled for. Every kernel source is compiled once per set, inside
// a namespace of that set, and no header may leave an inline function with external linkage: the linker would keep one
// copy, perhaps the AVX-512 one, for all of them.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef HT_ISA
#define HT_ISA baseline
#endif
#define HT_JOIN2(a, b) a##b
#define HT_JOIN(a, b) HT_JOIN2(a, b)
#define HT_NS HT_JOIN(ht_, HT_ISA)
#define HT_INLINE static inline __attribute__((always_inline))
#define HT_UNROLL _Pragma("GCC unroll 16")

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace HT_NS {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
constexpr int NV = 16 / W;

typedef float V __attribute__((vector_size(4 * W)));
typedef int32_t VI __attribute__((vector_size(4 * W)));
typedef uint32_t VU __attribute__((vector_size(4 * W)));
typedef double VD __attribute__((vector_size(4 * W)));
typedef int64_t VL __attribute__((vector_size(4 * W)));
typedef V VUnaligned __attribute__((aligned(4), may_alias));
typedef VU VUUnaligned __attribute__((aligned(4), may_alias));
typedef VI VIUnaligned __attribute__((aligned(4), may_alias));
typedef VD VDUnaligned __attribute__((aligned(8), may_alias));

HT_INLINE V fma(V a, V b, V c) {
#if defined(__AVX512F__)
  return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

/**
 * Sixteen floats: one, two or four vectors. Kernels are written over these, so that all sets order their sums alike.
 */
struct F16 {
  V v[NV];
};

HT_INLINE F16 splat(float x) {
  F16 out;
  HT_UNROLL for (int i = 0; i < NV; i++) out.v[i] = x - V{};
  return out;
}
HT_INLINE F16 load(const float* p) {
  F16 out;
  HT_UNROLL for (int i = 0; i < NV; i++) out.v[i] = ((const VUnaligned*)p)[i];
  return out;
}
HT_INLINE void store(float* p, F16 x) {
  HT_UNROLL for (int i = 0; i < NV; i++) ((VUnaligned*)p)[i] = x.v[i];
}
HT_INLINE F16 fma(F16 a, F16 b, F16 c) {
  F16 out;
  HT_UNROLL for (int i = 0; i < NV; i++) out.v[i] = fma(a.v[i], b.v[i], c.v[i]);
  return out;
}
HT_INLINE F16 operator+(F16 a, F16 b) {
  HT_UNROLL for (int i = 0; i < NV; i++) a.v[i] += b.v[i];
  return a;
}
HT_INLINE F16 operator-(F16 a, F16 b) {
  HT_UNROLL for (int i = 0; i < NV; i++) a.v[i] -= b.v[i];
  return a;
}
HT_INLINE F16 operator*(F16 a, F16 b) {
  HT_UNROLL for (int i = 0; i < NV; i++) a.v[i] *= b.v[i];
  return a;
}
HT_INLINE F16 larger(F16 a, F16 b) {
  HT_UNROLL for (int i = 0; i < NV; i++) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}

/** Sixteen words of two bf16: floats of the low halves, floats of the high halves. */
HT_INLINE void loadPair(const void* p, F16& low, F16& high) {
  HT_UNROLL for (int i = 0; i < NV; i++) {
    VU w = ((const VUUnaligned*)p)[i];
    low.v[i] = (V)(w << 16);
    high.v[i] = (V)(w & 0xffff0000u);
  }
}
HT_INLINE F16 loadLow(const void* p) {
  F16 out;
  HT_UNROLL for (int i = 0; i < NV; i++) out.v[i] = (V)(((const VUUnaligned*)p)[i] << 16);
  return out;
}
HT_INLINE F16 loadHigh(const void* p) {
  F16 out;
  HT_UNROLL for (int i = 0; i < NV; i++) out.v[i] = (V)(((const VUUnaligned*)p)[i] & 0xffff0000u);
  return out;
}

/** Calls `act` with 0 .. N - 1 as constants: loops over parts of vectors, where nothing is left to the unroller. */
template <int N>
struct Constant {
  static constexpr int value = N;
};
template <int N, class Act>
HT_INLINE void each(const Act& act) {
  if constexpr (N > 1) each<N - 1>(act);
  act(Constant<N - 1>{});
}

/** Lanes turned by N: clang sees the shuffle in the loop, GCC is told. */
template <int N>
HT_INLINE V turn(V x) {
#if defined(__clang__)
  V out = x;
  HT_UNROLL for (int i = 0; i < W; i++) out[i] = x[(i + N) % W];
  return out;
#else
  VI at = {};
  HT_UNROLL for (int i = 0; i < W; i++) at[i] = (i + N) % W;
  return __builtin_shuffle(x, at);
#endif
}

/** Sixteen numbers to one by a fixed tree: 0 with 8, 1 with 9, ..; then 0 with 4, ... */
template <class Both>
HT_INLINE float fold(F16 x, const Both& both) {
  HT_UNROLL for (int n = NV / 2; n > 0; n /= 2)
    HT_UNROLL for (int i = 0; i < n; i++) x.v[i] = both(x.v[i], x.v[i + n]);
  V v = x.v[0];
  if constexpr (W > 8) v = both(v, turn<8 % W>(v));
  if constexpr (W > 4) v = both(v, turn<4 % W>(v));
  v = both(v, turn<2>(v));
  return both(v, turn<1>(v))[0];
}
HT_INLINE float sum(F16 x) {
  return fold(x, [](V a, V b) __attribute__((always_inline)) { return a + b; });
}
HT_INLINE float most(F16 x) {
  return fold(x, [](V a, V b) __attribute__((always_inline)) { return a > b ? a : b; });
}
HT_INLINE float fewest(F16 x) {
  return fold(x, [](V a, V b) __attribute__((always_inline)) { return a < b ? a : b; });
}

HT_INLINE V splatV(float x) { return x - V{}; }

/** e^x for x <= 88, within 2 ulp; 0 below -87; NaN stays NaN. */
HT_INLINE V exp(V x) {
  // 1.5 * 2^23: adding it rounds to a whole number, which is then in the low bits.
  V shifted = fma(x, splatV(1.44269504f), splatV(12582912.0f));
  V n = shifted - 12582912.0f;
  V r = fma(n, splatV(-0.693359375f), x);
  r = fma(n, splatV(2.12194440e-4f), r);
  V p = splatV(1.0f / 720);
  p = fma(p, r, splatV(1.0f / 120));
  p = fma(p, r, splatV(1.0f / 24));
  p = fma(p, r, splatV(1.0f / 6));
  p = fma(p, r, splatV(0.5f));
  p = fma(p, r, splatV(1.0f));
  p = fma(p, r, splatV(1.0f));
  VU bits = (VU)p + ((VU)shifted << 23);
  VI tiny = x < -87.0f;
  return (V)(bits & ~(VU)tiny);
}
HT_INLINE F16 exp(F16 x) {
  HT_UNROLL for (int i = 0; i < NV; i++) x.v[i] = exp(x.v[i]);
  return x;
}
HT_INLINE float exp1(float x) { return exp(splatV(x))[0]; }

/** e^x in double for x <= 0 (or a little above); 0 below -700. */
HT_INLINE VD expD(VD x) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52
  VD shifted = x * 1.4426950408889634 + magic;
  VD n = shifted - magic;
  VD r = x - n * 0.693147180369123816490;
  r = r - n * 1.90821492927058770002e-10;
  VD p = r * (1.0 / 6227020800) + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  VL bits = (VL)p + ((VL)shifted << 52);
  VL tiny = x < -700.0;
  return (VD)(bits & ~tiny);
}

/** bf16 bits, to nearest, ties to even; NaN stays a (quiet) NaN. */
HT_INLINE uint16_t toBf16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1)) >> 16;
  uint32_t nan = (u >> 16) | 0x40;
  return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}
HT_INLINE float fromBf16(uint16_t bits) {
  uint32_t u = (uint32_t)bits << 16;
  float x;
  memcpy(&x, &u, 4);
  return x;
}

/**
 * Into L2: a core of Zen 4 waits for 24 lines at most on their way to L1, which holds random pages to 12 GB/s instead
 * of 18.
 */
HT_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }
HT_INLINE int least(int a, int b) { return a < b ? a : b; }
HT_INLINE int up(int n, int unit) { return (n + unit - 1) / unit * unit; }

}  // namespace HT_NS
