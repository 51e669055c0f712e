// What policies have a pass remember of its queries, gates and pages.
#include "slots.h"
#include "table.h"

namespace HT_NS {

void observe(const Call& c, const ObserveArgs& a) {
  const Store& st = *a.lanes;
  const size_t width = (size_t)st.queryHeads * st.headDim;
  HT_TASKS(c, t, a.runs.count) {
    const Run& run = a.runs[t];
    const State& state = st.states[run.set];
    if (!observes(c, st, run.set, 1)) continue;
    for (int i = run.rows > state.queries ? run.rows - state.queries : 0; i < run.rows; i++) {
      const uint32_t position = (uint32_t)run.position + (uint32_t)i;
      const size_t to = (size_t)a.layer * state.queries + position % (uint32_t)state.queries;
      memcpy(state.observed + to * width, a.q + (size_t)(run.row + i) * width, width * 4);
    }
  }
}

/**
 * Adds x x^T of rows [from, to) to `sums` [D][D]: a tile of 2 x 4 vectors runs over all rows, which are few enough for
 * L1.
 */
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

void addMoments(const Call& c, const AddMomentsArgs& a) {
  const Store& st = *a.lanes;
  const int D = st.headDim, pad = up(D, 16);
  double* own = (double*)(c.scratch + widenedBytes(st) * (size_t)c.thread);
  HT_TASKS(c, t, a.chunks.count * st.queryHeads) {
    const Run& run = a.chunks[t / st.queryHeads];
    const int j = t % st.queryHeads;
    double* sums = momentsOf(c, st, run.set, a.layer, j);
    if (!sums) continue;
    if (run.position == 0) memset(sums, 0, ((size_t)D + (size_t)D * D) * 8);
    for (int i = a.skip > run.position ? a.skip - run.position : 0; i < run.rows; i += MOMENT_ROWS) {
      const int n = least(MOMENT_ROWS, run.rows - i);
      for (int r = 0; r < n; r++) {
        const float* x = a.q + ((size_t)(run.row + i + r) * st.queryHeads + j) * D;
        for (int d = 0; d < D; d++) {
          own[(size_t)r * pad + d] = x[d];
          sums[d] += x[d];
        }
      }
      addProducts(sums + D, own, n, D, pad);
    }
  }
}

void clear(const Call& c, const ClearArgs& a) {
  const Store& st = *a.lanes;
  HT_TASKS(c, t, a.runs.count * st.lanes) {
    const int lane = a.runs[t / st.lanes].set * st.lanes + t % st.lanes;
    float* scores = sound(c, st, lane) ? scoresOf(c, st, lane) : nullptr;
    if (scores) memset(scores, 0, (size_t)(st.archive[lane] + 1) * 4);
  }
}

void noteGates(const Call& c, const NoteGatesArgs& a) {
  const Store& st = *a.lanes;
  HT_TASKS(c, t, a.runs.count * st.kvHeads) {
    const Run& run = a.runs[t / st.kvHeads];
    const int h = t % st.kvHeads, lane = laneOf(st, run.set, a.layer, h);
    float* scores = scoresOf(c, st, lane);
    if (!scores) continue;
    // The newest key, at slot `archive`, has the run's last position; the gate at position p labels key p - shift.
    for (int i = 0; i < run.rows; i++) {
      const int slot = st.archive[lane] - (run.rows - 1 - i) - a.shift;
      if (slot >= 0 && run.position + i - a.shift >= 0) scores[slot] = -a.z[(size_t)(run.row + i) * st.kvHeads + h];
    }
  }
}

/** ||a - b||, in one order on all instruction sets. */
static float distance(const float* a, const float* b, int n) {
  constexpr int WAYS = 8;
  double sums[WAYS] = {};
  int d = 0;
  for (; d + WAYS <= n; d += WAYS)
    HT_UNROLL for (int i = 0; i < WAYS; i++) {
      const double x = (double)a[d + i] - b[d + i];
      sums[i] += x * x;
    }
  for (; d < n; d++) {
    const double x = (double)a[d] - b[d];
    sums[0] += x * x;
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return (float)::sqrt(total);
}

/** Deviations of the last of some changes from their mean. */
static double standing(const float* changes, int count) {
  double mean = 0, squares = 0;
  if (count < 2) return 0;
  for (int i = 0; i < count; i++) mean += changes[i];
  mean /= count;
  for (int i = 0; i < count; i++) squares += (changes[i] - mean) * (changes[i] - mean);
  return (changes[count - 1] - mean) / (::sqrt(squares / count) + 1e-6);
}

void noteChange(const Call& c, const NoteChangeArgs& a) {
  const Store& st = *a.lanes;
  HT_TASKS(c, t, a.runs.count) {
    const Run& run = a.runs[t];
    const State& state = st.states[run.set];
    if (!changes(c, st, run.set, (int64_t)run.position + run.rows)) continue;
    if (state.width != a.dim) {
      fail(c.fault, "set %d: expected hidden states of %d numbers on the device, got %d; attach them", run.set, a.dim,
           state.width);
      continue;
    }
    const float* before = lastState(state, a.late);
    float *moved = movedOf(state, a.late), *ranks = standingOf(state);
    for (int i = 0; i < run.rows; i++) {
      const float* now = a.x + (size_t)(run.row + i) * a.dim;
      const int p = run.position + i, first = st.protect[run.set];
      if (p >= first) {
        moved[p] = p == 0 ? 0 : distance(now, before, a.dim);
        const int from = p - a.window + 1 > first ? p - a.window + 1 : first;
        const double z = standing(moved + from, p - from + 1);
        ranks[p] = (float)(a.late ? ranks[p] - z : z);
      }
      before = now;
    }
    memcpy(lastState(state, a.late), before, (size_t)a.dim * 4);
  }
}

/** Keys are their own bounds: no rounding. */
template <class Page>
static void boundPage(const Store& st, int page, int keys, char* to) {
  const char* k = pageData(st, page);
  auto* bounds = (typename Page::Number*)to;
  float slots[16];
  for (int i = 0; i < PAGE; i++) slots[i] = (float)i;
  const F16 slot = load(slots), end = splat((float)keys);
  for (int d = 0; d < st.headDim; d++) {
    F16 all = channel<Page>(k, d);
    const V first = splatV(all.v[0][0]);  // instead of what is not live
    HT_UNROLL for (int i = 0; i < NV; i++) all.v[i] = slot.v[i] < end.v[i] ? all.v[i] : first;
    bounds[d] = Page::number(fewest(all));
    bounds[st.headDim + d] = Page::number(most(all));
  }
}

void bound(const Call& c, const BoundArgs& a) {
  const Store& st = *a.lanes;
  withPage(st.format, [&](auto format) {
    HT_TASKS(c, t, a.runs.count * st.kvHeads) {
      const Run& run = a.runs[t / st.kvHeads];
      const int lane = laneOf(st, run.set, a.layer, t % st.kvHeads), archive = st.archive[lane];
      if (!sound(c, st, lane) || !hasBounds(c, st, run.set)) continue;
      for (int p = (archive > run.rows ? archive - run.rows : 0) / PAGE; p * PAGE < archive; p++) {
        const int page = pageAt(c, st, lane, archiveOf(st, lane)[p]);
        char* to = st.bounds + boundsBytes(st) * (size_t)page;
        boundPage<decltype(format)>(st, page, least(PAGE, archive - p * PAGE), to);
      }
    }
  });
}

}  // namespace HT_NS
