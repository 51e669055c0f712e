// A document and KV head as attention of training works on it: 32 queries at a time against tiles of keys. Scores lie
// with queries side by side, so that softmax needs no horizontal sums.
#pragma once
#include "attendSoft.h"
#include "table.h"
#include "tile.h"

namespace HT_NS {

constexpr int Q = SOFT_QUERIES;
#if defined(__AVX512F__)
constexpr int A = 8;  // rows of a tile: 16 sums in registers beside 2 lines
#else
constexpr int A = 2;
#endif

/** One document and KV head, in a thread's scratch. */
struct Soft {
  const float* soft;  // of the whole call
  int row, rows, from, queryHeads, kvHeads, head, dim, width, window;
  // Tiles of A keys, [dim][A] each; rows [rows][width], padded with zeros.
  float *tilesK, *tilesV, *rowsK, *rowsV, *dK, *dV;
  float *scores, *dScores;        // [rows][Q]
  float *queries, *queriesAcross;  // [Q][width], [dim][Q]; scaled
  float *dOut, *dOutAcross, *sums;  // [Q][width], [dim][Q], [Q][width]

  Soft(char* scratch, int thread, size_t bytes, int most) {
    memory = (float*)(scratch + (size_t)thread * bytes);
    keys = (size_t)up(most, 16);
  }
  void lay() {
    float* at = memory;
    const auto take = [&](size_t count) {
      float* p = at;
      at += count;
      return p;
    };
    const size_t w = (size_t)width;
    for (float** table : {&tilesK, &tilesV, &rowsK, &rowsV, &dK, &dV}) *table = take(keys * w);
    scores = take(keys * Q);
    dScores = take(keys * Q);
    for (float** block : {&queries, &queriesAcross, &dOut, &dOutAcross, &sums}) *block = take(Q * w);
  }
  size_t keyAt(int i) const { return ((size_t)(row + i) * kvHeads + head) * dim; }
  size_t queryAt(int i, int h) const { return ((size_t)(row + i) * queryHeads + h) * dim; }

 private:
  float* memory;
  size_t keys;
};

/** Keys or values of the document's head: rows, and tiles of A rows with their channels side by side. */
static void bring(const Soft& s, const float* from, float* rows, float* tiles) {
  const int n = up(s.rows, A);
  for (int i = 0; i < n; i++) {
    float* to = rows + (size_t)i * s.width;
    memset(to, 0, (size_t)s.width * 4);
    if (i < s.rows) memcpy(to, from + s.keyAt(i), (size_t)s.dim * 4);
    float* tile = tiles + (size_t)(i / A) * s.dim * A + i % A;
    for (int d = 0; d < s.dim; d++) tile[(size_t)d * A] = to[d];
  }
}

/** `count` query rows times `scale`, padded, and with queries side by side. */
static void bringQueries(const Soft& s, const float* from, int h, int first, int count, float scale, float* rows,
                         float* across) {
  memset(rows, 0, (size_t)Q * s.width * 4);
  memset(across, 0, (size_t)Q * s.dim * 4);
  for (int i = 0; i < count; i++) {
    const float* x = from + s.queryAt(first + i, h);
    for (int d = 0; d < s.dim; d++) across[(size_t)d * Q + i] = rows[(size_t)i * s.width + d] = x[d] * scale;
  }
}

/** act(s) for every document and KV head, its keys brought. Null `soft`: no mask. */
template <class Args, class Act>
static void everywhere(const Call& c, const Args& a, const float* soft, int window, const Act& act) {
  Soft s(c.scratch, c.thread, softBytes(a.documents, a.dim), longest(a.documents));
  s.soft = soft;
  s.window = window;
  s.queryHeads = a.queryHeads;
  s.kvHeads = a.kvHeads;
  s.dim = a.dim;
  s.width = up(a.dim, 16);
  s.lay();
  HT_TASKS(c, t, a.documents.count * a.kvHeads) {
    const Document& document = a.documents[t / a.kvHeads];
    s.row = document.row;
    s.rows = document.rows;
    s.from = document.from;
    s.head = t % a.kvHeads;
    bring(s, a.k, s.rowsK, s.tilesK);
    act(s);
  }
}

HT_INLINE F16 lanes() {
  const float numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load(numbers);
}
/** Where lane >= from: x, elsewhere y. */
HT_INLINE F16 lanesFrom(int from, F16 x, F16 y) {
  const F16 lane = lanes();
  HT_UNROLL for (int i = 0; i < NV; i++) y.v[i] = lane.v[i] >= (float)from ? x.v[i] : y.v[i];
  return y;
}

/** First of the queries, counted from `first`, that the mask of key `key` touches. */
HT_INLINE int maskedFrom(const Soft& s, int key, int first) {
  const int by = key + s.window + 1;
  return (by > s.from ? by : s.from) - first;
}

/** Scores of a tile of keys, from key `key` on, for the block of queries that begins at `first`. */
HT_INLINE void scoreTile(const Soft& s, int key, int first, F16 (*x)[2]) {
  HT_UNROLL for (int r = 0; r < A; r++) x[r][0] = x[r][1] = splat(0);
  addTile<A, 2, 1>(x, s.tilesK + (size_t)key * s.dim, A, s.queriesAcross, Q, s.dim);
  for (int r = 0; r < A; r++) {
    const int i = key + r, masked = maskedFrom(s, i, first);
    if (s.soft && i < s.rows && masked < Q) {
      const F16 fade = splat(s.soft[(size_t)(s.row + i) * s.kvHeads + s.head]);
      for (int n = 0; n < 2; n++) x[r][n] = x[r][n] + lanesFrom(masked - 16 * n, fade, splat(0));
    }
    if (i > first)
      for (int n = 0; n < 2; n++) x[r][n] = lanesFrom(i - first - 16 * n, x[r][n], splat(-INFINITY));
  }
}

}  // namespace HT_NS
