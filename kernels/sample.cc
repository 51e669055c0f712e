// Drawing tokens: the filters of src/device/reference/sample.ts in their order. An item is one task.
//
// Vocabularies have 150,000 tokens, so nothing is sorted whole: logits fall into bins of 1/64 nat below the largest
// one, and only the bin that holds the boundary of top-k or top-p is ranked.
#include "isa.h"
#include "scratch.h"
#include "table.h"
#include "uniform.h"

namespace HT_NS {

constexpr int WD = W / 2;
constexpr int BLOCK = 64;  // numbers summed apart, so that the walk to the drawn token skips

struct Work {
  double *logits, *weights;  // [V rounded up to BLOCK]; the padding weighs nothing
  int32_t* ids;              // of one bin
  int32_t* counts;           // [BINS]
  double* sums;              // [BINS]
  int V, padded;
};

HT_INLINE int binOf(double most, double x) {
  const double d = (most - x) * 64;
  return d < BINS - 1 ? (int)d : BINS - 1;  // -inf: the last
}

/** Comes a before b: the larger logit, of equals the lower id. */
HT_INLINE bool before(const double* x, int a, int b) { return x[a] > x[b] || (x[a] == x[b] && a < b); }

static void rank(const double* x, int32_t* ids, int n) {
  const auto sink = [&](int i, int end) {
    for (;;) {
      int child = 2 * i + 1;
      if (child >= end) return;
      if (child + 1 < end && before(x, ids[child], ids[child + 1])) child++;
      if (!before(x, ids[i], ids[child])) return;
      const int32_t t = ids[i];
      ids[i] = ids[child];
      ids[child] = t;
      i = child;
    }
  };
  for (int i = n / 2 - 1; i >= 0; i--) sink(i, n);
  for (int end = n - 1; end > 0; end--) {
    const int32_t t = ids[0];
    ids[0] = ids[end];
    ids[end] = t;
    sink(0, end);
  }
}

static int binned(const Work& w, double most, int bin) {
  int n = 0;
  for (int i = 0; i < w.V; i++)
    if (w.weights[i] >= 0 && binOf(most, w.logits[i]) == bin) w.ids[n++] = i;
  rank(w.logits, w.ids, n);
  return n;
}

/** Drops what comes after token `last` in rank: its weight turns to -1 until `clear`. */
static void dropAfter(const Work& w, int last) {
  for (int i = 0; i < w.V; i++)
    if (i != last && !before(w.logits, i, last)) w.weights[i] = -1;
}

static void topK(const Work& w, double most, int k) {
  memset(w.counts, 0, BINS * 4);
  for (int i = 0; i < w.V; i++) w.counts[binOf(most, w.logits[i])]++;
  int bin = 0;
  while (k > w.counts[bin]) k -= w.counts[bin++];
  binned(w, most, bin);
  dropAfter(w, w.ids[k - 1]);
}

static void topP(const Work& w, double most, double p) {
  memset(w.counts, 0, BINS * 4);
  memset(w.sums, 0, BINS * 8);
  double total = 0;
  for (int i = 0; i < w.V; i++) {
    if (w.weights[i] < 0) continue;
    const int bin = binOf(most, w.logits[i]);
    w.counts[bin]++;
    w.sums[bin] += w.weights[i];
    total += w.weights[i];
  }
  double left = p * total;
  int bin = 0;
  for (; bin < BINS && (w.counts[bin] == 0 || w.sums[bin] < left); bin++) left -= w.sums[bin];
  if (bin == BINS) return;  // rounding ran out: all stay
  const int n = binned(w, most, bin);
  int last = 0;
  double sum = w.weights[w.ids[0]];
  while (last + 1 < n && sum < left) sum += w.weights[w.ids[++last]];
  dropAfter(w, w.ids[last]);
}

/** weights = e^(logits - most). */
static void exponentials(const Work& w, double most) {
  for (int i = 0; i < w.padded; i += WD)
    *(VDUnaligned*)(w.weights + i) = expD(*(const VDUnaligned*)(w.logits + i) - most);
}

static double sumBlock(const double* x) {
  VD s[4] = {};
  for (int i = 0; i < BLOCK; i += 4 * WD)
    HT_UNROLL for (int j = 0; j < 4; j++) if (i + j * WD < BLOCK) s[j] += *(const VDUnaligned*)(x + i + j * WD);
  const VD t = (s[0] + s[1]) + (s[2] + s[3]);
  double total = 0;
  for (int i = 0; i < WD; i++) total += t[i];
  return total;
}

static int widest(const double* x, int n) {
  int best = 0;
  for (int i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/** The largest of the row; NaN where the row is no distribution: NaN or +infinity in it, or -infinity alone. */
static float largestOf(const float* x, int n) {
  F16 best = splat(-INFINITY);
  VI odd = {};
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    const F16 next = load(x + i);
    best = larger(next, best);
    HT_UNROLL for (int j = 0; j < NV; j++) odd |= next.v[j] != next.v[j];
  }
  float top = most(best);
  bool nan = false;
  for (int j = 0; j < W; j++) nan |= odd[j] != 0;
  for (; i < n; i++) {
    top = x[i] > top ? x[i] : top;
    nan |= x[i] != x[i];
  }
  return nan || top - top != 0 ? NAN : top;
}

/** The lowest id of the largest. */
static int firstOf(const float* x, float top) {
  int i = 0;
  while (x[i] != top) i++;
  return i;
}

static void widen(const Work& w, const float* plain) {
  for (int i = 0; i < w.V; i++) w.logits[i] = plain[i];
  for (int i = w.V; i < w.padded; i++) w.logits[i] = -INFINITY;
}

static int draw(const Work& w, const float* plain, float largest, const float* filters, const uint32_t* whole,
                const uint32_t* seen, int position) {
  const double temperature = filters[0], p = filters[1], minP = filters[2], penalty = filters[3];
  if (temperature == 0 && penalty == 1) return firstOf(plain, largest);
  widen(w, plain);
  if (penalty != 1)
    for (int t = 0; t < w.V; t++)
      if (seen[t / 32] >> (t % 32) & 1) w.logits[t] = w.logits[t] > 0 ? w.logits[t] / penalty : w.logits[t] * penalty;
  const int top = widest(w.logits, w.V);
  if (temperature == 0) return top;
  for (int t = 0; t < w.V; t++) w.logits[t] /= temperature;
  const double most = w.logits[top];
  exponentials(w, most);
  if (whole[0] > 0 && whole[0] < (uint32_t)w.V) topK(w, most, (int)whole[0]);
  if (p < 1) topP(w, most, p);
  for (int t = 0; t < w.V; t++) w.weights[t] = w.weights[t] < minP || w.weights[t] < 0 ? 0 : w.weights[t];
  double total = 0;
  for (int b = 0; b < w.padded; b += BLOCK) total += sumBlock(w.weights + b);
  const double target = uniform(whole[1], whole[2], whole[3], (uint32_t)position) * total;
  double sum = 0;
  int last = top;
  for (int b = 0; b < w.padded; b += BLOCK) {
    const double block = sumBlock(w.weights + b);
    if (sum + block <= target) {
      sum += block;
      continue;
    }
    double within = sum;
    for (int t = b; t < b + BLOCK; t++) {
      within += w.weights[t];
      if (w.weights[t] > 0) last = t;
      if (within > target) return last;
    }
    return last;
  }
  for (int t = 0; t < w.V; t++)
    if (w.weights[t] > 0) last = t;
  return last;
}

/** The largest `wanted` (at most MAX_TOP) of the row, ranked. */
static int largest(const float* x, int n, int wanted, int32_t* ids) {
  int held = 0;
  for (int i = 0; i < n; i++) {
    if (held == wanted && !(x[i] > x[ids[held - 1]])) continue;
    int at = held < wanted ? held++ : held - 1;
    for (; at > 0 && x[i] > x[ids[at - 1]]; at--) ids[at] = ids[at - 1];
    ids[at] = i;
  }
  return held;
}

void sample(const Call& c, const SampleArgs& a) {
  const int V = a.vocabulary;
  Work w;
  w.V = V;
  w.padded = up(V, BLOCK);
  char* own = c.scratch + sampleBytes(V) * (size_t)c.thread;
  w.logits = (double*)own;
  w.weights = w.logits + w.padded;
  w.sums = w.weights + w.padded;
  w.counts = (int32_t*)(w.sums + BINS);
  w.ids = w.counts + BINS;
  HT_TASKS(c, i, a.draws.count) {
    const Draw& item = a.draws[i];
    const float* plain = a.logits + (size_t)item.row * V;
    const uint32_t* seen = a.seen + (size_t)item.sampler * ((V + 31) / 32);
    const float most = largestOf(plain, V);
    a.ids[i] = -1;
    if (most != most) continue;
    const float* filters = a.real + SAMPLER * (size_t)item.sampler;
    const int id = draw(w, plain, most, filters, a.whole + SAMPLER * (size_t)item.sampler, seen, item.position);
    a.ids[i] = id;
    a.logprob[i] = 0;
    if (item.top < 0) continue;
    widen(w, plain);
    exponentials(w, most);
    double total = 0;
    for (int b = 0; b < w.padded; b += BLOCK) total += sumBlock(w.weights + b);
    const double norm = most + ::log(total);
    a.logprob[i] = (float)(plain[id] - norm);
    int32_t top[MAX_TOP];
    const int held = item.top > 0 ? largest(plain, V, item.top, top) : 0;
    for (int n = 0; n < held; n++) {
      a.topIds[(size_t)i * MAX_TOP + n] = top[n];
      a.topLogprobs[(size_t)i * MAX_TOP + n] = (float)(plain[top[n]] - norm);
    }
  }
}

}  // namespace HT_NS
