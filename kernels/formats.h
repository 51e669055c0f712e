// Formats as types: how matrices and pages hold numbers. A new one is a type here, a line of its `with...`, and its
// name in buffers.ts.
#pragma once
#include "isa.h"
#include "pages.h"

namespace HT_NS {

struct F32 {
  typedef float Number;
  HT_INLINE float number(float x) { return x; }
  HT_INLINE float widen(float x) { return x; }
};
struct Bf16 {
  typedef uint16_t Number;
  HT_INLINE uint16_t number(float x) { return toBf16(x); }
  HT_INLINE uint16_t number(uint16_t x) { return x; }
  HT_INLINE float widen(uint16_t x) { return fromBf16(x); }
};

// Matrix [N, K]: panels of 32 outputs, panel-major, then k: [ceil(N / 32)][K][32], the last panel padded with zeros.

/** Outputs in order. */
struct F32Weights : F32 {
  static constexpr int LINE = PANEL * 4;
  static constexpr int STRETCH = 64;  // lines that stay in L1 while both halves are added
  HT_INLINE int place(int output) { return output; }
  HT_INLINE F16 half(const char* line, int h) { return load((const float*)line + 16 * h); }
  HT_INLINE void halves(const char* line, F16& a, F16& b) {
    a = half(line, 0);
    b = half(line, 1);
  }
};
/**
 * 16 words, word i = outputs i (low half) and 16 + i (high half): a shift and a mask widen two vectors, with no
 * shuffle.
 */
struct Bf16Weights : Bf16 {
  static constexpr int LINE = PANEL * 2;
  static constexpr int STRETCH = 128;
  HT_INLINE int place(int output) { return 2 * (output % 16) + output / 16; }
  HT_INLINE F16 half(const char* line, int h) { return h ? loadHigh(line) : loadLow(line); }
  HT_INLINE void halves(const char* line, F16& a, F16& b) { loadPair(line, a, b); }
};

template <class Act>
HT_INLINE auto withWeights(WeightFormat format, const Act& act) {
  switch (format) {
    case WeightFormat::bf16:
      return act(Bf16Weights{});
    case WeightFormat::f32:
      return act(F32Weights{});
  }
  __builtin_trap();  // the compiler warns of a format without a case
}

// Page: K then V of 16 slots. K is transposed so that 16 scores need no horizontal sums, V is not. G numbers make a
// word of 32 bits: K [D / G][16] words, word i = channels G d .. of slot i; V [16 / G][D] words, word d = channel d of
// slots G s .. (the first of two in the low half).

template <class Numbers>
struct PlainPage : Numbers {
  typedef typename Numbers::Number Number;
  static constexpr int G = 4 / (int)sizeof(Number);
  HT_INLINE size_t keyBytes(int D) { return (size_t)D * PAGE * sizeof(Number); }
  HT_INLINE Number* keyAt(char* page, int, int slot, int c) {
    return (Number*)page + (size_t)(c / G) * G * PAGE + G * slot + c % G;
  }
  HT_INLINE Number* valueAt(char* page, int D, int slot, int c) {
    return (Number*)page + (size_t)D * PAGE + (size_t)(slot / G) * G * D + (size_t)G * c + slot % G;
  }
  /** Slot `s` of page `from` to slot `t` of page `to`, bits unchanged. */
  HT_INLINE void copy(const char* from, int s, char* to, int t, int D) {
    const uint32_t* k = (const uint32_t*)from;
    uint32_t* toK = (uint32_t*)to;
    for (int d = 0; d < D / G; d++) toK[d * PAGE + t] = k[d * PAGE + s];
    const Number* v = valueAt((char*)from, D, s, 0);
    Number* toV = valueAt(to, D, t, 0);
    for (int d = 0; d < D; d++) toV[G * d] = v[G * d];
  }
  /** Sixteen numbers in a row. */
  HT_INLINE F16 row(const Number* numbers) {
    float t[16];
    for (int i = 0; i < 16; i++) t[i] = Numbers::widen(numbers[i]);
    return load(t);
  }
};
struct F32Page : PlainPage<F32> {
  /** Of a line of keys or values the numbers of channel or slot `g` of G. */
  HT_INLINE F16 part(const char* line, int) { return load((const float*)line); }
  /** Of 32 numbers in a row two halves whose sums make one. */
  HT_INLINE void halves(const char* numbers, F16& a, F16& b) { F32Weights::halves(numbers, a, b); }
};
struct Bf16Page : PlainPage<Bf16> {
  HT_INLINE F16 part(const char* line, int g) { return g ? loadHigh(line) : loadLow(line); }
  HT_INLINE void halves(const char* numbers, F16& a, F16& b) { loadPair(numbers, a, b); }
};

template <class Act>
HT_INLINE auto withPage(PageFormat format, const Act& act) {
  switch (format) {
    case PageFormat::bf16:
      return act(Bf16Page{});
    case PageFormat::f32:
      return act(F32Page{});
  }
  __builtin_trap();  // the compiler warns of a format without a case
}

}  // namespace HT_NS
