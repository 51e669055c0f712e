// What gates add to the scores of keys that left the window, and the way back to their logits.
#include "table.h"

namespace HT_NS {

static float sigmoid(float z) { return 1 / (1 + expf(-z)); }
/** log sigmoid(-z), without overflow. */
static float logKeep(float z) { return -((z > 0 ? z : 0) + log1pf(expf(z > 0 ? -z : z))); }

void soften(const Call& c, const SoftenArgs& a) {
  const int H = a.kvHeads;
  HT_TASKS(c, d, a.documents.count) {
    const auto [row, rows, from] = a.documents[d];
    for (int r = row; r < row + rows; r++)
      for (int h = 0; h < H; h++) {
        const size_t at = (size_t)r * H + h;
        const float z = a.hard ? a.logits[at] : (a.logits[at] + (a.noise ? a.noise[at] : 0)) / a.tau;
        a.z[at] = z;
        if (r + a.shift == row + rows) a.soft[at] = 0;
        if (r - a.shift < row) continue;
        a.soft[at - (size_t)(a.shift * H)] = a.hard ? (z > 0 ? -1e30f : 0) : logKeep(z);
      }
  }
}

void softenBack(const Call& c, const SoftenBackArgs& a) {
  const int H = a.kvHeads;
  HT_TASKS(c, d, a.documents.count) {
    const auto [row, rows, from] = a.documents[d];
    for (int r = row; r < row + rows; r++)
      for (int h = 0; h < H; h++) {
        const size_t at = (size_t)r * H + h;
        const float open = sigmoid(a.z[at]);
        const float labelled = r - a.shift < row ? 0 : a.dsoft[at - (size_t)(a.shift * H)];
        a.dlogits[at] = (a.pull[r] * open * (1 - open) - open * labelled) / a.tau;
      }
  }
}

}  // namespace HT_NS
