#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <atomic>

#include "memory.h"

struct Fault {
  std::atomic<bool> taken{false};
  std::atomic<bool> written{false};
  char text[256] = "";
};

void fail(Fault* fault, const char* format, ...) {
  if (fault->taken.exchange(true)) return;
  va_list list;
  va_start(list, format);
  vsnprintf(fault->text, sizeof fault->text, format, list);
  va_end(list);
  fault->written.store(true);
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

// Boards, rings and moments have room for every lane at its longest and are used at their rows' fronts: a huge page would
// commit 2 MiB for each touch.
constexpr size_t SPARSE_BYTES = 64 << 20;

int deviceHidden(Device& d, size_t length) {
  void* memory = take(d, length * 4 + ARENA_PAD, length * 4 >= SPARSE_BYTES);
  return memory ? deviceAdd(d, memory, length) : -1;
}

int deviceMatrix(Device& d, int rows, int cols, bool bf16) {
  const size_t bytes = (size_t)(rows + PANEL - 1) / PANEL * PANEL * cols * (bf16 ? 2 : 4);
  void* memory = take(d, bytes + ARENA_PAD);
  if (!memory) return -1;
  d.matrices.push_back(new Matrix{rows, cols, bf16, bytes, memory});
  return deviceAdd(d, d.matrices.back(), 0);
}

int deviceLanes(Device& d, const int32_t shape[10], const int32_t tables[13]) {
  Store s = {};
  int* fields[] = {&s.sets,    &s.layers, &s.kvHeads,      &s.queryHeads,  &s.headDim,
                   &s.bf16,    &s.pages,  &s.archivePages, &s.doomedPages, &s.sparePages};
  for (int i = 0; i < 10; i++) *fields[i] = shape[i];
  int32_t** lists[] = {&s.archive,     &s.head,  &s.tail, &s.budget,  &s.protect, &s.dead,    &s.archiveTable,
                       &s.doomedTable, &s.spare, &s.used, &s.holders, &s.reads,   &s.physical};
  for (int i = 0; i < 13; i++) *lists[i] = (int32_t*)d.objects[tables[i]].data;
  const size_t lanes = (size_t)s.sets * s.layers * s.kvHeads;
  s.width = (s.headDim + 15) / 16 * 16;
  s.pageBytes = (size_t)PAGE * 2 * s.headDim * (s.bf16 ? 2 : 4);
  s.arena = (char*)take(d, s.pageBytes * s.pages + ARENA_PAD);
  s.positions = (int32_t*)take(d, (size_t)s.pages * PAGE * 4 + ARENA_PAD);
  s.pendingK = (float*)take(d, lanes * s.width * 4 + ARENA_PAD);
  s.pendingV = (float*)take(d, lanes * s.width * 4 + ARENA_PAD);
  s.pendingPosition = (int32_t*)take(d, lanes * 4 + ARENA_PAD);
  s.pendingZ = (float*)take(d, lanes * 4 + ARENA_PAD);
  if (!s.arena || !s.positions || !s.pendingK || !s.pendingV || !s.pendingPosition || !s.pendingZ) return -1;
  std::fill_n(s.pendingPosition, lanes, -1);
  d.stores.push_back(new Store(s));
  return deviceAdd(d, d.stores.back(), 0);
}

void deviceClose(Device& d) {
  std::lock_guard<std::mutex> lock(d.running);
  if (d.closed) return;
  d.closed = true;
  teamFree(d.team);
  for (const Owned& o : d.owned) memoryUnmap(o.memory, o.bytes);
  for (Matrix* m : d.matrices) delete m;
  for (Store* s : d.stores) delete s;
  memoryUnmap(d.scratch, d.scratchBytes);
  d.objects.clear();
}

struct Job {
  Device* device;
  const std::vector<int32_t>* words;
  Fault fault;
};

static const int WORDS[] = {
#define OP(name, words) words,
    HT_OPS(OP)
#undef OP
};

// Zeros where a kernel needs an absent key.
static const float ZEROS[1024] = {};

static void runWords(void* data, int thread) {
  Job& job = *(Job*)data;
  Device& d = *job.device;
  Call call = {nullptr, d.objects.data(), d.team, d.scratch, &job.fault, ZEROS};
  for (size_t at = 0; at < job.words->size();) {
    const int op = (*job.words)[at];
    call.words = job.words->data() + at + 1;
    d.kernels->ops[op](call, thread);
    teamMeet(d.team);
    at += 1 + (size_t)WORDS[op];
  }
}

std::string deviceRun(Device& d, const std::vector<int32_t>& words) {
  std::lock_guard<std::mutex> lock(d.running);
  if (d.closed) return "the device was closed before this pass ran";
  Job job = {&d, &words, {}};
  teamRun(d.team, runWords, &job);
  return job.fault.written ? job.fault.text : "";
}

struct Rows {
  Device* device;
  Matrix* matrix;
  int first, rows;
  const float* values;
};

static void writePanels(void* data, int) {
  const Rows& r = *(Rows*)data;
  const int from = r.first / PANEL, to = (r.first + r.rows + PANEL - 1) / PANEL;
  for (int panel; (panel = from + teamNext(r.device->team)) < to;) {
    const int begin = std::max(r.first, panel * PANEL), end = std::min(r.first + r.rows, (panel + 1) * PANEL);
    r.device->kernels->writeRows(*r.matrix, begin, end - begin, r.values + (size_t)(begin - r.first) * r.matrix->cols);
  }
}

void deviceWriteRows(Device& d, Matrix& matrix, int first, int rows, const float* values) {
  std::lock_guard<std::mutex> lock(d.running);
  Rows job = {&d, &matrix, first, rows, values};
  teamRun(d.team, writePanels, &job);
}

std::vector<int32_t> deviceLive(Device& d, const Store& s, int lane) {
  std::lock_guard<std::mutex> lock(d.running);
  std::vector<int32_t> out;
  const auto add = [&](int page, int slot) {
    if (page >= 0 && page < s.pages) out.push_back(s.positions[(size_t)page * PAGE + slot % PAGE]);
  };
  for (int i = 0; i < std::min(s.archive[lane], s.archivePages * PAGE); i++)
    if (i != s.dead[lane]) add(s.archiveTable[(size_t)lane * s.archivePages + i / PAGE], i);
  for (int i = std::max(s.head[lane], 0); i < s.tail[lane] && s.doomedPages > 0; i++)
    add(s.doomedTable[(size_t)lane * s.doomedPages + i / PAGE % s.doomedPages], i);
  if (s.pendingPosition[lane] >= 0 && s.dead[lane] != -2) out.push_back(s.pendingPosition[lane]);
  std::sort(out.begin(), out.end());
  return out;
}

static float numberAt(const Store& s, const void* page, size_t number) {
  if (!s.bf16) return ((const float*)page)[number];
  const uint32_t bits = (uint32_t)((const uint16_t*)page)[number] << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

std::vector<float> deviceKeys(Device& d, const Store& s, int lane) {
  std::lock_guard<std::mutex> lock(d.running);
  const size_t D = (size_t)s.headDim;
  std::vector<float> out;
  const auto position = [&](int32_t p) {
    float bits;
    memcpy(&bits, &p, 4);
    out.push_back(bits);
  };
  for (int i = 0; i < std::min(s.archive[lane], s.archivePages * PAGE); i++) {
    const int page = s.archiveTable[(size_t)lane * s.archivePages + i / PAGE];
    if (i == s.dead[lane] || page < 0 || page >= s.pages) continue;
    const char* data = s.arena + (size_t)page * s.pageBytes;
    const size_t slot = (size_t)i % PAGE, pair = s.bf16 ? 2 : 1;  // see pages.h
    position(s.positions[(size_t)page * PAGE + slot]);
    for (size_t c = 0; c < D; c++) out.push_back(numberAt(s, data, c / pair * pair * PAGE + pair * slot + c % pair));
    for (size_t c = 0; c < D; c++) out.push_back(numberAt(s, data, D * PAGE + slot / pair * pair * D + pair * c + slot % pair));
  }
  if (s.pendingPosition[lane] >= 0 && s.dead[lane] != -2) {
    position(s.pendingPosition[lane]);
    for (const float* part : {s.pendingK, s.pendingV}) {
      const float* from = part + (size_t)lane * s.width;
      out.insert(out.end(), from, from + D);
    }
  }
  return out;
}
