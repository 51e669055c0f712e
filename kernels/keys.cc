// What lanes hold, read and written between passes. Tables are the host's: what they say is not believed.
#include <algorithm>

#include "device.h"
#include "lane.h"

using namespace HT_NS;

namespace {

/** `visit(slot, page)` each live key of the archive. */
template <class Visit>
void archived(const Store& st, int lane, const Visit& visit) {
  const Entries table = archiveOf(st, lane);
  for (int s = 0; s < std::min(st.archive[lane], st.archivePages * PAGE); s++) {
    const int page = table[s / PAGE];
    if (s != st.dead[lane] && page >= 0 && page < st.pages) visit(s, page);
  }
}

/** The score of archive slot `s`, null where there is no room. */
float* scoreAt(const Store& st, int lane, int s) {
  const State& state = st.states[lane / st.lanes];
  return s < state.slots ? state.scores + (size_t)(lane % st.lanes) * (size_t)state.slots + s : nullptr;
}

}  // namespace

std::vector<int32_t> deviceLive(Device& d, const Store& st, int lane) {
  std::lock_guard<std::mutex> lock(d.running);
  std::vector<int32_t> out;
  archived(st, lane, [&](int s, int page) { out.push_back(st.positions[(size_t)page * PAGE + s % PAGE]); });
  for (int s = std::max(st.head[lane], 0); s < st.tail[lane] && st.doomedPages > 0; s++) {
    const int page = doomedOf(st, lane)[ringEntry(st, s)];
    if (page >= 0 && page < st.pages) out.push_back(st.positions[(size_t)page * PAGE + s % PAGE]);
  }
  if (hasPending(st, lane)) out.push_back(st.pendingPosition[lane]);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<float> deviceKeys(Device& d, const Store& st, int lane) {
  std::lock_guard<std::mutex> lock(d.running);
  const int D = st.headDim;
  std::vector<float> out;
  const auto head = [&](int32_t position, int s) {
    float bits;
    memcpy(&bits, &position, 4);
    const float* score = scoreAt(st, lane, s);
    out.insert(out.end(), {bits, score ? *score : 0});
  };
  withPage(st.format, [&](auto format) {
    typedef decltype(format) Page;
    archived(st, lane, [&](int s, int at) {
      char* page = pageData(st, at);
      head(st.positions[(size_t)at * PAGE + s % PAGE], s);
      for (int c = 0; c < D; c++) out.push_back(Page::widen(*Page::keyAt(page, D, s % PAGE, c)));
      for (int c = 0; c < D; c++) out.push_back(Page::widen(*Page::valueAt(page, D, s % PAGE, c)));
    });
    if (!hasPending(st, lane)) return;
    head(st.pendingPosition[lane], st.archive[lane]);
    for (int c = 0; c < D; c++) out.push_back(Page::widen(pendingKey<Page>(st, lane)[c]));
    for (int c = 0; c < D; c++) out.push_back(Page::widen(pendingValue<Page>(st, lane)[c]));
  });
  return out;
}

int deviceScore(Device& d, const Store& st, int lane, const float* scores, size_t count) {
  std::lock_guard<std::mutex> lock(d.running);
  std::vector<int> slots;
  archived(st, lane, [&](int s, int) { slots.push_back(s); });
  if (hasPending(st, lane)) slots.push_back(st.archive[lane]);
  if (slots.size() == count)
    for (size_t i = 0; i < count; i++) {
      float* score = scoreAt(st, lane, slots[i]);
      if (!score) return -1;
      *score = scores[i];
    }
  return (int)slots.size();
}
