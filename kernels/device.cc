#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <atomic>

#include "formats.h"
#include "memory.h"
#include "state.h"

struct Fault {
  std::atomic<bool> taken{false};
  std::atomic<bool> written{false};
  char text[256] = "";
};

bool fail(Fault* fault, const char* format, ...) {
  if (fault->taken.exchange(true)) return false;
  va_list list;
  va_start(list, format);
  vsnprintf(fault->text, sizeof fault->text, format, list);
  va_end(list);
  fault->written.store(true);
  return false;
}

std::vector<const Kernels*> kernelSets() {
  std::vector<const Kernels*> sets;
#if defined(__x86_64__)
  // All that the flags of build.mjs let the compiler use; -mavx2 implies popcnt.
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) sets.push_back(kernels_avx512());
  if (avx2) sets.push_back(kernels_avx2());
#endif
  sets.push_back(kernels_baseline());
  return sets;
}

static void* take(Device& d, size_t bytes, bool sparse = false) {
  void* memory = memoryMap(bytes, sparse);
  if (memory) d.owned.push_back({memory, bytes});
  return memory;
}

int deviceAdd(Device& d, void* data, size_t length) {
  d.objects.push_back({data, length});
  return (int)d.objects.size() - 1;
}

// Activations have room for the most rows and are used at their fronts: a huge page would commit 2 MiB for each touch.
int deviceHidden(Device& d, size_t length) {
  void* memory = take(d, length * 4 + ARENA_PAD, true);
  return memory ? deviceAdd(d, memory, length) : -1;
}

int deviceMatrix(Device& d, int rows, int cols, WeightFormat format) {
  const size_t line = HT_NS::withWeights(format, [](auto f) { return (size_t)f.LINE; });
  const size_t bytes = (size_t)(rows + PANEL - 1) / PANEL * (size_t)cols * line;
  void* memory = take(d, bytes + ARENA_PAD);
  if (!memory) return -1;
  return deviceAdd(d, &d.matrices.emplace_back(Matrix{rows, cols, format, bytes, memory}), 0);
}

int deviceLanes(Device& d, const Shape& shape, PageFormat format, const Tables& tables) {
  Store s = {};
  (Shape&)s = shape;
  (Tables&)s = tables;
  s.format = format;
  s.lanes = s.layers * s.kvHeads;
  s.width = (s.headDim + 15) / 16 * 16;
  s.numberBytes = HT_NS::withPage(format, [](auto f) { return sizeof(typename decltype(f)::Number); });
  s.pageBytes = (size_t)PAGE * 2 * (size_t)s.headDim * s.numberBytes;
  const size_t lanes = (size_t)s.sets * (size_t)s.lanes, pending = lanes * (size_t)s.width * s.numberBytes;
  s.arena = (char*)take(d, s.pageBytes * (size_t)s.pages + ARENA_PAD);
  s.positions = (int32_t*)take(d, (size_t)s.pages * PAGE * 4 + ARENA_PAD);
  s.pendingK = (char*)take(d, pending + ARENA_PAD, true);
  s.pendingV = (char*)take(d, pending + ARENA_PAD, true);
  s.pendingPosition = (int32_t*)take(d, lanes * 4);
  s.pendingZ = (float*)take(d, lanes * 4);
  if (!s.arena || !s.positions || !s.pendingK || !s.pendingV || !s.pendingPosition || !s.pendingZ) return -1;
  std::fill_n(s.pendingPosition, lanes, -1);
  s.states = new State[(size_t)s.sets]();
  return deviceAdd(d, &d.stores.emplace_back(s), 0);
}

/** Maps `after` bytes, zeroed, in the place of `before`; `move(from, to)` saves what stays. */
template <class T, class Move>
static bool remap(T*& memory, size_t before, size_t after, const Move& move) {
  if (before == after) return true;
  T* fresh = after > 0 ? (T*)memoryMap(after, true) : nullptr;
  if (after > 0 && !fresh) return false;
  if (memory && fresh) move(memory, fresh);
  memoryUnmap(memory, before);
  memory = fresh;
  return true;
}

bool deviceAttach(Device& d, Store& st, int set, const Remembered& asked) {
  std::lock_guard<std::mutex> lock(d.running);
  State& state = st.states[set];
  const int slots = asked.slots, queries = asked.queries;
  const bool moments = asked.moments != 0, bounds = asked.bounds != 0;
  const auto moveScores = [&](float* from, float* to) {
    for (int lane = 0; lane < st.lanes; lane++)
      memcpy(to + (size_t)lane * (size_t)slots, from + (size_t)lane * (size_t)state.slots,
             (size_t)std::min(slots, state.slots) * 4);
  };
  const auto moveQueries = [&](float* from, float* to) {
    for (int layer = 0; layer < st.layers; layer++)
      copyObserved(st, from, state.queries, to, queries, layer,
                   st.pendingPosition[set * st.lanes + layer * st.kvHeads]);
  };
  if (!remap(state.scores, scoresBytes(st, state.slots), scoresBytes(st, slots), moveScores)) return false;
  state.slots = slots;
  if (!remap(state.observed, observedBytes(st, state.queries), observedBytes(st, queries), moveQueries)) return false;
  state.queries = queries;
  const size_t sums = momentsBytes(st);
  if (!remap(state.moments, state.moments ? sums : 0, moments ? sums : 0, [](double*, double*) {})) return false;
  const auto moveChanges = [&](float*, float* to) {
    State fresh = state;
    fresh.changes = asked.changes;
    fresh.width = asked.width;
    fresh.changed = to;
    copyChanges(state, fresh);
  };
  const size_t had = changesBytes(state.changes, state.width), has = changesBytes(asked.changes, asked.width);
  if (!remap(state.changed, had, has, moveChanges)) return false;
  state.changes = asked.changes;
  state.width = asked.width;
  if (bounds && !st.bounds) st.bounds = (char*)take(d, boundsBytes(st) * (size_t)st.pages + ARENA_PAD, true);
  state.bounds = bounds && st.bounds;
  return state.bounds == bounds;
}

void deviceClose(Device& d) {
  std::lock_guard<std::mutex> lock(d.running);
  if (d.closed) return;
  d.closed = true;
  teamFree(d.team);
  for (const Owned& o : d.owned) memoryUnmap(o.memory, o.bytes);
  for (const Store& s : d.stores) {
    for (int set = 0; set < s.sets; set++) {
      const State& state = s.states[set];
      memoryUnmap(state.scores, scoresBytes(s, state.slots));
      memoryUnmap(state.observed, observedBytes(s, state.queries));
      memoryUnmap(state.moments, momentsBytes(s));
      memoryUnmap(state.changed, changesBytes(state.changes, state.width));
    }
    delete[] s.states;
  }
  memoryUnmap(d.scratch, d.scratchBytes);
  d.objects.clear();
}

std::string deviceRun(Device& d, const std::vector<int32_t>& words) {
  std::lock_guard<std::mutex> lock(d.running);
  if (d.closed) return "the device was closed before this pass ran";
  Fault fault;
  teamRun(d.team, [&](int thread) {
    const Call call = {d.team, thread, d.scratch, &fault};
    for (const int32_t* at = words.data(); at < words.data() + words.size(); teamMeet(d.team))
      at = d.kernels->ops[*at](call, {at + 1, d.objects.data()});
  });
  return fault.written ? fault.text : "";
}

void deviceWriteRows(Device& d, Matrix& matrix, int first, int rows, const void* values, bool stored) {
  std::lock_guard<std::mutex> lock(d.running);
  const size_t number = HT_NS::withWeights(matrix.format, [](auto f) { return sizeof(typename decltype(f)::Number); });
  const size_t bytes = (size_t)matrix.cols * (stored ? number : 4);
  const int from = first / PANEL, to = (first + rows + PANEL - 1) / PANEL;
  teamRun(d.team, [&](int) {
    for (int panel; (panel = from + teamNext(d.team)) < to;) {
      const int begin = std::max(first, panel * PANEL), end = std::min(first + rows, (panel + 1) * PANEL);
      d.kernels->writeRows(matrix, begin, end - begin, (const char*)values + (size_t)(begin - first) * bytes, stored);
    }
  });
}

void deviceReadRows(Device& d, const Matrix& matrix, int first, int rows, float* out) {
  std::lock_guard<std::mutex> lock(d.running);
  d.kernels->readRows(matrix, first, rows, out);
}
