// Scores of keys by the probabilities that the newest query gave them (TOVA, H2O), out of raw scores that attention
// left.
#include "decode.h"

namespace HT_NS {

void rankKeys(const Decode& d) {
  const Call& c = *d.c;
  const Store& st = *d.st;
  constexpr int BLOCK = 512;
  const bool add = d.a->rank == Rank::group;
  const int blocks = (d.reach.slots + BLOCK - 1) / BLOCK;
  // The mean over a layer's heads is one row for all its lanes; sums over a group are each lane's own.
  const int owners = add ? st.kvHeads : 1, lanes = add ? 1 : st.kvHeads;
  HT_TASKS(c, t, d.steps * owners * blocks) {
    const int i = t / (owners * blocks), h = t / blocks % owners, from = t % blocks * BLOCK, lane = d.lane(i, h);
    bool good = true;
    for (int o = 0; o < lanes; o++) good = scoresOf(c, st, lane + o) && asMany(c, st, lane, lane + o) && good;
    if (!good || from > st.archive[lane]) continue;
    const int n = least(BLOCK, st.archive[lane] + 1 - from);
    float total[BLOCK] = {};
    for (int j = h * d.group; j < (add ? (h + 1) * d.group : st.queryHeads); j++) {
      const float* raw = d.rawOf(i, j) + from;
      const float lse = d.lse[(size_t)i * st.queryHeads + j];
      int s = 0;
      for (; s + 16 <= n; s += 16) store(total + s, load(total + s) + exp(load(raw + s) - splat(lse)));
      for (; s < n; s++) total[s] += exp1(raw[s] - lse);
    }
    for (int o = 0; o < lanes; o++) {
      float* scores = scoresOf(c, st, lane + o) + from;
      for (int s = 0; s < n; s++) {
        if (!add) scores[s] = total[s] / (float)st.queryHeads;
        else scores[s] = from + s < st.archive[lane] ? scores[s] + total[s] : total[s];
      }
    }
  }
}

}  // namespace HT_NS
