// Quest: which pages does a query read? Those that hold the last keys, and the best others by the most that a key within a page's
// bounds could score. That most is linear: where q_d > 0 it takes the greatest key, else the least, so a group's heads add up to
// two vectors, and a page costs one product of its bounds with them, whatever the group. Heads may share pages but no choice.
#include "decode.h"
#include "select.h"

namespace HT_NS {

/** Pages a task: 64 KB of bf16 bounds, which stay in L2 for the steps that share them. */
constexpr int BLOCK = 128;
/** Pages between the bounds that are read and those that are asked for. */
constexpr int BOUNDS_AHEAD = 8;

/** The most pages that are read beside the last. */
static int others(const Store& st, int lane) {
  const int pages = st.budget[lane] / PAGE;
  return (pages > 3 ? pages : 3) - 1;
}
static bool chooses(const Store& st, int lane) {
  return st.archive[lane] + 1 > st.budget[lane] && st.archive[lane] / PAGE > others(st, lane);
}

/** Numbers of a page's bounds that go by whole lines; the rest (D no multiple of 16) go one by one. */
static int byLines(const Store& st) { return 2 * st.headDim / (st.bf16 ? 32 : 16) * (st.bf16 ? 32 : 16); }

/** Weights of a page's bounds, least then greatest, in the order in which lines of them are read. */
static void weights(const Decode& d, int i, int h, float* to) {
  const Store& st = *d.st;
  const int D = st.headDim, lines = byLines(st);
  const float* q = d.q + ((size_t)d.items[3 * i + 1] * st.queryHeads + (size_t)h * d.group) * D;
  for (int n = 0; n < 2 * D; n++) {
    float total = 0;
    for (int g = 0; g < d.group; g++) {
      const float x = q[(size_t)g * D + n % D];
      total += n < D ? (x < 0 ? x : 0) : (x < 0 ? 0 : x);
    }
    // A line of bf16 gives its even numbers, then its odd ones.
    const bool paired = st.bf16 && n < lines;
    to[paired ? n / 32 * 32 + n % 2 * 16 + n % 32 / 2 : n] = total;
  }
}

template <bool BF>
static void scorePages(const Decode& d, int lane, const float* w, int from, int to, float* scores) {
  const Store& st = *d.st;
  const size_t bytes = boundsBytes(st);
  const int lines = byLines(st), all = 2 * st.headDim;
  const int32_t* table = st.archiveTable + (size_t)lane * st.archivePages;
  for (int p = from; p < to; p++) {
    const char* at = d.bounds + bytes * (size_t)pageAt(*d.c, st, lane, table[p]);
    // A wrong entry is refused when its turn comes; asking for it is harmless.
    const char* next = d.bounds + bytes * (size_t)table[least(p + BOUNDS_AHEAD, to - 1)];
    F16 even = splat(0), odd = splat(0);
    float rest = 0;
    if constexpr (BF) {
      for (int n = 0; n < lines; n += 32) {
        prefetch(next + 2 * n);
        even = fma(load(w + n), loadLow(at + 2 * n), even);
        odd = fma(load(w + n + 16), loadHigh(at + 2 * n), odd);
      }
      for (int n = lines; n < all; n++) rest += w[n] * fromBf16(((const uint16_t*)at)[n]);
    } else {
      for (int n = 0; n < lines; n += 16) {
        prefetch(next + 4 * n);
        F16& acc = n % 32 ? odd : even;
        acc = fma(load(w + n), load((const float*)at + n), acc);
      }
      for (int n = lines; n < all; n++) rest += w[n] * ((const float*)at)[n];
    }
    scores[p] = sum(even + odd) + rest;
  }
}

/** The best of the scores, which the choice holds, then the last page unless it holds the pending key alone. */
static void pick(const Decode& d, int i, int h) {
  const Store& st = *d.st;
  const int lane = d.lane(i, h), last = st.archive[lane] / PAGE;
  int32_t* choice = d.choice(i, h);
  const float* scores = (const float*)(choice + 1);
  Best top = best(others(st, lane), [&](auto visit) {
    for (int p = 0; p < last; p++) visit(scores[p]);
  });
  int n = 0;
  for (int p = 0; p < last; p++)
    if (top.takes(scores[p])) choice[1 + n++] = p;  // scores before p have been read
  if (st.archive[lane] % PAGE != 0) choice[1 + n++] = last;
  choice[0] = n;
}

void choosePages(const Decode& d) {
  const Store& st = *d.st;
  const int blocks = (st.archivePages + BLOCK - 1) / BLOCK;
  HT_TASKS(*d.c, t, st.kvHeads * blocks) {
    const int h = t / blocks, from = t % blocks * BLOCK;
    // One step after the other: chains of one prompt find its bounds in the cache.
    for (int i = 0; i < d.steps; i++) {
      const int lane = d.lane(i, h), to = least(from + BLOCK, st.archive[lane] / PAGE);
      if (from >= to || !chooses(st, lane)) continue;
      float* scores = (float*)(d.choice(i, h) + 1);
      weights(d, i, h, d.query);
      if (st.bf16) {
        scorePages<true>(d, lane, d.query, from, to, scores);
      } else {
        scorePages<false>(d, lane, d.query, from, to, scores);
      }
    }
  }
  teamMeet(d.c->team);
  HT_TASKS(*d.c, t, d.steps * st.kvHeads) {
    const int i = t / st.kvHeads, h = t % st.kvHeads;
    d.choice(i, h)[0] = -1;
    if (chooses(st, d.lane(i, h))) pick(d, i, h);
  }
  teamMeet(d.c->team);
}

}  // namespace HT_NS
