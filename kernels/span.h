// The inner loops of attention over one span: up to 16 pages, R query rows. Scores are one accumulator per slot over
// channels ascending, outputs one per channel over slots ascending; the softmax sum goes by 16 slots, then a
// fixed tree. So a row's bits depend on its own keys in the span and on nothing else.
#pragma once
#include "formats.h"
#include "pass.h"

namespace HT_NS {

// Tiles of pages x rows (scores) and of 16-channel vectors x rows (outputs), by the registers there are.
#if defined(__AVX512F__)
constexpr int TILE_ROWS = 4;
constexpr int scorePages(int) { return 4; }
constexpr int valueVectors(int rows) { return rows <= 2 ? 8 : 4; }
#elif defined(__AVX2__)
constexpr int TILE_ROWS = 4;
constexpr int scorePages(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
constexpr int valueVectors(int rows) { return rows == 1 ? 4 : rows == 2 ? 3 : 1; }
#elif defined(__aarch64__)
constexpr int TILE_ROWS = 4;
constexpr int scorePages(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
constexpr int valueVectors(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }
#else
constexpr int TILE_ROWS = 2;
constexpr int scorePages(int rows) { return rows == 1 ? 2 : 1; }
constexpr int valueVectors(int rows) { return rows == 1 ? 2 : 1; }
#endif

/** Pages between a line that is read and the one that is asked for: hardware prefetch stops at a page's end. */
constexpr int AHEAD = 4;

/** One span and the query rows that read it. Arrays live in a thread's scratch. */
struct Span {
  const char* pages[SPAN_PAGES + AHEAD];  // the last AHEAD: values of the first pages, which follow the keys
  const char* after[AHEAD];               // keys that are likely read next, or null
  int begin, end;                         // live slots [begin, end) of the span
  int D, width;                           // channels; rounded up to 16
  int rows;
  const float* q;  // [rows][width], scaled
  float* scores;   // [rows][SPAN]
};

template <int R, int P, class Page>
HT_INLINE void scoreTile(const Span& span, int page, int row) {
  F16 acc[P][R];
  HT_UNROLL for (int j = 0; j < P; j++)
    HT_UNROLL for (int r = 0; r < R; r++) acc[j][r] = splat(0);
  const float* q = span.q + (size_t)row * span.width;
  const size_t lines = (size_t)span.D * 64 / Page::G;
  const char* const* k = span.pages + page;
  const char* next[P];
  HT_UNROLL for (int j = 0; j < P; j++) next[j] = k[j + AHEAD];
  int d = 0;
  for (size_t at = 0; at < lines; at += 64) {
    HT_UNROLL for (int j = 0; j < P; j++) {
      if (row == 0) prefetch(next[j] + at);
      each<Page::G>([&](auto g) __attribute__((always_inline)) {
        const F16 y = Page::part(k[j] + at, g.value);
        HT_UNROLL for (int r = 0; r < R; r++)
          acc[j][r] = fma(splat(q[(size_t)r * span.width + d + g.value]), y, acc[j][r]);
      });
    }
    d += Page::G;
  }
  HT_UNROLL for (int j = 0; j < P; j++)
    HT_UNROLL for (int r = 0; r < R; r++) store(span.scores + (size_t)(row + r) * SPAN + (page + j) * PAGE, acc[j][r]);
}

template <int R, class Page>
static void scoreRows(const Span& span, int row) {
  constexpr int P = scorePages(R);
  const int end = (span.end + PAGE - 1) / PAGE;
  int page = span.begin / PAGE;
  for (; page + P <= end; page += P) scoreTile<R, P, Page>(span, page, row);
  for (; page < end; page++) scoreTile<R, 1, Page>(span, page, row);
}

/** Scores of all rows; what lies outside [begin, end) is garbage until `edges`. */
template <class Page>
static void scoreAll(const Span& span) {
  int row = 0;
  if constexpr (TILE_ROWS == 4) {
    for (; row + 4 <= span.rows; row += 4) scoreRows<4, Page>(span, row);
    if (row + 3 == span.rows) return scoreRows<3, Page>(span, row);
  }
  for (; row + 2 <= span.rows; row += 2) scoreRows<2, Page>(span, row);
  if (row < span.rows) scoreRows<1, Page>(span, row);
}

/** Slots of the touched pages outside [begin, end) hold anything, NaN too: they weigh nothing. */
HT_INLINE void edges(float* scores, int begin, int end) {
  for (int s = begin / PAGE * PAGE; s < begin; s++) scores[s] = -INFINITY;
  for (int s = end; s < (end + PAGE - 1) / PAGE * PAGE; s++) scores[s] = -INFINITY;
}

/** The largest score of a row of which `edges` are set. */
HT_INLINE float mostOf(const float* scores, int begin, int end) {
  F16 top = load(scores + begin / PAGE * PAGE);
  for (int s = begin / PAGE * PAGE; s < end; s += PAGE) {
    const F16 x = load(scores + s);
    HT_UNROLL for (int i = 0; i < NV; i++) top.v[i] = x.v[i] > top.v[i] ? x.v[i] : top.v[i];
  }
  return most(top);
}

/** scores = e^(scores - top); returns their sum. */
HT_INLINE float exponentiate(float* scores, int begin, int end, float top) {
  F16 total = splat(0);
  for (int s = begin / PAGE * PAGE; s < end; s += PAGE) {
    const F16 e = exp(load(scores + s) - splat(top));
    store(scores + s, e);
    total = total + e;
  }
  return sum(total);
}

/** Slots [from, to) of 16 N channels. */
template <int R, int N, class Page>
HT_INLINE void valueTile(const Span& span, int row, int channel, int from, int to, float* const* out) {
  constexpr int G = Page::G;
  F16 acc[N][R];
  HT_UNROLL for (int n = 0; n < N; n++)
    HT_UNROLL for (int r = 0; r < R; r++) acc[n][r] = load(out[row + r] + channel + 16 * n);
  const float* weights = span.scores + (size_t)row * SPAN;
  const size_t line = (size_t)span.D * 4, keys = Page::keyBytes(span.D) + (size_t)channel * 4;
  const int pages = (span.end + PAGE - 1) / PAGE;
  const auto add = [&](int slot, int n, F16 y) __attribute__((always_inline)) {
    HT_UNROLL for (int r = 0; r < R; r++) acc[n][r] = fma(splat(weights[(size_t)r * SPAN + slot]), y, acc[n][r]);
  };
  for (int s = from; s < to;) {
    const int page = s / PAGE, stop = least(to, (page + 1) * PAGE);
    const char* v = span.pages[page] + keys;
    const char* next = page + AHEAD < pages ? span.pages[page + AHEAD] + keys
                       : page + AHEAD - pages < AHEAD && span.after[page + AHEAD - pages]
                           ? span.after[page + AHEAD - pages] + (size_t)channel * 4
                           : v;
    const bool ask = row == 0;
    // Slots of a line that the span begins or ends in.
    const auto single = [&](auto g) __attribute__((always_inline)) {
      if (s % G != g.value || s >= stop) return;
      const char* at = v + line * (size_t)(s % PAGE / G);
      HT_UNROLL for (int n = 0; n < N; n++) add(s, n, Page::part(at + 64 * n, g.value));
      s++;
    };
    if (s % G != 0) each<G>(single);
    for (; s + G <= stop; s += G) {
      const size_t at = line * (size_t)(s % PAGE / G);
      HT_UNROLL for (int n = 0; n < N; n++) {
        each<G>([&](auto g) __attribute__((always_inline)) {
          add(s + g.value, n, Page::part(v + at + 64 * n, g.value));
        });
        if (ask) prefetch(next + at + 64 * n);
      }
    }
    if (s < stop) each<G>(single);
  }
  HT_UNROLL for (int n = 0; n < N; n++)
    HT_UNROLL for (int r = 0; r < R; r++) store(out[row + r] + channel + 16 * n, acc[n][r]);
}

template <int R, class Page>
static void valueRows(const Span& span, int row, int from, int to, float* const* out) {
  constexpr int N = valueVectors(R);
  int channel = 0;
  for (; channel + 16 * N <= span.width; channel += 16 * N) valueTile<R, N, Page>(span, row, channel, from, to, out);
  if constexpr (N > 4)
    for (; channel + 64 <= span.width; channel += 64) valueTile<R, 4, Page>(span, row, channel, from, to, out);
  for (; channel < span.width; channel += 16) valueTile<R, 1, Page>(span, row, channel, from, to, out);
}

/** out[r] += sum of the slots' weights (in `scores`) times their values; out[r] has `width` floats. */
template <class Page>
static void valueAll(const Span& span, float* const* out) {
  // Four pages at a time: their values stay in L1 while rows and channels pass over them.
  constexpr int SLOTS = 4 * PAGE;
  for (int from = span.begin; from < span.end; from = (from / SLOTS + 1) * SLOTS) {
    const int to = least(span.end, (from / SLOTS + 1) * SLOTS);
    int row = 0;
    if constexpr (TILE_ROWS == 4)
      for (; row + 4 <= span.rows; row += 4) valueRows<4, Page>(span, row, from, to, out);
    for (; row + 2 <= span.rows; row += 2) valueRows<2, Page>(span, row, from, to, out);
    if (row < span.rows) valueRows<1, Page>(span, row, from, to, out);
  }
}

/** Sets `pages` past the last: after the last keys, the first values are what comes next. */
HT_INLINE void closePages(Span& span, size_t keyBytes) {
  const int first = span.begin / PAGE, end = (span.end + PAGE - 1) / PAGE;
  for (int j = 0; j < AHEAD; j++) span.pages[end + j] = span.pages[least(first + j, end - 1)] + keyBytes;
}

/** q * 1 / sqrt(D), padded with zeros to `width`. */
HT_INLINE void scaleQuery(float* to, const float* q, int D, int width) {
  const float scale = 1 / sqrtf((float)D);
  for (int d = 0; d < D; d++) to[d] = q[d] * scale;
  for (int d = D; d < width; d++) to[d] = 0;
}

}  // namespace HT_NS
