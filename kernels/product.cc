// General products. Both factors are packed: a into tiles of TILE_ROWS rows, b into panels of TILE_COLS columns, each
// k-major, so that the inner loop reads two streams. Long sums run in stretches of k that keep a panel in L1; between
// them the tile's sums wait in scratch. Each output is one accumulator over k (pairs of k with the bf16 unit, in its
// own order), whatever the tiles and threads.
#include "product.h"

#include "table.h"
#include "tile.h"

namespace HT_NS {

constexpr int R = TILE_ROWS, C = TILE_COLS, N = C / 16;

/** To the nearest bf16, ties to even, in the high half of a word. */
HT_INLINE U4 rounded(V4 x) {
  const U4 bits = (U4)x;
  return (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
}

/** How packed numbers lie: floats, floats rounded to bf16, pairs of bf16 along k. */
enum class Packed { floats, rounded, pairs };
/** Lines k and k + 1, four numbers wide. */
template <Packed P>
HT_INLINE void put(float* to, size_t line, V4 first, V4 second) {
  if constexpr (P == Packed::pairs) {
    *(U4Unaligned*)to = (rounded(first) >> 16) | rounded(second);
  } else {
    store4(to, P == Packed::rounded ? (V4)rounded(first) : first);
    store4(to + line, P == Packed::rounded ? (V4)rounded(second) : second);
  }
}

/** Four numbers of a line from `at` on, `count` of them there. */
HT_INLINE V4 some(const float* x, int count) {
  if (count >= 4) return load4(x);
  V4 out = {};
  for (int i = 0; i < count; i++) out[i] = x[i];
  return out;
}

/**
 * Packs a tile or panel of WIDTH numbers a line, a multiple of 4: number j of line k is x[k * ld + j], or x[j * ld + k]
 * where `across`. Numbers beyond `count` and lines beyond `k` are zeros.
 */
template <Packed P, int WIDTH>
static void pack(float* to, const float* x, size_t ld, bool across, int count, int k) {
  const size_t line = WIDTH;
  const int pairs = P == Packed::pairs ? 1 : 2;  // lines written for two of k
  for (int i = 0; i < k; i += 4) {
    const int lines = least(4, k - i);
    float* at = to + (size_t)(i / 2) * pairs * line;
    for (int j = 0; j < WIDTH; j += 4) {
      V4 v[4] = {};
      const int there = count - j;
      if (there > 0) {
        if (across) {
          for (int r = 0; r < 4; r++)
            if (r < there) v[r] = some(x + (size_t)(j + r) * ld + i, lines);
          turn4(v[0], v[1], v[2], v[3]);
        } else {
          for (int r = 0; r < lines; r++) v[r] = some(x + (size_t)(i + r) * ld + j, there);
        }
      }
      put<P>(at + j, line, v[0], v[1]);
      if (lines > 2) put<P>(at + pairs * line + j, line, v[2], v[3]);
    }
  }
}

#if defined(__AVX512F__)
/** sums += pairs of bf16, two of k a step. */
__attribute__((target("avx512bf16"))) static void addPairs(float* sums, const float* a, const float* b, int steps,
                                                          bool first) {
  __m512 acc[R][N];
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++)
      acc[r][n] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(sums + r * C + 16 * n);
  for (int i = 0; i < steps; i++) {
    __m512bh y[N];
    HT_UNROLL for (int n = 0; n < N; n++) y[n] = (__m512bh)_mm512_loadu_si512(b + 16 * n);
    HT_UNROLL for (int r = 0; r < R; r++) {
      int32_t word;
      memcpy(&word, a + r, 4);
      const __m512bh x = (__m512bh)_mm512_set1_epi32(word);
      HT_UNROLL for (int n = 0; n < N; n++) acc[r][n] = _mm512_dpbf16_ps(acc[r][n], x, y[n]);
    }
    a += R;
    b += C;
  }
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++) _mm512_storeu_ps(sums + r * C + 16 * n, acc[r][n]);
}
static bool pairUnit() { return __builtin_cpu_supports("avx512bf16"); }
#else
static void addPairs(float*, const float*, const float*, int, bool) {}
static bool pairUnit() { return false; }
#endif

static void addFloats(float* sums, const float* a, const float* b, int k, bool first) {
  F16 acc[R][N];
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++) acc[r][n] = first ? splat(0) : load(sums + r * C + 16 * n);
  addTile<R, N, 1>(acc, a, R, b, C, k);
  HT_UNROLL for (int r = 0; r < R; r++)
    HT_UNROLL for (int n = 0; n < N; n++) store(sums + r * C + 16 * n, acc[r][n]);
}

/** What follows the sums of a tile, for the rows and columns that exist. */
static void finish(const ProductArgs& a, const float* sums, int row, int col) {
  const int rows = least(R, a.m - row), cols = least(C, a.n - col);
  for (int r = 0; r < rows; r++) {
    float* out = a.out + (size_t)(row + r) * a.n + col;
    const float* from = sums + r * C;
    int c = 0;
    for (; c + 16 <= cols; c += 16) {
      F16 x = load(from + c) * splat(a.scale);
      if (a.bias) x = x + load(a.bias + col + c);
      if (a.add) x = x + load(out + c);
      store(out + c, x);
    }
    for (; c < cols; c++) {
      float x = from[c] * a.scale;
      if (a.bias) x += a.bias[col + c];
      out[c] = a.add ? out[c] + x : x;
    }
  }
}

template <Packed P>
static void multiply(const Call& c, const ProductArgs& a) {
  const int tiles = (a.m + R - 1) / R, panels = (a.n + C - 1) / C;
  // Lines of packed numbers: pairs take half as many; an odd k is filled up with zeros.
  const int k = up(a.k, 2), lines = P == Packed::pairs ? k / 2 : k;
  float* packedA = (float*)c.scratch;
  float* packedB = packedA + (size_t)tiles * R * lines;
  float* waiting = packedB + (size_t)panels * C * lines + (size_t)c.thread * PRODUCT_BLOCK * R * C;
  HT_TASKS(c, t, tiles + panels) {
    if (t < tiles) {
      const float* from = a.turnA ? a.a + (size_t)t * R : a.a + (size_t)t * R * a.k;
      float* to = packedA + (size_t)t * R * lines;
      pack<P, R>(to, from, (size_t)(a.turnA ? a.m : a.k), !a.turnA, least(R, a.m - t * R), a.k);
    } else {
      const int p = t - tiles;
      const float* from = a.turnB ? a.b + (size_t)p * C * a.k : a.b + (size_t)p * C;
      float* to = packedB + (size_t)p * C * lines;
      pack<P, C>(to, from, (size_t)(a.turnB ? a.k : a.n), a.turnB, least(C, a.n - p * C), a.k);
    }
  }
  teamMeet(c.team);
  // Blocks of tiles share a panel while it is in L1; fewer tiles a block where that leaves threads without work.
  int block = PRODUCT_BLOCK;
  while (block > 1 && (tiles + block - 1) / block * panels < 4 * teamSize(c.team)) block /= 2;
  const int blocks = (tiles + block - 1) / block;
  HT_TASKS(c, t, blocks * panels) {
    const int first = t % blocks * block, end = least(tiles, first + block), panel = t / blocks;
    for (int from = 0; from < lines || from == 0; from += STRETCH) {
      const int many = least(STRETCH, lines - from);
      const float* b = packedB + ((size_t)panel * lines + from) * C;
      for (int i = first; i < end; i++) {
        const float* x = packedA + ((size_t)i * lines + from) * R;
        float* sums = waiting + (size_t)(i - first) * R * C;
        if (P == Packed::pairs) addPairs(sums, x, b, many, from == 0);
        else addFloats(sums, x, b, many, from == 0);
        if (from + many >= lines) finish(a, sums, i * R, panel * C);
      }
    }
  }
}

void product(const Call& c, const ProductArgs& a) {
  if (!a.bf16) return multiply<Packed::floats>(c, a);
  if (pairUnit()) return multiply<Packed::pairs>(c, a);
  multiply<Packed::rounded>(c, a);
}

}  // namespace HT_NS
