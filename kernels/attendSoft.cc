// Attention inside documents under a soft mask, forward and backward. A task is one document and KV head; it takes 32
// queries at a time against all keys that they see, so nothing larger than [keys, 32] exists. Scores lie with queries
// side by side: softmax needs no horizontal sums, and every product below reads its factors in rows.
//
// Backward recomputes probabilities P from the log-sum-exp: dV = P^T dO, dS = P (dO V^T - rowsum(dO O)), dQ = dS K,
// dK = dS^T Q (FlashAttention, arXiv 2205.14135, algorithm 4).
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
  const float *q, *k, *v, *soft;  // of the whole call
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

/** out[i][d] = sum over k < count of a[k][i] x[k][d] for the block's queries; x has rows of `width`. */
static void gatherRows(const Soft& s, const float* a, const float* x, int count, float* out) {
  for (int i = 0; i < Q; i += A) {
    int d = 0;
    for (; d + 32 <= s.width; d += 32) {
      F16 sums[A][2];
      for (int r = 0; r < A; r++) sums[r][0] = sums[r][1] = splat(0);
      addTile<A, 2, 1>(sums, a + i, Q, x + d, (size_t)s.width, count);
      for (int r = 0; r < A; r++)
        for (int n = 0; n < 2; n++) store(out + (size_t)(i + r) * s.width + d + 16 * n, sums[r][n]);
    }
    for (; d < s.width; d += 16) {
      F16 sums[A][1];
      for (int r = 0; r < A; r++) sums[r][0] = splat(0);
      addTile<A, 1, 1>(sums, a + i, Q, x + d, (size_t)s.width, count);
      for (int r = 0; r < A; r++) store(out + (size_t)(i + r) * s.width + d, sums[r][0]);
    }
  }
}

/** out[i][d] += sum over the block's queries of a[i][query] x[query][d], for keys i < count. */
static void addRows(const Soft& s, const float* a, const float* x, int count, float* out) {
  const size_t w = (size_t)s.width;
  for (int i = 0; i < count; i += A) {
    int d = 0;
    for (; d + 32 <= s.width; d += 32) {
      F16 sums[A][2];
      for (int r = 0; r < A; r++)
        for (int n = 0; n < 2; n++) sums[r][n] = load(out + (size_t)(i + r) * w + d + 16 * n);
      addTile<A, 2, Q>(sums, a + (size_t)i * Q, 1, x + d, w, Q);
      for (int r = 0; r < A; r++)
        for (int n = 0; n < 2; n++) store(out + (size_t)(i + r) * w + d + 16 * n, sums[r][n]);
    }
    for (; d < s.width; d += 16) {
      F16 sums[A][1];
      for (int r = 0; r < A; r++) sums[r][0] = load(out + (size_t)(i + r) * w + d);
      addTile<A, 1, Q>(sums, a + (size_t)i * Q, 1, x + d, w, Q);
      for (int r = 0; r < A; r++) store(out + (size_t)(i + r) * w + d, sums[r][0]);
    }
  }
}

/** act(s) for every document and KV head. */
template <class Args, class Act>
static void everywhere(const Call& c, const Args& a, const Act& act) {
  Soft s(c.scratch, c.thread, softBytes(a.documents, a.dim), longest(a.documents));
  s.q = a.q;
  s.k = a.k;
  s.v = a.v;
  s.soft = a.soft;
  s.queryHeads = a.queryHeads;
  s.kvHeads = a.kvHeads;
  s.dim = a.dim;
  s.width = up(a.dim, 16);
  s.window = a.window;
  s.lay();
  HT_TASKS(c, t, a.documents.count * a.kvHeads) {
    const Document& document = a.documents[t / a.kvHeads];
    s.row = document.row;
    s.rows = document.rows;
    s.from = document.from;
    s.head = t % a.kvHeads;
    bring(s, a.k, s.rowsK, s.tilesK);
    bring(s, a.v, s.rowsV, s.tilesV);
    act(s);
  }
}

void attendSoft(const Call& c, const AttendSoftArgs& a) {
  const int group = a.queryHeads / a.kvHeads;
  const float scale = 1 / sqrtf((float)a.dim);
  everywhere(c, a, [&](const Soft& s) {
    for (int h = s.head * group; h < (s.head + 1) * group; h++)
      for (int first = 0; first < s.rows; first += Q) {
        const int count = least(Q, s.rows - first), keys = up(first + count, A);
        bringQueries(s, a.q, h, first, count, scale, s.queries, s.queriesAcross);
        F16 top[2] = {splat(-INFINITY), splat(-INFINITY)}, total[2] = {splat(0), splat(0)};
        for (int key = 0; key < keys; key += A) {
          F16 x[A][2];
          scoreTile(s, key, first, x);
          for (int r = 0; r < A; r++)
            for (int n = 0; n < 2; n++) {
              top[n] = larger(top[n], x[r][n]);
              store(s.scores + (size_t)(key + r) * Q + 16 * n, x[r][n]);
            }
        }
        for (int key = 0; key < keys; key++)
          for (int n = 0; n < 2; n++) {
            float* at = s.scores + (size_t)key * Q + 16 * n;
            const F16 e = exp(load(at) - top[n]);
            total[n] = total[n] + e;
            store(at, e);
          }
        gatherRows(s, s.scores, s.rowsV, keys, s.sums);
        float most[Q], sums[Q];
        for (int n = 0; n < 2; n++) {
          store(most + 16 * n, top[n]);
          store(sums + 16 * n, total[n]);
        }
        for (int i = 0; i < count; i++) {
          a.lse[(size_t)(s.row + first + i) * a.queryHeads + h] = most[i] + logf(sums[i]);
          float* out = a.out + s.queryAt(first + i, h);
          const float part = 1 / sums[i];
          for (int d = 0; d < a.dim; d++) out[d] = s.sums[(size_t)i * s.width + d] * part;
        }
      }
  });
}

/** P and dS of a block of queries; what each key's mask gets is added to `dsoft` (the document's, kvHeads apart). */
static void scoresBack(const Soft& s, int first, int keys, const float* lse, const float* delta, float* dsoft) {
  for (int key = 0; key < keys; key += A) {
    F16 x[A][2], dp[A][2];
    scoreTile(s, key, first, x);
    HT_UNROLL for (int r = 0; r < A; r++) dp[r][0] = dp[r][1] = splat(0);
    addTile<A, 2, 1>(dp, s.tilesV + (size_t)key * s.dim, A, s.dOutAcross, Q, s.dim);
    for (int r = 0; r < A; r++) {
      F16 ds[2];
      for (int n = 0; n < 2; n++) {
        const F16 p = exp(x[r][n] - load(lse + 16 * n));
        ds[n] = p * (dp[r][n] - load(delta + 16 * n));
        store(s.scores + (size_t)(key + r) * Q + 16 * n, p);
        store(s.dScores + (size_t)(key + r) * Q + 16 * n, ds[n]);
      }
      const int i = key + r, masked = maskedFrom(s, i, first);
      if (dsoft && i < s.rows && masked < Q)
        dsoft[(size_t)i * s.kvHeads] +=
            sum(lanesFrom(masked, ds[0], splat(0)) + lanesFrom(masked - 16, ds[1], splat(0)));
    }
  }
}

void attendSoftBack(const Call& c, const AttendSoftBackArgs& a) {
  const int group = a.queryHeads / a.kvHeads;
  const float scale = 1 / sqrtf((float)a.dim);
  everywhere(c, a, [&](const Soft& s) {
    const size_t bytes = (size_t)up(s.rows, A) * s.width * 4;
    memset(s.dK, 0, bytes);
    memset(s.dV, 0, bytes);
    float* dsoft = a.dsoft ? a.dsoft + (size_t)s.row * a.kvHeads + s.head : nullptr;
    if (dsoft)
      for (int i = 0; i < s.rows; i++) dsoft[(size_t)i * a.kvHeads] = 0;
    for (int h = s.head * group; h < (s.head + 1) * group; h++)
      for (int first = 0; first < s.rows; first += Q) {
        const int count = least(Q, s.rows - first), keys = up(first + count, A);
        bringQueries(s, a.q, h, first, count, scale, s.queries, s.queriesAcross);
        bringQueries(s, a.dout, h, first, count, 1, s.dOut, s.dOutAcross);
        float lse[Q], delta[Q];
        for (int i = 0; i < Q; i++) {
          // Queries beyond the last have probability 0 everywhere.
          lse[i] = i < count ? a.lse[(size_t)(s.row + first + i) * a.queryHeads + h] : 1e30f;
          delta[i] = 0;
          if (i >= count) continue;
          const float *out = a.out + s.queryAt(first + i, h), *dout = s.dOut + (size_t)i * s.width;
          for (int d = 0; d < a.dim; d++) delta[i] += out[d] * dout[d];
        }
        scoresBack(s, first, keys, lse, delta, dsoft);
        addRows(s, s.scores, s.dOut, keys, s.dV);
        addRows(s, s.dScores, s.queries, keys, s.dK);
        gatherRows(s, s.dScores, s.rowsK, keys, s.sums);
        for (int i = 0; i < count; i++) {
          float* dq = a.dq + s.queryAt(first + i, h);
          for (int d = 0; d < a.dim; d++) dq[d] = s.sums[(size_t)i * s.width + d] * scale;
        }
      }
    for (int i = 0; i < s.rows; i++) {
      memcpy(a.dk + s.keyAt(i), s.dK + (size_t)i * s.width, (size_t)a.dim * 4);
      memcpy(a.dv + s.keyAt(i), s.dV + (size_t)i * s.width, (size_t)a.dim * 4);
    }
  });
}

}  // namespace HT_NS
