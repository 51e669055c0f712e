// What policies have a pass remember: queries, moments, gates, bounds of pages, the newest query's probabilities.
#include "slots.h"
#include "table.h"

namespace HT_NS {

/** Rows of an item at consecutive positions: those of a chunk, or a step's one. */
struct Rows {
  int set, row, rows, first;
};

/** Items at words i (list), i + 1 (first); word i + 3 tells chunks from steps. */
HT_INLINE Rows rowsOf(const Call& c, int i, int item) {
  const bool chunk = c.words[i + 3] != 0;
  const int32_t* at = ints(c, i) + ((size_t)c.words[i + 1] + item) * (chunk ? 4 : 3);
  return {at[0], at[1], chunk ? at[2] : 1, chunk ? at[3] : at[2]};
}

void mark(const Call& c, int thread) {
  if (thread != 0) return;
  float* z = floats(c, 0);
  const int32_t* flags = ints(c, 1);
  const int rows = c.words[2], kvHeads = c.words[3];
  for (int r = 0; r < rows; r++)
    for (int h = 0; h < kvHeads; h++) {
      float& x = z[(size_t)r * kvHeads + h];
      x = !flags[r] ? -1e30f : c.words[4] ? 1 : x;
    }
}

void gelu(const Call& c, int) {
  float* x = floats(c, 0);
  const int count = c.words[1];
  constexpr int BLOCK = 256;
  HT_TASKS(c, t, (count + BLOCK - 1) / BLOCK)
    for (int i = t * BLOCK; i < least(count, (t + 1) * BLOCK); i++)
      // Below zero 1 + erf would cancel.
      x[i] = 0.5f * x[i] * (x[i] < 0 ? erfcf(-x[i] * 0.70710678f) : 1 + erff(x[i] * 0.70710678f));
}

void remember(const Call& c, int) {
  const Store& st = lanesOf(c, 3);
  float* ring = floats(c, 0);
  const float* q = floats(c, 2);
  const int queries = c.words[1], layer = c.words[4], count = c.words[7];
  const size_t width = (size_t)st.queryHeads * st.headDim;
  HT_TASKS(c, t, count) {
    const Rows x = rowsOf(c, 5, t);
    for (int i = x.rows > queries ? x.rows - queries : 0; i < x.rows; i++) {
      const size_t to = ((size_t)x.set * st.layers + layer) * queries + (size_t)((x.first + i) % queries);
      memcpy(ring + to * width, q + (size_t)(x.row + i) * width, width * 4);
    }
  }
}

/** Adds x x^T of rows [from, to) to `sums` [D][D]: a tile of 2 x 4 vectors runs over all rows, which are few enough for L1. */
static void addProducts(double* sums, const double* x, int rows, int D, int pad) {
  constexpr int WD = (int)(sizeof(VD) / sizeof(double)), N = 4;
  for (int a = 0; a < D; a += 2) {  // D is even
    int b = 0;
    for (; b + WD * N <= D; b += WD * N) {
      VD acc[2][N];
      double* to = sums + (size_t)a * D + b;
      HT_UNROLL for (int i = 0; i < 2; i++)
        HT_UNROLL for (int n = 0; n < N; n++) acc[i][n] = *(const VDUnaligned*)(to + (size_t)i * D + n * WD);
      for (int r = 0; r < rows; r++) {
        const double* row = x + (size_t)r * pad;
        HT_UNROLL for (int n = 0; n < N; n++) {
          const VD y = *(const VDUnaligned*)(row + b + n * WD);
          HT_UNROLL for (int i = 0; i < 2; i++) acc[i][n] += row[a + i] * y;
        }
      }
      HT_UNROLL for (int i = 0; i < 2; i++)
        HT_UNROLL for (int n = 0; n < N; n++) *(VDUnaligned*)(to + (size_t)i * D + n * WD) = acc[i][n];
    }
    for (; b < D; b++)
      for (int i = 0; i < 2; i++) {
        double acc = sums[(size_t)(a + i) * D + b];
        for (int r = 0; r < rows; r++) acc += x[(size_t)r * pad + a + i] * x[(size_t)r * pad + b];
        sums[(size_t)(a + i) * D + b] = acc;
      }
  }
}

void clear(const Call& c, int) {
  const Store& st = lanesOf(c, 2);
  const int stride = c.words[1], count = c.words[5], each = st.layers * st.kvHeads;
  const int32_t* items = ints(c, 3) + (size_t)c.words[4] * 3;
  HT_TASKS(c, t, count * each) {
    const int lane = items[3 * (t / each)] * each + t % each;
    if (sound(c, st, lane)) memset(floats(c, 0) + (size_t)lane * stride, 0, (size_t)least(stride, st.archive[lane] + 1) * 4);
  }
}

void gather(const Call& c, int thread) {
  const Store& st = lanesOf(c, 3);
  const float* q = floats(c, 2);
  const int skip = c.words[1], layer = c.words[4], count = c.words[7], D = st.headDim, pad = up(D, 16);
  const int32_t* items = ints(c, 5) + (size_t)c.words[6] * 4;
  double* own = (double*)(c.scratch + gatherBytes(st) * thread);
  HT_TASKS(c, t, count * st.queryHeads) {
    const int32_t* item = items + (size_t)(t / st.queryHeads) * 4;
    const int j = t % st.queryHeads, row = item[1], rows = item[2], first = item[3];
    const size_t number = ((size_t)item[0] * st.layers + layer) * st.queryHeads + j;
    double* sums = (double*)floats(c, 0) + number * ((size_t)D + (size_t)D * D);
    if (first == 0) memset(sums, 0, ((size_t)D + (size_t)D * D) * 8);
    for (int i = skip > first ? skip - first : 0; i < rows; i += GATHER_ROWS) {
      const int n = least(GATHER_ROWS, rows - i);
      for (int r = 0; r < n; r++) {
        const float* x = q + ((size_t)(row + i + r) * st.queryHeads + j) * D;
        for (int d = 0; d < D; d++) {
          own[(size_t)r * pad + d] = x[d];
          sums[d] += x[d];
        }
      }
      addProducts(sums + D, own, n, D, pad);
    }
  }
}

void note(const Call& c, int) {
  const Store& st = lanesOf(c, 4);
  float* board = floats(c, 0);
  const float* z = floats(c, 2);
  const int stride = c.words[1], shift = c.words[3], layer = c.words[5], count = c.words[8];
  HT_TASKS(c, t, count * st.kvHeads) {
    const Rows x = rowsOf(c, 6, t / st.kvHeads);
    const int h = t % st.kvHeads, lane = laneOf(st, x.set, layer, h), archive = st.archive[lane];
    if (archive >= stride) {
      fail(c.fault, "lane %d: expected an archive below the board's stride %d, got %d slots", lane, stride, archive);
      continue;
    }
    // The newest key, at slot `archive`, has position first + rows - 1; the gate at position p labels key p - shift.
    for (int i = 0; i < x.rows; i++) {
      const int slot = archive - (x.rows - 1 - i) - shift;
      if (slot >= 0 && x.first + i - shift >= 0)
        board[(size_t)lane * stride + slot] = -z[(size_t)(x.row + i) * st.kvHeads + h];
    }
  }
}

/** Keys of bf16 are their own bounds: no rounding. */
template <bool BF>
static void boundPage(const Store& st, int page, int keys, char* to) {
  const char* k = pageData(st, page);
  const auto put = [&](int n, float x) __attribute__((always_inline)) {
    if constexpr (BF) {
      ((uint16_t*)to)[n] = toBf16(x);
    } else {
      ((float*)to)[n] = x;
    }
  };
  float slots[16];
  for (int i = 0; i < PAGE; i++) slots[i] = (float)i;
  const F16 slot = load(slots), end = splat((float)keys);
  for (int d = 0; d < st.headDim; d++) {
    F16 all = channel<BF>(k, d);
    const V first = splatV(all.v[0][0]);  // instead of what is not live
    HT_UNROLL for (int i = 0; i < NV; i++) all.v[i] = slot.v[i] < end.v[i] ? all.v[i] : first;
    put(d, fewest(all));
    put(st.headDim + d, most(all));
  }
}

void bound(const Call& c, int) {
  const Store& st = lanesOf(c, 1);
  char* bounds = (char*)floats(c, 0);
  const int layer = c.words[2], count = c.words[5];
  HT_TASKS(c, t, count * st.kvHeads) {
    const Rows x = rowsOf(c, 3, t / st.kvHeads);
    const int lane = laneOf(st, x.set, layer, t % st.kvHeads), archive = st.archive[lane];
    if (!sound(c, st, lane)) continue;
    for (int p = (archive > x.rows ? archive - x.rows : 0) / PAGE; p * PAGE < archive; p++) {
      const int page = pageAt(c, st, lane, st.archiveTable[(size_t)lane * st.archivePages + p]);
      char* to = bounds + boundsBytes(st) * (size_t)page;
      const int keys = least(PAGE, archive - p * PAGE);
      if (st.bf16) {
        boundPage<true>(st, page, keys, to);
      } else {
        boundPage<false>(st, page, keys, to);
      }
    }
  }
}

void weigh(const Call& c, int) {
  const Store& st = lanesOf(c, 5);
  float* board = floats(c, 0);
  const float* raw = floats(c, 2);
  const float* lse = floats(c, 3);
  const int stride = c.words[1], rawStride = c.words[4], layer = c.words[6], count = c.words[9];
  const int group = st.queryHeads / st.kvHeads;
  const bool add = c.words[10] != 0;
  const int32_t* items = ints(c, 7) + (size_t)c.words[8] * 3;
  constexpr int BLOCK = 512;
  const int most = (st.archivePages * PAGE + BLOCK) / BLOCK;
  // The mean over a layer's heads is one row for all its lanes; sums over a group are each lane's own.
  const int owners = add ? st.kvHeads : 1;
  const auto fits = [&](int lane) {
    if (st.archive[lane] < least(stride, rawStride)) return true;
    fail(c.fault, "lane %d: expected an archive below the strides %d of the board and %d of the scores, got %d slots", lane,
         stride, rawStride, st.archive[lane]);
    return false;
  };
  HT_TASKS(c, t, count * owners * most) {
    const int i = t / (owners * most), h = t / most % owners, from = t % most * BLOCK;
    const int lane = laneOf(st, items[3 * i], layer, h);
    bool good = true;
    for (int o = 0; o < (add ? 1 : st.kvHeads); o++) good = fits(lane + o) && asMany(c, st, lane, lane + o) && good;
    if (!good || from > st.archive[lane]) continue;
    const int n = least(BLOCK, st.archive[lane] + 1 - from);
    float total[BLOCK] = {};
    for (int j = h * group; j < (add ? (h + 1) * group : st.queryHeads); j++) {
      const size_t row = (size_t)i * st.queryHeads + j;
      const float* scores = raw + row * rawStride + from;
      int s = 0;
      for (; s + 16 <= n; s += 16) store(total + s, load(total + s) + exp(load(scores + s) - splat(lse[row])));
      for (; s < n; s++) total[s] += exp1(scores[s] - lse[row]);
    }
    if (add) {
      float* ranks = board + (size_t)lane * stride + from;
      for (int s = 0; s < n; s++) ranks[s] = from + s < st.archive[lane] ? ranks[s] + total[s] : total[s];
    } else {
      for (int o = 0; o < st.kvHeads; o++)
        for (int s = 0; s < n; s++) board[(size_t)(lane + o) * stride + from + s] = total[s] / (float)st.queryHeads;
    }
  }
}

}  // namespace HT_NS
