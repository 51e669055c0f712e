// A lane's keys as those who rank them see it: one row of slots in pages of 16, and softmax over some of them. Keys
// that lie in no page yet (the pending one, a chunk's) follow in copies of the last page and pages behind it, so no
// loop knows of them.
#pragma once
#include "lane.h"
#include "scratch.h"
#include "span.h"

namespace HT_NS {

struct Slots {
  const Call* c;
  const Store* st;
  int lane, count;
  int whole;  // pages that are read where they lie
  Entries table;
  char* behind;  // copies of keys, without values; slots past the last key hold zeros
};

HT_INLINE const char* pageOf(const Slots& s, int page) {
  if (page >= s.whole) return s.behind + (size_t)(page - s.whole) * lineUp(keyBytes(*s.st));
  return pageData(*s.st, pageAt(*s.c, *s.st, s.lane, s.table[page]));
}

HT_INLINE Slots slotsOf(const Call& c, const Store& st, int lane, int more, char* behind) {
  const int archive = st.archive[lane];
  return {&c, &st, lane, archive + more, archive / PAGE, archiveOf(st, lane), behind};
}

/** Fills the copies: `more(i, put)` calls `put` with the numbers of the key of slot archive + i. */
template <class Page, class More>
static void copyBehind(const Slots& s, const More& more) {
  const Store& st = *s.st;
  const int archive = st.archive[s.lane], pages = (s.count + PAGE - 1) / PAGE, D = st.headDim;
  for (int page = s.whole; page < pages; page++) {
    char* to = s.behind + (size_t)(page - s.whole) * lineUp(keyBytes(st));
    if (page * PAGE < archive) memcpy(to, pageData(st, pageAt(*s.c, st, s.lane, s.table[page])), keyBytes(st));
    for (int slot = page * PAGE; slot < (page + 1) * PAGE; slot++) {
      if (slot < archive) continue;
      for (int d = 0; d < D; d++) *Page::keyAt(to, D, slot % PAGE, d) = 0;
      if (slot >= s.count) continue;
      more(slot - archive, [&](const auto* k) {
        for (int d = 0; d < D; d++) *Page::keyAt(to, D, slot % PAGE, d) = Page::number(k[d]);
      });
    }
  }
}

/** Channel `d` of 16 slots. */
template <class Page>
HT_INLINE F16 channel(const char* page, int d) {
  return Page::part(page + (size_t)(d / Page::G) * 64, d % Page::G);
}

/**
 * scores[r][16 n + s]: query row r (of `span`, scaled) by slot s of page `page(n)`, for n below `pages`. Rows of
 * `scores` are `stride` apart.
 */
template <class Page, class PageAt>
static void scorePages(Span& span, int pages, float* scores, size_t stride, const PageAt& page) {
  memset(span.after, 0, sizeof span.after);
  for (int base = 0; base < pages; base += SPAN_PAGES) {
    const int n = least(SPAN_PAGES, pages - base);
    for (int i = 0; i < n; i++) span.pages[i] = page(base + i);
    span.begin = 0;
    span.end = n * PAGE;
    closePages(span, 0);
    scoreAll<Page>(span);
    for (int r = 0; r < span.rows; r++)
      memcpy(scores + (size_t)r * stride + (size_t)base * PAGE, span.scores + (size_t)r * SPAN, (size_t)span.end * 4);
  }
}

/**
 * x = e^(x - greatest) over n numbers, a multiple of 16; returns 1 / their sum, or 0 (and leaves x) where all are -inf.
 */
HT_INLINE float exponentials(float* x, int n) {
  if (n == 0) return 0;
  const float top = mostOf(x, 0, n);
  return top == -INFINITY ? 0 : 1 / exponentiate(x, 0, n, top);
}

/** total += x * scale over n numbers, a multiple of 16. */
HT_INLINE void addScaled(float* total, const float* x, float scale, int n) {
  for (int i = 0; i < n; i += 16) store(total + i, fma(load(x + i), splat(scale), load(total + i)));
}

}  // namespace HT_NS
