// Decode attention. A step's keys fall into cuts of 256 logical slots (archive, then doomed) and the pending key; each gives a
// partial (maximum, sum, output), and the partials are merged in that order. Steps whose archives hold the same 16 pages in a
// whole cut read them together, once. Tasks: whole archive cuts by KV head, then each step's rest by KV head; then the merge.
//
// Where a query reads only some pages (Quest), those are chosen first, and gathered into cuts of the step's own. A step that
// reads every page goes the common way, so its bits are the same with and without a choice.
#include "cut.h"
#include "lane.h"
#include "scratch.h"
#include "select.h"
#include "table.h"

namespace HT_NS {

struct Decode {
  const Call* c;
  Store* st;
  int layer, steps, group, parts;
  const int32_t* items;
  const float *q, *archiveQ;  // the second: what attends to the archive
  float *out, *raw, *lse;
  const float* bounds;
  int32_t* choices;  // [steps][Hkv] number and list of the pages that are read, -1: all; null without a choice
  int stride;
  float* partials;
  // This thread's.
  float *query, *scores;
  uint8_t* done;

  __attribute__((always_inline)) int lane(int i, int h) const { return laneOf(*st, items[3 * i], layer, h); }
  __attribute__((always_inline)) float* partial(int i, int head, int part) const {
    return partials + (((size_t)i * st->queryHeads + head) * parts + part) * partialFloats(*st);
  }
};

static int32_t* choiceOf(const Decode& d, int i, int h) {
  return d.choices + ((size_t)i * d.st->kvHeads + h) * choiceInts(*d.st);
}
static bool chosen(const Decode& d, int i, int h) { return d.choices && choiceOf(d, i, h)[0] >= 0; }

static int archiveCuts(const Store& st, int lane) { return (st.archive[lane] + CUT - 1) / CUT; }
static int doomedCuts(const Store& st, int lane) {
  if (st.tail[lane] <= st.head[lane]) return 0;
  return (st.tail[lane] - 1) / CUT - st.head[lane] / CUT + 1;
}

/** Cuts of the archive that a step reads. */
static int readCuts(const Decode& d, int i, int h) {
  return chosen(d, i, h) ? (choiceOf(d, i, h)[0] + CUT_PAGES - 1) / CUT_PAGES : archiveCuts(*d.st, d.lane(i, h));
}

/** Query row `r` of a cut: step and query head. */
struct Row {
  int step, head;
};

/** `q`: the queries that read this cut. `rawSlot`: where its scores go in `raw`, -1 nowhere. */
template <bool BF>
static void partialsOf(const Decode& d, Cut& cut, const Row* rows, const float* q, int part, int rawSlot) {
  const Store& st = *d.st;
  float* outs[QUERY_ROWS];
  cut.D = st.headDim;
  cut.width = st.width;
  cut.q = d.query;
  cut.scores = d.scores;
  closePages(cut, (size_t)st.headDim * PAGE * (BF ? 2 : 4));
  for (int r = 0; r < cut.rows; r++)
    scaleQuery(d.query + (size_t)r * st.width,
               q + ((size_t)d.items[3 * rows[r].step + 1] * st.queryHeads + rows[r].head) * st.headDim, st.headDim,
               st.width);
  scoreAll<BF>(cut);
  for (int r = 0; r < cut.rows; r++) {
    float* s = d.scores + (size_t)r * CUT;
    if (d.raw && rawSlot >= 0)
      memcpy(d.raw + ((size_t)rows[r].step * st.queryHeads + rows[r].head) * d.stride + rawSlot, s, (size_t)cut.end * 4);
    edges(s, cut.begin, cut.end);
    outs[r] = d.partial(rows[r].step, rows[r].head, part);
    memset(outs[r], 0, (size_t)st.width * 4);
    const float top = mostOf(s, cut.begin, cut.end);
    outs[r][st.width] = top;
    outs[r][st.width + 1] = weigh(s, cut.begin, cut.end, top);
  }
  valueAll<BF>(cut, outs);
}

static void cutOf(const Decode& d, Cut& cut, const Row* rows, const float* q, int part, int rawSlot) {
  if (d.st->bf16) return partialsOf<true>(d, cut, rows, q, part, rawSlot);
  partialsOf<false>(d, cut, rows, q, part, rawSlot);
}

/** Whole archive cut `n` of KV head `h`, for all steps that have it: those with equal pages together. */
static void wholeCut(Decode& d, int h, int n) {
  Store& st = *d.st;
  const auto table = [&](int i) { return st.archiveTable + (size_t)d.lane(i, h) * st.archivePages + (size_t)n * CUT_PAGES; };
  for (int i = 0; i < d.steps; i++) d.done[i] = chosen(d, i, h) || st.archive[d.lane(i, h)] < (n + 1) * CUT;
  for (int i = 0; i < d.steps; i++) {
    if (d.done[i]) continue;
    Cut cut;
    for (int p = 0; p < CUT_PAGES; p++) cut.pages[p] = pageData(st, pageAt(*d.c, st, d.lane(i, h), table(i)[p]));
    const int32_t* after = nullptr;
    for (int j = i + 1; j < d.steps && !after; j++)
      if (!d.done[j] && memcmp(table(i), table(j), CUT_PAGES * 4) != 0) after = table(j);
    // The other threads take the tasks between; a wrong guess is a few lines read in vain.
    if (!after && st.archive[d.lane(0, h)] >= (n + teamSize(d.c->team) + 1) * CUT)
      after = table(0) + teamSize(d.c->team) * CUT_PAGES;
    for (int p = 0; p < AHEAD; p++)
      cut.after[p] = after && (uint32_t)after[p] < (uint32_t)st.pages ? pageData(st, after[p]) : nullptr;
    cut.begin = 0;
    cut.end = CUT;
    __atomic_fetch_add(&st.physical[d.layer * st.kvHeads + h], CUT, __ATOMIC_RELAXED);
    Row rows[QUERY_ROWS];
    cut.rows = 0;
    for (int j = i; j < d.steps; j++) {
      if (d.done[j] || memcmp(table(i), table(j), CUT_PAGES * 4) != 0) continue;
      d.done[j] = 1;
      for (int g = 0; g < d.group; g++) {
        rows[cut.rows++] = {j, h * d.group + g};
        if (cut.rows < QUERY_ROWS) continue;
        cutOf(d, cut, rows, d.archiveQ, n, n * CUT);
        cut.rows = 0;
      }
    }
    if (cut.rows > 0) cutOf(d, cut, rows, d.archiveQ, n, n * CUT);
  }
}

/** Query heads of KV head `h` at step `i`, in blocks that fit the scratch. */
static void cutOfStep(Decode& d, Cut& cut, int i, int h, const float* q, int part, int rawSlot) {
  Row rows[QUERY_ROWS];
  cut.rows = 0;
  for (int g = 0; g < d.group; g++) {
    rows[cut.rows++] = {i, h * d.group + g};
    if (cut.rows < QUERY_ROWS && g + 1 < d.group) continue;
    cutOf(d, cut, rows, q, part, rawSlot);
    cut.rows = 0;
  }
}

/** Which pages does KV head `h` of step `i` read? The last, and the best others by the most that a key in them could score. */
static void choose(const Decode& d, int i, int h) {
  const Store& st = *d.st;
  const int lane = d.lane(i, h), D = st.headDim, archive = st.archive[lane], last = archive / PAGE;
  const int others = (st.budget[lane] / PAGE > 3 ? st.budget[lane] / PAGE : 3) - 1;
  int32_t* choice = choiceOf(d, i, h);
  choice[0] = -1;
  if (archive + 1 <= st.budget[lane] || last <= others) return;
  const float* q = d.q + ((size_t)d.items[3 * i + 1] * st.queryHeads + (size_t)h * d.group) * D;
  float* scores = (float*)(choice + 1);
  for (int p = 0; p < last; p++) {
    const int page = pageAt(*d.c, st, lane, st.archiveTable[(size_t)lane * st.archivePages + p]);
    const float* low = d.bounds + (size_t)page * 2 * D;
    const float* high = low + D;
    F16 total = splat(0);
    float rest = 0;
    for (int g = 0; g < d.group; g++) {
      const float* x = q + (size_t)g * D;
      int at = 0;
      for (; at + 16 <= D; at += 16) total = total + larger(load(x + at) * load(low + at), load(x + at) * load(high + at));
      for (; at < D; at++) {
        const float a = x[at] * low[at], b = x[at] * high[at];
        rest += a > b ? a : b;
      }
    }
    scores[p] = sum(total) + rest;
  }
  Best top = best(others, [&](auto visit) {
    for (int p = 0; p < last; p++) visit(scores[p]);
  });
  int n = 0;
  for (int p = 0; p < last; p++)
    if (top.takes(scores[p])) choice[1 + n++] = p;  // scores before p have been read
  if (archive % PAGE != 0) choice[1 + n++] = last;
  choice[0] = n;
}

/** The chosen pages, the partly filled one last; returns the keys read. */
static int restOfChoice(Decode& d, int i, int h) {
  const Store& st = *d.st;
  const int lane = d.lane(i, h), archive = st.archive[lane];
  const int32_t* choice = choiceOf(d, i, h);
  const int keys = choice[0] * PAGE - (archive % PAGE ? PAGE - archive % PAGE : 0);
  for (int base = 0; base < choice[0]; base += CUT_PAGES) {
    Cut cut = {};
    cut.begin = 0;
    cut.end = least(CUT, keys - base * PAGE);
    for (int p = 0; p * PAGE < cut.end; p++)
      cut.pages[p] =
          pageData(st, pageAt(*d.c, st, lane, st.archiveTable[(size_t)lane * st.archivePages + choice[1 + base + p]]));
    cutOfStep(d, cut, i, h, d.archiveQ, base / CUT_PAGES, -1);
  }
  return keys;
}

/** What no other step shares: the archive's last cut, doomed cuts, the pending key. */
static void rest(Decode& d, int i, int h) {
  Store& st = *d.st;
  const int lane = d.lane(i, h), archive = st.archive[lane], head = st.head[lane], tail = st.tail[lane];
  const int whole = archive / CUT, cuts = readCuts(d, i, h);
  int reads = archive, alone = archive - whole * CUT;
  if (chosen(d, i, h)) {
    const int bounds = 2 * (archive / PAGE + 1);  // of each page count as two keys
    reads = alone = restOfChoice(d, i, h) + bounds;
  } else if (cuts > whole) {
    Cut cut = {};
    cut.begin = 0;
    cut.end = archive - whole * CUT;
    const int32_t* table = st.archiveTable + (size_t)lane * st.archivePages + (size_t)whole * CUT_PAGES;
    for (int p = 0; p * PAGE < cut.end; p++) cut.pages[p] = pageData(st, pageAt(*d.c, st, lane, table[p]));
    cutOfStep(d, cut, i, h, d.archiveQ, whole, whole * CUT);
  }
  const int doomed = doomedCuts(st, lane);
  for (int n = 0; n < doomed; n++) {
    const int base = (head / CUT + n) * CUT;
    Cut cut = {};
    cut.begin = head > base ? head - base : 0;
    cut.end = least(CUT, tail - base);
    for (int p = cut.begin / PAGE; p * PAGE < cut.end; p++)
      cut.pages[p] = pageData(st, pageAt(*d.c, st, lane, *doomedEntry(st, lane, base + p * PAGE)));
    cutOfStep(d, cut, i, h, d.q, cuts + n, -1);
  }
  for (int g = 0; g < d.group; g++) {
    const int j = h * d.group + g;
    scaleQuery(d.query, d.q + ((size_t)d.items[3 * i + 1] * st.queryHeads + j) * st.headDim, st.headDim, st.width);
    const float* k = st.pendingK + (size_t)lane * st.width;
    F16 dot = splat(0);
    for (int at = 0; at < st.width; at += 16) dot = fma(load(d.query + at), load(k + at), dot);
    float* part = d.partial(i, j, cuts + doomed);
    memcpy(part, st.pendingV + (size_t)lane * st.width, (size_t)st.width * 4);
    part[st.width] = sum(dot);
    part[st.width + 1] = 1;
    if (d.raw) d.raw[((size_t)i * st.queryHeads + j) * d.stride + archive] = part[st.width];
  }
  st.reads[lane] += reads + tail - head + 1;
  __atomic_fetch_add(&st.physical[d.layer * st.kvHeads + h], alone + tail - head + 1, __ATOMIC_RELAXED);
}

static void merge(const Decode& d, int i, int h) {
  const Store& st = *d.st;
  const int lane = d.lane(i, h), parts = readCuts(d, i, h) + doomedCuts(st, lane) + 1;
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
    const size_t row = (size_t)d.items[3 * i + 1] * st.queryHeads + j;
    memcpy(d.out + row * st.headDim, first, (size_t)st.headDim * 4);
    if (d.lse) d.lse[(size_t)i * st.queryHeads + j] = top + logf(total);
  }
}

void attend(const Call& c, int thread) {
  Store& st = lanesOf(c, 2);
  Decode d = {};
  d.c = &c;
  d.st = &st;
  d.layer = c.words[3];
  d.steps = c.words[6];
  d.group = st.queryHeads / st.kvHeads;
  d.items = ints(c, 4) + (size_t)c.words[5] * 3;
  d.out = floats(c, 0);
  d.q = floats(c, 1);
  d.archiveQ = c.words[10] >= 0 ? floats(c, 10) : d.q;
  d.bounds = floats(c, 11);
  d.raw = floats(c, 7);
  d.lse = floats(c, 8);
  d.stride = c.words[9];
  int whole = 0;
  d.parts = 1;
  for (int i = 0; i < d.steps; i++) {
    for (int h = 0; h < st.kvHeads; h++) {
      const int lane = d.lane(i, h), parts = archiveCuts(st, lane) + doomedCuts(st, lane) + 1;
      if (parts > d.parts) d.parts = parts;
      if (st.archive[lane] / CUT > whole) whole = st.archive[lane] / CUT;
      if (thread == 0 && (st.dead[lane] != DEAD_NONE || st.pendingPosition[lane] < 0))
        fail(c.fault, "lane %d: expected no dead key at attention, got slot %d; admit first", lane, st.dead[lane]);
      if (!sound(c, st, lane)) return;
      if (d.raw && st.archive[lane] >= d.stride)
        return fail(c.fault, "lane %d: expected an archive below the scores' stride %d, got %d slots", lane, d.stride,
                    st.archive[lane]);
    }
  }
  // Partials lie behind the threads' own memory, whose size the host knows before the lanes have grown.
  const size_t own = threadBytes(st, d.steps);
  d.query = (float*)(c.scratch + own * thread);
  d.scores = d.query + (size_t)2 * QUERY_ROWS * st.width;
  d.done = (uint8_t*)(d.scores + QUERY_ROWS * CUT) + 2 * CUT * 4;
  d.partials = (float*)(c.scratch + own * teamSize(c.team));
  if (d.bounds) {
    d.choices = (int32_t*)(d.partials + (size_t)d.steps * st.queryHeads * mostParts(st) * partialFloats(st));
    HT_TASKS(c, t, d.steps * st.kvHeads) choose(d, t / st.kvHeads, t % st.kvHeads);
    teamMeet(c.team);
  }
  const int shared = st.kvHeads * whole;
  HT_TASKS(c, t, shared + d.steps * st.kvHeads) {
    if (t < shared) {
      wholeCut(d, t / whole, t % whole);
    } else {
      rest(d, (t - shared) / st.kvHeads, (t - shared) % st.kvHeads);
    }
  }
  teamMeet(c.team);
  HT_TASKS(c, t, d.steps * st.kvHeads) merge(d, t / st.kvHeads, t % st.kvHeads);
}

}  // namespace HT_NS
