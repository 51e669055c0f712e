// Ranks of a lane's live keys: which lanes are due, and the scorers that look at each key or at the mean of all. A lane is one
// task, or several where its keys meet each other.
#include "score.h"

#include "table.h"
#include "uniform.h"

namespace HT_NS {

template <bool BF>
static void byLength(const View& v) {
  float t[16];
  for (int p = 0; p < v.pages(); p++) {
    lengths<BF>(pageOf(v.slots, p), v.st->headDim, t);
    for (int s = p * PAGE; s < least(v.keys(), (p + 1) * PAGE); s++) v.board[s] = -t[s % PAGE];
  }
}

template <bool BF>
static void byDifference(const View& v) {
  const int D = v.st->headDim;
  float* inverse = (float*)v.own;
  float* sums = inverse + laneSlots(*v.st);  // [D][16]: one a place in the page
  float* mean = sums + (size_t)D * PAGE;
  memset(sums, 0, (size_t)D * PAGE * 4);
  for (int p = 0; p < v.pages(); p++) {
    const char* page = pageOf(v.slots, p);
    float* t = inverse + p * PAGE;
    lengths<BF>(page, D, t);
    for (int s = 0; s < PAGE; s++) t[s] = 1 / (t[s] > 1e-12f ? t[s] : 1e-12f);
    const F16 scale = load(t);
    for (int d = 0; d < D; d++) store(sums + d * PAGE, fma(channel<BF>(page, d), scale, load(sums + d * PAGE)));
  }
  double squares = 0;
  for (int d = 0; d < D; d++) {
    double total = 0;
    for (int s = 0; s < PAGE; s++) total += sums[d * PAGE + s];
    mean[d] = (float)(total / v.keys());
    squares += (double)mean[d] * mean[d];
  }
  const double length = ::sqrt(squares) > 1e-12 ? ::sqrt(squares) : 1e-12;
  for (int d = 0; d < D; d++) mean[d] = (float)(mean[d] / length);
  for (int p = 0; p < v.pages(); p++) {
    const char* page = pageOf(v.slots, p);
    F16 dot = splat(0);
    for (int d = 0; d < D; d++) dot = fma(splat(mean[d]), channel<BF>(page, d), dot);
    float t[16];
    store(t, dot * load(inverse + p * PAGE));
    for (int s = p * PAGE; s < least(v.keys(), (p + 1) * PAGE); s++) v.board[s] = -t[s % PAGE];
  }
}

/** Makes a lane's keys and positions ready; false (and a failure) where it is in no state to be ranked. */
static bool open(View& v, int stride) {
  const Call& c = *v.c;
  const Store& st = *v.st;
  const int lane = v.slots.lane, archive = st.archive[lane];
  if (!sound(c, st, lane)) return false;
  if (st.dead[lane] != DEAD_NONE || st.pendingPosition[lane] < 0) {
    fail(c.fault, "lane %d: expected no dead key where keys are ranked, got slot %d; admit first", lane, st.dead[lane]);
    return false;
  }
  if (archive >= stride) {
    fail(c.fault, "lane %d: expected an archive below the board's stride %d, got %d slots", lane, stride, archive);
    return false;
  }
  v.slots = slotsOf(c, st, lane, 1, v.slots.behind);
  copyBehind(v.slots, [&](int) { return pendingKey(st, lane); });
  for (int p = 0; p < v.pages(); p++) {
    if (p * PAGE < archive) {
      const int page = pageAt(c, st, lane, v.slots.table[p]);
      memcpy(v.positions + p * PAGE, st.positions + (size_t)page * PAGE, PAGE * 4);
    }
  }
  v.positions[archive] = st.pendingPosition[lane];
  for (int s = v.keys(); s < v.pages() * PAGE; s++) v.positions[s] = INT32_MAX;
  return true;
}

static void rank(const View& v, int kind) {
  const Call& c = *v.c;
  switch (kind) {
    case KIND_NORM:
      return v.st->bf16 ? byLength<true>(v) : byLength<false>(v);
    case KIND_DIFFERENCE:
      return v.st->bf16 ? byDifference<true>(v) : byDifference<false>(v);
    case KIND_RANDOM:
      for (int s = 0; s < v.keys(); s++)
        v.board[s] = (float)uniform((uint32_t)c.words[12], 0x6b76, (uint32_t)(v.layer * v.st->kvHeads + v.head),
                                    (uint32_t)v.positions[s]);
      return;
    case KIND_MEAN: {
      const double group = v.st->queryHeads / v.st->kvHeads;
      for (int s = 0; s < v.keys(); s++) v.board[s] = (float)(v.board[s] / (group * (v.newest + 1 - v.positions[s])));
      return;
    }
    case KIND_ATTENTION:
      return scoreAttention(v, floats(c, 2), c.words[3]);
    case KIND_EXPECTED:
      return scoreExpected(v);
  }
}

void score(const Call& c, int thread) {
  const Store& st = lanesOf(c, 4);
  const int stride = c.words[1], layer = c.words[5], count = c.words[8], pool = c.words[10], kind = c.words[11];
  const int64_t slack = c.words[9];
  const int32_t* items = ints(c, 6) + (size_t)c.words[7] * 3;
  const bool wholeLayer = kind == KIND_ATTENTION && c.words[14] == GROUP_LAYER;
  const size_t own = scoreBytes(st, kind);
  char* shared = c.scratch + own * teamSize(c.team);
  const auto over = [&](int from, int lanes) {
    int64_t n = 0;
    for (int i = from; i < from + lanes; i++) n += (int64_t)st.archive[i] + 1 - st.budget[i];
    return n >= slack;
  };
  // A pool over all layers is not known yet: all lanes are due.
  const auto due = [&](int item, int h) {
    const int first = laneOf(st, items[3 * item], layer, 0);
    return pool == POOL_SET || (pool == POOL_LAYER ? over(first, st.kvHeads) : over(first + h, 1));
  };
  // The attention of a whole layer adds up by slot.
  const auto alike = [&](int item) {
    const int first = laneOf(st, items[3 * item], layer, 0);
    for (int lane = first + 1; lane < first + st.kvHeads; lane++)
      if (!asMany(c, st, first, lane)) return false;
    return true;
  };
  const auto anyDue = [&](int item) {
    for (int h = 0; h < st.kvHeads; h++)
      if (due(item, h)) return true;
    return false;
  };
  const auto view = [&](int item, int h) {
    View v = {};
    v.c = &c;
    v.st = &st;
    v.item = item;
    v.set = items[3 * item];
    v.layer = layer;
    v.head = h;
    v.newest = items[3 * item + 2];
    v.slots.lane = laneOf(st, v.set, layer, h);
    v.slots.behind = c.scratch + own * thread;
    v.board = floats(c, 0) + (size_t)v.slots.lane * stride;
    v.positions = (int32_t*)(v.slots.behind + lineUp(keyBytes(st)));
    v.own = (char*)(v.positions + laneSlots(st));
    v.shared = shared;
    return v;
  };
  if (kind == KIND_EXPECTED) {
    const int half = st.headDim / 2;
    HT_TASKS(c, t, count * half) {
      const int item = t / half;
      if (anyDue(item)) meanTurn(c, items[3 * item + 2], t % half, half, (double*)shared + (size_t)item * st.headDim);
    }
    teamMeet(c.team);
  }
  if (kind == KIND_REDUNDANCY) {
    // Few lanes must keep all threads busy, so a long one is several tasks.
    const int lanes = count * st.kvHeads, together = redundancyLanes(teamSize(c.team));
    for (int base = 0; base < lanes; base += together) {
      const int n = least(together, lanes - base);
      bool any = false;
      for (int i = base; i < base + n; i++) any = due(i / st.kvHeads, i % st.kvHeads) || any;
      if (!any) continue;
      const auto visit = [&](int i, auto act) {
        View v = view((base + i) / st.kvHeads, (base + i) % st.kvHeads);
        v.shared += (size_t)i * redundancyBytes(st);
        if (due(v.item, v.head) && open(v, stride)) act(v);
      };
      constexpr int MOST = MOST_REDUNDANCY_PARTS;
      HT_TASKS(c, t, n * MOST) visit(t / MOST, [&](View& v) {
        if (t % MOST < redundancyParts(v.keys())) addCosines(v, t % MOST);
      });
      teamMeet(c.team);
      HT_TASKS(c, t, n) visit(t, scoreRedundancy);
      teamMeet(c.team);
    }
    return;
  }
  HT_TASKS(c, t, count * st.kvHeads) {
    const int item = t / st.kvHeads, h = t % st.kvHeads;
    if (wholeLayer ? !anyDue(item) || !alike(item) : !due(item, h)) continue;
    View v = view(item, h);
    if (open(v, stride)) rank(v, kind);
  }
  if (!wholeLayer) return;
  teamMeet(c.team);
  HT_TASKS(c, t, count * st.kvHeads) {
    const int item = t / st.kvHeads, h = t % st.kvHeads;
    const View v = view(item, h);
    if (due(item, h) && alike(item) && sound(c, st, v.lane()) && st.archive[v.lane()] < stride) mergeLayer(v);
  }
}

}  // namespace HT_NS
