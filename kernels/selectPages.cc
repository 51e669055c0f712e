// Quest: which pages does a query read? Those that hold the last keys, and the best others by the most that a key
// within a page's bounds could score. That most is linear: where q_d > 0 it takes the greatest key, else the least, so
// a group's heads add up to two vectors, and a page costs one product of its bounds with them, whatever the group.
// Heads may share pages but no choice.
#include "decode.h"
#include "select.h"

namespace HT_NS {

/** Pages per task: 64 KB of bf16 bounds, which stay in L2 for the steps that share them. */
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

/** Numbers of a page's bounds that go by whole lines of 64 bytes; the rest (D no multiple of 16) go one by one. */
template <class Page>
static int byLines(const Store& st) {
  return 2 * st.headDim / (16 * Page::G) * (16 * Page::G);
}

/** Weights of a page's bounds, least then greatest, in the order in which lines of them are read. */
template <class Page>
static void weights(const Decode& d, int i, int h, float* to) {
  constexpr int G = Page::G;
  const int D = d.st->headDim, lines = byLines<Page>(*d.st);
  const float* q = d.a->q + d.queryAt(i, h * d.group);
  for (int n = 0; n < 2 * D; n++) {
    float total = 0;
    for (int g = 0; g < d.group; g++) {
      const float x = q[(size_t)g * D + n % D];
      total += n < D ? (x < 0 ? x : 0) : (x < 0 ? 0 : x);
    }
    // A line gives the first number of each word, then the second.
    to[n < lines ? n / (16 * G) * 16 * G + n % G * 16 + n % (16 * G) / G : n] = total;
  }
}

template <class Page>
static void scorePages(const Decode& d, int lane, const float* w, int from, int to, float* scores) {
  const Store& st = *d.st;
  const size_t bytes = boundsBytes(st);
  const int lines = byLines<Page>(st), all = 2 * st.headDim;
  const Entries table = archiveOf(st, lane);
  for (int p = from; p < to; p++) {
    const char* at = st.bounds + bytes * (size_t)pageAt(*d.c, st, lane, table[p]);
    // A wrong entry is refused when its turn comes; asking for it is harmless.
    const char* next = st.bounds + bytes * (size_t)table[least(p + BOUNDS_AHEAD, to - 1)];
    F16 even = splat(0), odd = splat(0);
    float rest = 0;
    const auto* numbers = (const typename Page::Number*)at;
    int n = 0;
    for (; n + 32 <= lines; n += 32) {
      F16 a, b;
      Page::halves(at + n * sizeof *numbers, a, b);
      for (int line = 0; line < 2 / Page::G; line++) prefetch(next + n * sizeof *numbers + 64 * line);
      even = fma(load(w + n), a, even);
      odd = fma(load(w + n + 16), b, odd);
    }
    if (n < lines) even = fma(load(w + n), Page::part(at + n * sizeof *numbers, 0), even);
    for (n = lines; n < all; n++) rest += w[n] * Page::widen(numbers[n]);
    scores[p] = sum(even + odd) + rest;
  }
}

/** The best of the scores, which the choice holds, then the last page unless it holds the pending key alone. */
static void select(const Decode& d, int i, int h) {
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

void selectPages(const Decode& d) {
  const Store& st = *d.st;
  const int blocks = (d.reach.slots / PAGE + BLOCK - 1) / BLOCK;
  withPage(st.format, [&](auto page) {
    typedef decltype(page) Page;
    HT_TASKS(*d.c, t, st.kvHeads * blocks) {
      const int h = t / blocks, from = t % blocks * BLOCK;
      // One step after the other: chains of one prompt find its bounds in the cache.
      for (int i = 0; i < d.steps; i++) {
        const int lane = d.lane(i, h), to = least(from + BLOCK, st.archive[lane] / PAGE);
        if (from >= to || !chooses(st, lane)) continue;
        weights<Page>(d, i, h, d.query);
        scorePages<Page>(d, lane, d.query, from, to, (float*)(d.choice(i, h) + 1));
      }
    }
  });
  teamMeet(d.c->team);
  HT_TASKS(*d.c, t, d.steps * st.kvHeads) {
    const int i = t / st.kvHeads, h = t % st.kvHeads;
    d.choice(i, h)[0] = -1;
    if (chooses(st, d.lane(i, h))) select(d, i, h);
  }
  teamMeet(d.c->team);
}

}  // namespace HT_NS
