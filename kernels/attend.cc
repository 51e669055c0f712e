// Decode attention. A step's keys fall into spans of 256 logical slots (archive, then doomed) and the pending key; each
// gives a partial (maximum, sum, output), and the partials are merged in that order. Steps whose archives hold the same
// 16 pages in a whole span read them together, once. Tasks: whole archive spans by KV head, then each step's rest by KV
// head, then the merge.
//
// Where a query reads only some pages (Quest), those are chosen first (selectPages.cc), and 16 of them at a time make a
// span of the step's own. A step that reads every page goes the common way, so its bits are the same with and without a
// choice.
#include "decode.h"
#include "span.h"
#include "table.h"

namespace HT_NS {

static int archiveSpans(const Store& st, int lane) { return (st.archive[lane] + SPAN - 1) / SPAN; }
static int doomedSpans(const Store& st, int lane) {
  if (st.tail[lane] <= st.head[lane]) return 0;
  return (st.tail[lane] - 1) / SPAN - st.head[lane] / SPAN + 1;
}

/** Spans of the archive that a step reads. */
static int readSpans(const Decode& d, int i, int h) {
  return d.chosen(i, h) ? (d.choice(i, h)[0] + SPAN_PAGES - 1) / SPAN_PAGES : archiveSpans(*d.st, d.lane(i, h));
}

/** Query row `r` of a span: step and query head. */
struct Row {
  int step, head;
};

/** `q`: the queries that read this span. `rawSlot`: where its scores go in `raw`, -1 nowhere. */
template <class Page>
static void partialsOf(const Decode& d, Span& span, const Row* rows, const float* q, int part, int rawSlot) {
  const Store& st = *d.st;
  float* outs[QUERY_ROWS];
  span.D = st.headDim;
  span.width = st.width;
  span.q = d.query;
  span.scores = d.scores;
  closePages(span, Page::keyBytes(st.headDim));
  for (int r = 0; r < span.rows; r++)
    scaleQuery(d.query + (size_t)r * st.width, q + d.queryAt(rows[r].step, rows[r].head), st.headDim, st.width);
  scoreAll<Page>(span);
  for (int r = 0; r < span.rows; r++) {
    float* s = d.scores + (size_t)r * SPAN;
    if (d.raw && rawSlot >= 0)
      memcpy(d.rawOf(rows[r].step, rows[r].head) + rawSlot, s, (size_t)span.end * 4);
    edges(s, span.begin, span.end);
    outs[r] = d.partial(rows[r].step, rows[r].head, part);
    memset(outs[r], 0, (size_t)st.width * 4);
    const float top = mostOf(s, span.begin, span.end);
    outs[r][st.width] = top;
    outs[r][st.width + 1] = exponentiate(s, span.begin, span.end, top);
  }
  valueAll<Page>(span, outs);
}

static void spanOf(const Decode& d, Span& span, const Row* rows, const float* q, int part, int rawSlot) {
  withPage(d.st->format, [&](auto page) { partialsOf<decltype(page)>(d, span, rows, q, part, rawSlot); });
}

/** Whole archive span `n` of KV head `h`, for all steps that have it: those with equal pages together. */
static void wholeSpan(Decode& d, int h, int n) {
  Store& st = *d.st;
  const auto table = [&](int i) {  // without the divisions that lanes cost
    const int within = d.a->layer * st.kvHeads + h;
    return &entriesOf(st, st.archiveTable, st.archivePages, d.a->steps[i].set, within)[n * SPAN_PAGES];
  };
  for (int i = 0; i < d.steps; i++) d.done[i] = d.chosen(i, h) || st.archive[d.lane(i, h)] < (n + 1) * SPAN;
  for (int i = 0; i < d.steps; i++) {
    if (d.done[i]) continue;
    const int32_t* own = table(i);
    Span span;
    for (int p = 0; p < SPAN_PAGES; p++) span.pages[p] = pageData(st, pageAt(*d.c, st, d.lane(i, h), own[p]));
    const int32_t* after = nullptr;
    for (int j = i + 1; j < d.steps && !after; j++)
      if (!d.done[j] && memcmp(own, table(j), SPAN_PAGES * 4) != 0) after = table(j);
    // The other threads take the tasks between; a wrong guess is a few lines read in vain.
    if (!after && st.archive[d.lane(0, h)] >= (n + teamSize(d.c->team) + 1) * SPAN)
      after = &archiveOf(st, d.lane(0, h))[(n + teamSize(d.c->team)) * SPAN_PAGES];
    for (int p = 0; p < AHEAD; p++)
      span.after[p] = after && (uint32_t)after[p] < (uint32_t)st.pages ? pageData(st, after[p]) : nullptr;
    span.begin = 0;
    span.end = SPAN;
    __atomic_fetch_add(&st.physical[d.lane(i, h)], SPAN, __ATOMIC_RELAXED);
    Row rows[QUERY_ROWS];
    span.rows = 0;
    for (int j = i; j < d.steps; j++) {
      if (d.done[j] || memcmp(own, table(j), SPAN_PAGES * 4) != 0) continue;
      d.done[j] = 1;
      for (int g = 0; g < d.group; g++) {
        rows[span.rows++] = {j, h * d.group + g};
        if (span.rows < QUERY_ROWS) continue;
        spanOf(d, span, rows, d.archiveQ, n, n * SPAN);
        span.rows = 0;
      }
    }
    if (span.rows > 0) spanOf(d, span, rows, d.archiveQ, n, n * SPAN);
  }
}

/** Query heads of KV head `h` at step `i`, in blocks that fit the scratch. */
static void spanOfStep(Decode& d, Span& span, int i, int h, const float* q, int part, int rawSlot) {
  Row rows[QUERY_ROWS];
  span.rows = 0;
  for (int g = 0; g < d.group; g++) {
    rows[span.rows++] = {i, h * d.group + g};
    if (span.rows < QUERY_ROWS && g + 1 < d.group) continue;
    spanOf(d, span, rows, q, part, rawSlot);
    span.rows = 0;
  }
}

/** Keys of a choice, whose last page may be filled in part. */
static int chosenKeys(const Decode& d, int i, int h) {
  const int partly = d.st->archive[d.lane(i, h)] % PAGE;
  return d.choice(i, h)[0] * PAGE - (partly ? PAGE - partly : 0);
}

/** Span `n` of the chosen pages. */
static void chosenSpan(Decode& d, int i, int h, int n, int mostSpans) {
  const Store& st = *d.st;
  Span span = {};
  span.begin = 0;
  span.end = least(SPAN, chosenKeys(d, i, h) - n * SPAN);
  for (int p = 0; p * PAGE < span.end; p++) span.pages[p] = pageData(st, d.chosenPage(i, h, n * SPAN_PAGES + p));
  // What this thread reads next if the others take the tasks between.
  const int next = (i * st.kvHeads + h) * mostSpans + n + teamSize(d.c->team), lane = next / mostSpans;
  const int j = lane / st.kvHeads, first = next % mostSpans * SPAN_PAGES;
  if (j < d.steps && d.chosen(j, lane % st.kvHeads))
    for (int p = 0; p < AHEAD && first + p < d.choice(j, lane % st.kvHeads)[0]; p++)
      span.after[p] = pageData(st, d.chosenPage(j, lane % st.kvHeads, first + p));
  spanOfStep(d, span, i, h, d.archiveQ, n, -1);
}

/** What no other step shares but the chosen pages: the archive's last span, doomed spans, the pending key. */
static void rest(Decode& d, int i, int h) {
  Store& st = *d.st;
  const int lane = d.lane(i, h), archive = st.archive[lane], head = st.head[lane], tail = st.tail[lane];
  const int whole = archive / SPAN, spans = readSpans(d, i, h);
  int reads = archive, alone = archive - whole * SPAN;
  if (d.chosen(i, h)) {
    const int bounds = 2 * (archive / PAGE + 1);  // of each page count as two keys
    reads = alone = chosenKeys(d, i, h) + bounds;
  } else if (spans > whole) {
    Span span = {};
    span.begin = 0;
    span.end = archive - whole * SPAN;
    const int32_t* table = &archiveOf(st, lane)[whole * SPAN_PAGES];
    for (int p = 0; p * PAGE < span.end; p++) span.pages[p] = pageData(st, pageAt(*d.c, st, lane, table[p]));
    spanOfStep(d, span, i, h, d.archiveQ, whole, whole * SPAN);
  }
  const int doomed = doomedSpans(st, lane);
  const Entries ring = doomedOf(st, lane);
  for (int n = 0; n < doomed; n++) {
    const int base = (head / SPAN + n) * SPAN;
    Span span = {};
    span.begin = head > base ? head - base : 0;
    span.end = least(SPAN, tail - base);
    for (int p = span.begin / PAGE; p * PAGE < span.end; p++)
      span.pages[p] = pageData(st, pageAt(*d.c, st, lane, ring[ringEntry(st, base + p * PAGE)]));
    spanOfStep(d, span, i, h, d.a->q, spans + n, -1);
  }
  float *k = d.scores, *v = k + st.width;  // the pending key, widened
  withPage(st.format, [&](auto page) {
    typedef decltype(page) Page;
    for (int at = 0; at < st.width; at += 16) {
      store(k + at, Page::row(pendingKey<Page>(st, lane) + at));
      store(v + at, Page::row(pendingValue<Page>(st, lane) + at));
    }
  });
  for (int g = 0; g < d.group; g++) {
    const int j = h * d.group + g;
    scaleQuery(d.query, d.a->q + d.queryAt(i, j), st.headDim, st.width);
    F16 dot = splat(0);
    for (int at = 0; at < st.width; at += 16) dot = fma(load(d.query + at), load(k + at), dot);
    float* part = d.partial(i, j, spans + doomed);
    memcpy(part, v, (size_t)st.width * 4);
    part[st.width] = sum(dot);
    part[st.width + 1] = 1;
    if (d.raw) d.rawOf(i, j)[archive] = part[st.width];
  }
  st.reads[lane] += reads + tail - head + 1;
  __atomic_fetch_add(&st.physical[lane], alone + tail - head + 1, __ATOMIC_RELAXED);
}

static void merge(const Decode& d, int i, int h) {
  const Store& st = *d.st;
  const int lane = d.lane(i, h), parts = readSpans(d, i, h) + doomedSpans(st, lane) + 1;
  for (int g = 0; g < d.group; g++) {
    const int j = h * d.group + g;
    float* first = d.partial(i, j, 0);
    float top = first[st.width];
    for (int p = 1; p < parts; p++) {
      const float m = d.partial(i, j, p)[st.width];
      top = m > top ? m : top;
    }
    float total = 0;
    for (int p = 0; p < parts; p++) {
      const float* part = d.partial(i, j, p);
      const float weight = exp1(part[st.width] - top);
      total += weight * part[st.width + 1];
      for (int at = 0; at < st.width; at += 16) {
        const F16 x = splat(weight) * load(part + at);
        store(first + at, p == 0 ? x : load(first + at) + x);
      }
    }
    for (int at = 0; at < st.width; at += 16) store(first + at, load(first + at) * splat(1 / total));
    memcpy(d.a->out + d.queryAt(i, j), first, (size_t)st.headDim * 4);
    if (d.lse) d.lse[(size_t)i * st.queryHeads + j] = top + logf(total);
  }
}

/** Is every lane such that its tables can be read? All threads say the same. */
static bool ready(const Call& c, const AttendArgs& a) {
  const Store& st = *a.lanes;
  for (const Run& step : a.steps)
    for (int lane = laneOf(st, step.set, a.layer, 0), end = lane + st.kvHeads; lane < end; lane++) {
      if (c.thread == 0 && (st.dead[lane] != DEAD_NONE || st.pendingPosition[lane] < 0))
        fail(c.fault, "lane %d: expected no dead key at attention, got slot %d; admit first", lane, st.dead[lane]);
      if (!sound(c, st, lane) || (a.pages && !hasBounds(c, st, step.set))) return false;
    }
  return true;
}

void attend(const Call& c, const AttendArgs& a) {
  Store& st = *a.lanes;
  if (!ready(c, a)) return;
  Decode d = {};
  d.c = &c;
  d.a = &a;
  d.st = &st;
  d.steps = a.steps.count;
  d.group = st.queryHeads / st.kvHeads;
  d.reach = reachOf(st, a.steps, a.layer, 1, 0);
  d.archiveQ = a.archiveQuery ? a.archiveQuery : a.q;
  // Partials lie behind the threads' own memory, then choices or raw scores.
  const size_t own = threadBytes(st, d.steps);
  d.query = (float*)(c.scratch + own * (size_t)c.thread);
  d.scores = d.query + (size_t)2 * QUERY_ROWS * st.width;
  d.done = (uint8_t*)(d.scores + QUERY_ROWS * SPAN) + 2 * SPAN * 4;
  d.partials = (float*)(c.scratch + own * (size_t)teamSize(c.team));
  char* behind = (char*)d.partials + partialsBytes(st, d.steps, d.reach);
  if (a.pages) {
    d.choices = (int32_t*)behind;
    selectPages(d);
  } else if (a.rank != Rank::none) {
    d.raw = (float*)behind;
    d.lse = d.raw + (size_t)d.steps * st.queryHeads * d.reach.slots;
  }
  int whole = 0, most = 0;  // spans of a lane that steps may share; of a choice
  for (int i = 0; i < d.steps; i++)
    for (int h = 0; h < st.kvHeads; h++) {
      int& spans = d.chosen(i, h) ? most : whole;
      const int n = d.chosen(i, h) ? readSpans(d, i, h) : st.archive[d.lane(i, h)] / SPAN;
      spans = n > spans ? n : spans;
    }
  const int pairs = d.steps * st.kvHeads, shared = st.kvHeads * whole, selected = pairs * most;
  HT_TASKS(c, t, shared + selected + pairs) {
    if (t < shared) {
      wholeSpan(d, t / whole, t % whole);
    } else if (t < shared + selected) {
      const int pair = (t - shared) / most, n = (t - shared) % most, i = pair / st.kvHeads, h = pair % st.kvHeads;
      if (d.chosen(i, h) && n < readSpans(d, i, h)) chosenSpan(d, i, h, n, most);
    } else {
      rest(d, (t - shared - selected) / st.kvHeads, (t - shared - selected) % st.kvHeads);
    }
  }
  teamMeet(c.team);
  HT_TASKS(c, t, d.steps * st.kvHeads) merge(d, t / st.kvHeads, t % st.kvHeads);
  if (!d.raw) return;
  teamMeet(c.team);
  rankKeys(d);
}

}  // namespace HT_NS
