// Before a pass runs: how much scratch does it need? Lists and counters are the host's, so they are known now;
// recording has checked what they say.
#include <algorithm>
#include <stdexcept>

#include "attendSoft.h"
#include "device.h"
#include "memory.h"
#include "product.h"
#include "scratch.h"
#include "sums.h"

namespace {

struct Plan {
  int threads;
  std::vector<int> coming;  // by layer: keys that come to a lane before the operation at hand, at most

  template <class Item>
  void comes(int layer, const List<Item>& items) {
    if ((size_t)layer >= coming.size()) coming.resize((size_t)layer + 1);
    int most = 0;
    for (const Item& item : items) most = std::max(most, item.rows);
    coming[(size_t)layer] = (int)std::min((int64_t)coming[(size_t)layer] + most, (int64_t)INT32_MAX / 2);
  }
  template <class Item>
  Reach reach(const Store& st, const List<Item>& items, int layer, int layers = 1) const {
    int more = 0;
    const size_t end = std::min(coming.size(), (size_t)(layer + layers));
    for (size_t l = (size_t)layer; l < end; l++) more = std::max(more, coming[l]);
    return reachOf(st, items, layer, layers, more);
  }
};

template <class Args>
size_t scratchOf(Plan& p, const Args& a) {
  if constexpr (requires { a.share; }) {  // a scorer
    const Store& st = *a.lanes;
    const int slots = p.reach(st, a.runs, a.layer).slots;
    return scoreBytes(st, Args::OPERATION, slots) * (size_t)p.threads +
           scoreShared(st, Args::OPERATION, a.runs.count, slots, p.threads);
  }
  return 0;
}
size_t scratchOf(Plan&, const MatmulArgs& a) { return a.rows > 1 ? (size_t)a.rows * a.w->cols * 4 : 0; }
size_t scratchOf(Plan& p, const AttendChunkArgs& a) {
  const Store& st = *a.lanes;
  size_t bytes = threadBytes(st, 0) * (size_t)p.threads;
  for (const Run& run : a.chunks) bytes += (size_t)st.kvHeads * (size_t)chunkPages(run.rows) * chunkPageBytes(st);
  return bytes;
}
size_t scratchOf(Plan& p, const AdmitArgs& a) {
  p.comes(a.layer, a.runs);
  return 0;
}
size_t scratchOf(Plan& p, const ReadmitArgs& a) {
  p.comes(a.layer, a.copies);
  return 0;
}
size_t scratchOf(Plan& p, const AttendArgs& a) {
  return attendBytes(*a.lanes, a, p.reach(*a.lanes, a.steps, a.layer), p.threads);
}
size_t scratchOf(Plan& p, const SampleArgs& a) { return sampleBytes(a.vocabulary) * (size_t)p.threads; }
size_t scratchOf(Plan& p, const AddMomentsArgs& a) { return widenedBytes(*a.lanes) * (size_t)p.threads; }

size_t scratchOf(Plan& p, const ProductArgs& a) { return productBytes(a, p.threads); }
size_t scratchOf(Plan& p, const AttendSoftArgs& a) { return softBytes(a.documents, a.dim) * (size_t)p.threads; }
size_t scratchOf(Plan& p, const AttendSoftBackArgs& a) { return softBytes(a.documents, a.dim) * (size_t)p.threads; }
size_t scratchOf(Plan& p, const PeakAttentionArgs& a) { return softBytes(a.documents, a.dim) * (size_t)p.threads; }
size_t scratchOf(Plan&, const SumRowsArgs& a) { return sumRowsBytes(a.dim); }
size_t scratchOf(Plan&, const NormBackArgs& a) { return sumRowsBytes(a.dim); }
size_t scratchOf(Plan&, const SquaresArgs& a) { return (size_t)squaresParts(a.count) * 8; }
size_t scratchOf(Plan&, const UnitArgs& a) { return (size_t)squaresParts(a.count) * 8; }

/** `rangeOf`: slots that an item reports. */
template <class Item, class RangeOf>
size_t watched(const char* name, Plan& p, const Store& st, const List<Item>& items, const RangeOf& rangeOf) {
  size_t bytes = 0;
  int most = 0;
  for (const Item& item : items) {
    const int64_t positions = (int64_t)st.archivePages * PAGE + 2;
    if (item.position >= positions)
      throw std::runtime_error(std::string(name) + ": expected a position below " + std::to_string(positions) +
                               ", got " + std::to_string(item.position));
    const auto [from, to] = rangeOf(item);
    bytes += watchShared(st, item.rows, from, to);
    most = std::max(most, item.position + item.rows);
  }
  return bytes + watchBytes(st, most) * (size_t)p.threads;
}
size_t scratchOf(Plan& p, const SumAttentionArgs& a) {
  return watched("sumAttention", p, *a.lanes, a.chunks, [](const Run& r) { return std::pair(0, r.position + r.rows); });
}
size_t scratchOf(Plan& p, const MaxAttentionArgs& a) {
  return watched("maxAttention", p, *a.lanes, a.chunks, [](const Repeat& r) { return std::pair(r.from, r.to); });
}

size_t scratchOf(Plan& p, const KeepArgs& a) {
  const Store& st = *a.lanes;
  return keepBytes(a.runs.count * a.layers * st.kvHeads, p.reach(st, a.runs, a.layer, a.layers).slots, p.threads);
}

}  // namespace

void devicePlan(Device& d, const std::vector<int32_t>& words) {
  size_t bytes = 0;
  Plan plan = {teamSize(d.team), {}};
  Words w = {words.data(), d.objects.data()};
  while (w.at < words.data() + words.size()) switch ((Op)*w.at++) {
#define OP(name, Args, ...)                                    \
  case Op::name:                                               \
    bytes = std::max(bytes, scratchOf(plan, read<Args>(w)));   \
    break;
      HT_OPS(OP)
#undef OP
      default:
        throw std::runtime_error("expected an operation, got " + std::to_string(w.at[-1]));
    }
  if (bytes <= d.scratchBytes) return;
  memoryUnmap(d.scratch, d.scratchBytes);
  // Memory is committed when touched, so room to grow costs nothing.
  d.scratchBytes = bytes + bytes / 4;
  d.scratch = (char*)memoryMap(d.scratchBytes, true);
  if (d.scratch) return;
  d.scratchBytes = 0;
  throw std::runtime_error("no memory for " + std::to_string(bytes) + " bytes of scratch");
}
