// Attention inside documents under a soft mask, forward and backward. A task is one document and KV head; it takes 32
// queries at a time against all keys that they see, so nothing larger than [keys, 32] exists. Scores lie with queries
// side by side: softmax needs no horizontal sums, and every product below reads its factors in rows.
//
// Backward recomputes probabilities P from the log-sum-exp: dV = P^T dO, dS = P (dO V^T - rowsum(dO O)), dQ = dS K,
// dK = dS^T Q (FlashAttention, arXiv 2205.14135, algorithm 4).
#include "softTile.h"

namespace HT_NS {

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

void attendSoft(const Call& c, const AttendSoftArgs& a) {
  const int group = a.queryHeads / a.kvHeads;
  const float scale = 1 / sqrtf((float)a.dim);
  everywhere(c, a, a.soft, a.window, [&](const Soft& s) {
    bring(s, a.v, s.rowsV, s.tilesV);
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
  everywhere(c, a, a.soft, a.window, [&](const Soft& s) {
    bring(s, a.v, s.rowsV, s.tilesV);
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
