// R-KV's redundancy: the cosines of all pairs of a lane's keys. The matrix is symmetric, so each pair is multiplied
// once and counts in both its rows: half of the products. A tile's cosines stay in registers until they are added up,
// and no row is ever stored. A long lane falls into parts by its number of keys alone, merged in order: bits do not
// depend on threads.
#include "score.h"
#include "table.h"

namespace HT_NS {

// Rows x pages of a tile, by the registers there are.
#if defined(__AVX512F__)
constexpr int ROWS = 8, PAGES = 2;
#elif defined(__AVX2__) || defined(__aarch64__)
constexpr int ROWS = 4, PAGES = 1;
#else
constexpr int ROWS = 2, PAGES = 1;
#endif

/** Unit keys in the layout of float pages. */
template <class Page>
static void normalise(const View& v, float* units) {
  const int D = v.st->headDim;
  float t[16];
  for (int p = 0; p < v.pages(); p++) {
    const char* page = pageOf(v.slots, p);
    lengths<Page>(page, D, t);
    for (int s = 0; s < PAGE; s++) t[s] = 1 / (t[s] > 1e-12f ? t[s] : 1e-12f);
    for (int d = 0; d < D; d++) store(units + ((size_t)p * D + d) * PAGE, channel<Page>(page, d) * load(t));
  }
}

/** What a part knows of each row; slots are whole numbers in floats. */
struct Part {
  float* sums;   // of its cosines
  float* last;   // the last slot that is similar, -1 none
  float* value;  // its cosine
};

/** A page of rows as it meets the pages after it, by place in those. */
struct RowPage {
  float sums[PAGE][PAGE], last[PAGE][PAGE], value[PAGE][PAGE];
};

struct Cosines {
  const float* units;
  int D, keys;
  float similar;
  float* first;  // [slots] cosines of slot 0
  Part part;
};

static float* sharedRow(const View& v, int row) { return (float*)v.shared + (size_t)row * v.room; }
static Part partOf(const View& v, int part) {
  return {sharedRow(v, 3 * part), sharedRow(v, 3 * part + 1), sharedRow(v, 3 * part + 2)};
}
static float* firstOf(const View& v) { return sharedRow(v, 3 * MOST_REDUNDANCY_PARTS); }

/** x > than ? a : b */
HT_INLINE F16 where(F16 x, F16 than, F16 a, F16 b) {
  HT_UNROLL for (int i = 0; i < NV; i++) a.v[i] = x.v[i] > than.v[i] ? a.v[i] : b.v[i];
  return a;
}
HT_INLINE F16 slotsFrom(int first) {
  float t[16];
  for (int s = 0; s < PAGE; s++) t[s] = (float)(first + s);
  return load(t);
}

/** Rows [row, row + ROWS) by P pages. EDGE: some of the slots are past the keys, or no later than the row. */
template <int P, bool EDGE>
static void tile(const Cosines& x, RowPage& rows, int row, int page) {
  F16 acc[P][ROWS];
  HT_UNROLL for (int p = 0; p < P; p++)
    HT_UNROLL for (int r = 0; r < ROWS; r++) acc[p][r] = splat(0);
  const float* u = x.units + (size_t)(row / PAGE) * x.D * PAGE + row % PAGE;
  const float* y = x.units + (size_t)page * x.D * PAGE;
  const size_t next = (size_t)x.D * PAGE;
  for (int d = 0; d < x.D; d++, u += PAGE, y += PAGE) {
    F16 k[P];
    HT_UNROLL for (int p = 0; p < P; p++) k[p] = load(y + p * next);
    HT_UNROLL for (int r = 0; r < ROWS; r++)
      HT_UNROLL for (int p = 0; p < P; p++) acc[p][r] = fma(splat(u[r]), k[p], acc[p][r]);
  }
  const F16 similar = splat(x.similar);
  HT_UNROLL for (int p = 0; p < P; p++) {
    const int at = (page + p) * PAGE;
    F16 sums = load(x.part.sums + at), last = load(x.part.last + at), value = load(x.part.value + at);
    HT_UNROLL for (int r = 0; r < ROWS; r++) {
      F16 cosine = acc[p][r], compared = cosine;
      if constexpr (EDGE) {
        const F16 slots = slotsFrom(at), end = splat((float)x.keys), self = splat((float)(row + r));
        cosine = where(end, slots, where(slots, self, cosine, splat(0)), splat(0));
        compared = where(end, slots, where(slots, self, compared, splat(-INFINITY)), splat(-INFINITY));
      }
      if (row + r == 0) store(x.first + at, cosine);
      sums = sums + cosine;
      last = where(compared, similar, splat((float)(row + r)), last);
      value = where(compared, similar, cosine, value);
      const int i = row % PAGE + r;
      store(rows.sums[i], load(rows.sums[i]) + cosine);
      store(rows.last[i], where(compared, similar, splat((float)(page + p)), load(rows.last[i])));
      store(rows.value[i], where(compared, similar, cosine, load(rows.value[i])));
    }
    store(x.part.sums + at, sums);
    store(x.part.last + at, last);
    store(x.part.value + at, value);
  }
}

/** The rows' own sums; a similar slot after a row is later than any before it. */
static void close(const Cosines& x, const RowPage& rows, int page) {
  for (int r = 0; r < PAGE; r++) {
    const int row = page * PAGE + r;
    x.part.sums[row] += sum(load(rows.sums[r]));
    float last = -1;
    for (int s = 0; s < PAGE; s++) {
      const float slot = rows.last[r][s] * PAGE + s;
      if (rows.last[r][s] < 0 || slot < last) continue;
      last = slot;
      x.part.last[row] = slot;
      x.part.value[row] = rows.value[r][s];
    }
  }
}

/** A part's share of all cosines, into `shared`. */
template <class Page>
static void addCosines(const View& v, float similar, int part) {
  const int pages = v.pages(), parts = redundancyParts(v.keys());
  float* units = (float*)v.own;
  normalise<Page>(v, units);
  const Cosines x = {units, v.st->headDim, v.keys(), similar, firstOf(v), partOf(v, part)};
  for (int s = 0; s < pages * PAGE; s++) {
    x.part.sums[s] = x.part.value[s] = 0;
    x.part.last[s] = -1;
  }
  for (int page = part; page < pages; page += parts) {
    RowPage rows;
    memset(&rows, 0, sizeof rows);
    for (int r = 0; r < PAGE; r++)
      for (int s = 0; s < PAGE; s++) rows.last[r][s] = -1;
    for (int from = page; from < pages;) {
      const bool both = from + PAGES <= pages, edge = from == page || from + PAGES >= pages;
      for (int row = page * PAGE; row < (page + 1) * PAGE; row += ROWS) {
        if (!both) {
          tile<1, true>(x, rows, row, from);
        } else if (edge) {
          tile<PAGES, true>(x, rows, row, from);
        } else {
          tile<PAGES, false>(x, rows, row, from);
        }
      }
      from += both ? PAGES : 1;
    }
    close(x, rows, page);
  }
}

/** Merges the parts. */
static void byRedundancy(const View& v, float weight, float similar) {
  const int keys = v.keys(), n = v.pages() * PAGE, parts = redundancyParts(keys);
  const float* first = firstOf(v);
  const Part all = partOf(v, 0);
  for (int i = 1; i < parts; i++) {
    const Part more = partOf(v, i);
    for (int s = 0; s < keys; s++) {
      all.sums[s] += more.sums[s];
      if (more.last[s] <= all.last[s]) continue;
      all.last[s] = more.last[s];
      all.value[s] = more.value[s];
    }
  }
  // In each row one slot counts as 0: the last similar one (its own cosine is 0 already), or slot 0.
  for (int s = 0; s < keys; s++) {
    const int last = similar < 0 && all.last[s] < (float)s ? s : (int)all.last[s];
    if (last > 0 && last != s) all.sums[last] -= all.value[s];
    if (last <= 0 && s > 0) all.sums[0] -= first[s];
  }
  for (int s = 0; s < keys; s++) all.sums[s] /= (float)keys;
  edges(all.sums, 0, keys);
  const float total = exponentials(all.sums, n);
  for (int s = 0; s < keys; s++) v.scores[s] = weight * v.scores[s] - (1 - weight) * all.sums[s] * total;
}

void scoreRedundancy(const Call& c, const ScoreRedundancyArgs& a) {
  const Scoring s(c, a);
  const int kvHeads = s.st.kvHeads, together = redundancyLanes(teamSize(c.team));
  // Few lanes must keep all threads busy, so a long one is several tasks.
  for (int base = 0; base < s.lanes(); base += together) {
    const int n = least(together, s.lanes() - base);
    bool any = false;
    for (int i = base; i < base + n; i++) any = s.due(i / kvHeads, i % kvHeads) || any;
    if (!any) continue;
    withPage(s.st.format, [&](auto page) {
      typedef decltype(page) Page;
      const auto visit = [&](int i, const auto& act) {
        View v = s.view((base + i) / kvHeads, (base + i) % kvHeads);
        v.shared += (size_t)i * redundancyBytes(s.room);
        if (s.due(v.item, v.head) && s.template open<Page>(v)) act(v);
      };
      constexpr int MOST = MOST_REDUNDANCY_PARTS;
      HT_TASKS(c, t, n * MOST) visit(t / MOST, [&](const View& v) {
        if (t % MOST < redundancyParts(v.keys())) addCosines<Page>(v, a.similar, t % MOST);
      });
      teamMeet(c.team);
      HT_TASKS(c, t, n) visit(t, [&](const View& v) { byRedundancy(v, a.weight, a.similar); });
      teamMeet(c.team);
    });
  }
}

}  // namespace HT_NS
