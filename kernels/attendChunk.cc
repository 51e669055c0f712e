// Attention of prompt chunks. The chunk's keys are first written into blocks like pages, in the lanes' format, the
// pending key before them; then tasks of up to 32 query rows (positions x query heads of a KV head) run over archive,
// doomed and chunk spans with the inner loops of decode and a running maximum. What a query does not see is masked by
// two numbers per key: its position and the last position that sees it.
#include "lane.h"
#include "scratch.h"
#include "span.h"
#include "table.h"

namespace HT_NS {

struct Chunk {
  int set, row, rows, first;
  int pages;   // of the converted keys of one KV head
  char* keys;  // [Hkv][pages] converted pages
  Gates g;
};

struct Prefill {
  const Call* c;
  const AttendChunkArgs* a;
  Store* st;
  int group;
};

/** The last position that sees a key. */
HT_INLINE int lastSeer(const Gates& g, int position, bool labelled) {
  if (!labelled || !g.z) return INT32_MAX;
  const int64_t last = (int64_t)position + g.window;
  return last > INT32_MAX ? INT32_MAX : (int)last;
}

/** How many of the chunk's queries see a key. */
HT_INLINE int seers(const Chunk& k, int position, int last) {
  const int from = position > k.first ? position : k.first;
  const int to = least(last, k.first + k.rows - 1);
  return to >= from ? to - from + 1 : 0;
}

HT_INLINE char* blockOf(const Store& st, const Chunk& k, int h, int page) {
  return k.keys + ((size_t)h * k.pages + page) * chunkPageBytes(st);
}
HT_INLINE int32_t* limitsOf(const Store& st, char* block) { return (int32_t*)(block + lineUp(st.pageBytes)); }

/** Page `page` of the converted keys of head h: slot s of it is key 16 page + s, key 0 the pending one. */
template <class Page>
static void convert(const Prefill& p, const Chunk& k, int h, int page) {
  Store& st = *p.st;
  const int lane = laneOf(st, k.set, p.a->layer, h), D = st.headDim;
  char* block = blockOf(st, k, h, page);
  int32_t* limits = limitsOf(st, block);
  int reads = 0;
  for (int s = 0; s < PAGE; s++) {
    const int i = page * PAGE + s - 1, position = k.first + i;
    limits[s] = INT32_MIN;
    if (i < 0 && predecessor(*p.c, st, lane, k.first)) {
      writeNumbers<Page>(block, D, s, pendingKey<Page>(st, lane), pendingValue<Page>(st, lane));
      limits[s] = lastSeer(k.g, position, pendingLabelled(st, lane, h, k.row, k.g));
    } else if (i >= 0 && i < k.rows) {
      const size_t at = ((size_t)(k.row + i) * st.kvHeads + h) * D;
      writeNumbers<Page>(block, D, s, p.a->k + at, p.a->v + at);
      limits[s] = lastSeer(k.g, position, i < k.rows - 1 && over(st, k.g, h, k.row + i + k.g.shift));
    } else {
      for (int d = 0; d < D; d++) *Page::keyAt(block, D, s, d) = *Page::valueAt(block, D, s, d) = 0;
    }
    reads += seers(k, position, limits[s]);
  }
  if (page == 0) {
    reads += k.rows * (st.archive[lane] - (st.dead[lane] >= 0));
    for (int s = st.head[lane]; s < st.tail[lane]; s++) {
      const int at = pageAt(*p.c, st, lane, doomedOf(st, lane)[ringEntry(st, s)]);
      const int position = st.positions[(size_t)at * PAGE + s % PAGE];
      reads += seers(k, position, lastSeer(k.g, position, true));
    }
  }
  __atomic_fetch_add(&st.reads[lane], reads, __ATOMIC_RELAXED);
}

/** Query rows of one task with their running softmax. */
struct Rows {
  int position[QUERY_ROWS];
  float top[QUERY_ROWS], total[QUERY_ROWS];
  float* out[QUERY_ROWS];
  int32_t *positions, *limits;  // [SPAN] of the span's keys
};

template <class Page>
static void fold(Span& span, Rows& rows, int dead, bool masked) {
  scoreAll<Page>(span);
  for (int r = 0; r < span.rows; r++) {
    float* s = span.scores + (size_t)r * SPAN;
    if (dead >= 0 && dead < SPAN) s[dead] = -INFINITY;
    if (masked) {
      const VI q = rows.position[r] - VI{};
      for (int at = span.begin / PAGE * PAGE; at < span.end; at += W) {
        const VI position = *(const VIUnaligned*)(rows.positions + at), limit = *(const VIUnaligned*)(rows.limits + at);
        const VI seen = (position <= q) & (q <= limit);
        const V x = *(const VUnaligned*)(s + at);
        *(VUnaligned*)(s + at) = seen ? x : splatV(-INFINITY);
      }
    }
    edges(s, span.begin, span.end);
    const float most = mostOf(s, span.begin, span.end), top = most > rows.top[r] ? most : rows.top[r];
    if (top == -INFINITY) {  // this row has seen no key yet
      for (int at = span.begin / PAGE * PAGE; at < span.end; at++) s[at] = 0;
      continue;
    }
    const float old = exp1(rows.top[r] - top);
    if (old != 1)
      for (int at = 0; at < span.width; at += 16) store(rows.out[r] + at, load(rows.out[r] + at) * splat(old));
    rows.total[r] = rows.total[r] * old + exponentiate(s, span.begin, span.end, top);
    rows.top[r] = top;
  }
  valueAll<Page>(span, rows.out);
}

template <class Page>
static void queries(const Prefill& p, const Chunk& k, int h, int from, char* own) {
  Store& st = *p.st;
  const int lane = laneOf(st, k.set, p.a->layer, h), D = st.headDim, archive = st.archive[lane];
  Span span;
  Rows rows;
  span.D = D;
  span.width = st.width;
  span.rows = least(QUERY_ROWS, k.rows * p.group - from);
  float* q = (float*)own;
  span.q = q;
  float* out = q + (size_t)QUERY_ROWS * st.width;
  span.scores = out + (size_t)QUERY_ROWS * st.width;
  rows.positions = (int32_t*)(span.scores + QUERY_ROWS * SPAN);
  rows.limits = rows.positions + SPAN;
  const auto at = [&](int r) {
    return ((size_t)(k.row + (from + r) / p.group) * st.queryHeads + h * p.group + (from + r) % p.group) * D;
  };
  for (int r = 0; r < span.rows; r++) {
    rows.position[r] = k.first + (from + r) / p.group;
    rows.top[r] = -INFINITY;
    rows.total[r] = 0;
    rows.out[r] = out + (size_t)r * st.width;
    memset(rows.out[r], 0, (size_t)st.width * 4);
    scaleQuery(q + (size_t)r * st.width, p.a->q + at(r), D, st.width);
  }
  const auto close = [&] { closePages(span, Page::keyBytes(D)); };
  memset(span.after, 0, sizeof span.after);

  for (int base = 0; base < archive; base += SPAN) {
    const int32_t* table = &archiveOf(st, lane)[base / PAGE];
    span.begin = 0;
    span.end = least(SPAN, archive - base);
    for (int n = 0; n * PAGE < span.end; n++) span.pages[n] = pageData(st, pageAt(*p.c, st, lane, table[n]));
    close();
    fold<Page>(span, rows, st.dead[lane] - base, false);
  }
  const int head = st.head[lane], tail = st.tail[lane];
  for (int base = head / SPAN * SPAN; base < tail; base += SPAN) {
    if (head >= tail) break;
    span.begin = head > base ? head - base : 0;
    span.end = least(SPAN, tail - base);
    for (int n = span.begin / PAGE; n * PAGE < span.end; n++) {
      const int page = pageAt(*p.c, st, lane, doomedOf(st, lane)[ringEntry(st, base + n * PAGE)]);
      span.pages[n] = pageData(st, page);
      for (int s = 0; s < PAGE; s++) {
        const int position = st.positions[(size_t)page * PAGE + s];
        rows.positions[n * PAGE + s] = position;
        rows.limits[n * PAGE + s] = lastSeer(k.g, position, true);
      }
    }
    close();
    fold<Page>(span, rows, -1, true);
  }
  // Keys past the last query's position are nobody's: key i has position first - 1 + i.
  const int keys = rows.position[span.rows - 1] - (k.first - 1) + 1;
  for (int base = 0; base < keys; base += SPAN) {
    span.begin = 0;
    span.end = least(SPAN, keys - base);
    for (int n = 0; n * PAGE < span.end; n++) {
      char* block = blockOf(st, k, h, base / PAGE + n);
      span.pages[n] = block;
      for (int s = 0; s < PAGE; s++) rows.positions[n * PAGE + s] = k.first - 1 + base + n * PAGE + s;
      memcpy(rows.limits + n * PAGE, limitsOf(st, block), PAGE * 4);
    }
    close();
    fold<Page>(span, rows, -1, true);
  }
  for (int r = 0; r < span.rows; r++) {
    const F16 scale = splat(1 / rows.total[r]);
    for (int d = 0; d < st.width; d += 16) store(rows.out[r] + d, load(rows.out[r] + d) * scale);
    memcpy(p.a->out + at(r), rows.out[r], (size_t)D * 4);
  }
}

void attendChunk(const Call& c, const AttendChunkArgs& a) {
  Store& st = *a.lanes;
  const Prefill p = {&c, &a, &st, st.queryHeads / st.kvHeads};
  const size_t own = threadBytes(st, 0);
  // Walks the chunks: which one holds task t, given the tasks of each?
  const auto find = [&](int t, auto&& tasks, Chunk& k, int& within) {
    char* keys = c.scratch + own * (size_t)teamSize(c.team);
    for (const Run& run : a.chunks) {
      k = {run.set, run.row, run.rows, run.position, chunkPages(run.rows), keys, gatesOf(a.z, st, run.set)};
      const int n = tasks(k);
      if (t < n) {
        within = t;
        return true;
      }
      t -= n;
      keys += (size_t)st.kvHeads * k.pages * chunkPageBytes(st);
    }
    return false;
  };
  Chunk k;
  int within;
  for (const Run& run : a.chunks)
    for (int h = 0; h < st.kvHeads; h++)
      if (!sound(c, st, laneOf(st, run.set, a.layer, h))) return;
  const auto pages = [&](const Chunk& x) { return x.rows > 0 ? st.kvHeads * x.pages : 0; };
  const auto blocks = [&](const Chunk& x) { return (x.rows * p.group + QUERY_ROWS - 1) / QUERY_ROWS; };
  const auto tasks = [&](const Chunk& x) { return st.kvHeads * blocks(x); };
  withPage(st.format, [&](auto page) {
    typedef decltype(page) Page;
    while (find(teamNext(c.team), pages, k, within)) convert<Page>(p, k, within / k.pages, within % k.pages);
    teamMeet(c.team);
    while (find(teamNext(c.team), tasks, k, within)) {
      // The last blocks see the most keys: first.
      const int block = blocks(k) - 1 - within / st.kvHeads;
      queries<Page>(p, k, within % st.kvHeads, block * QUERY_ROWS, c.scratch + own * (size_t)c.thread);
    }
  });
}

}  // namespace HT_NS
