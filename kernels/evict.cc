// Victim policies: the keys that a step's attention found least probable leave. A step is one task.
#include "lane.h"
#include "scratch.h"
#include "table.h"

namespace HT_NS {

/** scratch: [slots] probabilities, then a heap of slots. */
struct Ranking {
  float* probability;
  int32_t* order;
};

/** Is slot a worse than slot b? Of equals the higher one goes. */
HT_INLINE bool worse(const float* p, int a, int b) { return p[a] < p[b] || (p[a] == p[b] && a > b); }

/** Lets the entry at `i` of a heap with the best on top sink. */
static void sink(const float* p, int32_t* heap, int i, int n) {
  for (;;) {
    int child = 2 * i + 1;
    if (child >= n) return;
    if (child + 1 < n && worse(p, heap[child], heap[child + 1])) child++;
    if (!worse(p, heap[i], heap[child])) return;
    const int t = heap[i];
    heap[i] = heap[child];
    heap[child] = t;
    i = child;
  }
}

/** The `gone` worst of `slots` slots, to the front of `order`: a heap of the worst so far, the best of them on top. */
static void select(const Ranking& r, int slots, int gone) {
  for (int i = 0; i < gone; i++) r.order[i] = i;
  for (int i = gone / 2 - 1; i >= 0; i--) sink(r.probability, r.order, i, gone);
  for (int s = gone; s < slots; s++) {
    if (!worse(r.probability, s, r.order[0])) continue;
    r.order[0] = s;
    sink(r.probability, r.order, 0, gone);
  }
}

/** Closes the gaps, order kept. Pages past the new end stay in the table for the host to give back. */
static void compact(const Call& c, Store& st, int lane, int archive, const float* probability) {
  int to = 0;
  const int32_t* table = st.archiveTable + (size_t)lane * st.archivePages;
  float k[1024], v[1024];
  for (int s = 0; s < archive; s++) {
    if (probability[s] < 0) continue;  // marked as gone
    if (s != to) {
      const int target = pageAt(c, st, lane, table[to / PAGE]), source = pageAt(c, st, lane, table[s / PAGE]);
      if (st.holders[target] != 1)
        return fail(c.fault, "lane %d: expected one holder of the page of archive slot %d, got %d; copy it before compacting",
                    lane, to, st.holders[target]);
      readNumbers(pageData(st, source), st.headDim, st.bf16, s % PAGE, k, v);
      writeKey(st, target, to % PAGE, k, v, st.positions[(size_t)source * PAGE + s % PAGE]);
    }
    to++;
  }
  st.archive[lane] = to;
}

static void evictStep(const Call& c, Store& st, int layer, int set, int i, const Ranking& r) {
  const float* raw = floats(c, 5);
  const float* lse = floats(c, 6);
  const int stride = c.words[7], budget = c.words[8] > 0 ? c.words[8] : 0;
  const int archive = st.archive[laneOf(st, set, layer, 0)];
  for (int h = 0; h < st.kvHeads; h++) {
    const int lane = laneOf(st, set, layer, h);
    if (st.archive[lane] != archive || st.tail[lane] != st.head[lane] || archive >= stride ||
        archive > st.archivePages * PAGE)
      return fail(c.fault,
                  "lane %d: expected the %d archive slots of its layer (below the scores' stride) and no doomed key; labels and "
                  "victims do not mix",
                  lane, archive);
  }
  const int slots = archive + 1, gone = slots - budget;
  if (gone <= 0) return;
  for (int s = 0; s < up(slots, 16); s++) r.probability[s] = 0;
  for (int j = 0; j < st.queryHeads; j++) {
    const size_t row = (size_t)i * st.queryHeads + j;
    const float* scores = raw + row * stride;
    int s = 0;
    for (; s + 16 <= slots; s += 16)
      store(r.probability + s, load(r.probability + s) + exp(load(scores + s) - splat(lse[row])));
    for (; s < slots; s++) r.probability[s] += exp1(scores[s] - lse[row]);
  }
  select(r, slots, gone);
  bool pending = false;
  for (int n = 0; n < gone; n++) pending |= r.order[n] == archive;
  if (gone > 1)
    for (int n = 0; n < gone; n++) r.probability[r.order[n]] = -1;
  for (int h = 0; h < st.kvHeads; h++) {
    const int lane = laneOf(st, set, layer, h);
    st.dead[lane] = pending ? DEAD_PENDING : gone == 1 ? r.order[0] : DEAD_NONE;
    if (gone > 1) compact(c, st, lane, archive, r.probability);
  }
}

void evict(const Call& c, int thread) {
  Store& st = lanesOf(c, 0);
  const int layer = c.words[1], count = c.words[4];
  const int32_t* items = ints(c, 2) + (size_t)c.words[3] * 3;
  const size_t most = (size_t)up(st.archivePages * PAGE + 1, 16);
  float* own = (float*)c.scratch + 2 * most * thread;
  HT_TASKS(c, i, count) evictStep(c, st, layer, items[3 * i], i, {own, (int32_t*)(own + most)});
}

}  // namespace HT_NS
