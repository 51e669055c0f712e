// What this machine does at best, for the benches: how fast it reads memory, how many multiply-adds it makes.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "device.h"
#include "memory.h"

namespace {

struct Measured {
  const Kernels* kernels;
  Team* team;
  const char* memory;
  size_t bytes;
  float sink;
  double operations;
};

constexpr size_t PIECE = 4 << 20;

template <class Body>
double bestSeconds(const Body& body) {
  double best = 1e30;
  for (int i = 0; i < 5; i++) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

double measureRead(const Kernels* kernels, int threads, size_t bytes) {
  bytes = bytes / PIECE * PIECE;
  Measured m = {kernels, nullptr, (const char*)memoryMap(bytes), bytes, 0, 0};
  if (!m.memory || bytes == 0) return 0;
  std::memset((void*)m.memory, 1, bytes);
  m.team = teamMake(threads);
  const auto body = [](void* data, int) {
    Measured& q = *(Measured*)data;
    float sum = 0;
    for (size_t i; (i = (size_t)teamNext(q.team)) < q.bytes / PIECE;)
      sum += q.kernels->readAll(q.memory + i * PIECE, PIECE);
    __atomic_store(&q.sink, &sum, __ATOMIC_RELAXED);
  };
  const double seconds = bestSeconds([&] { teamRun(m.team, body, &m); });
  teamFree(m.team);
  memoryUnmap((void*)m.memory, bytes);
  return (double)bytes / seconds;
}

double measureMultiplyAdd(const Kernels* kernels, int threads) {
  Measured m = {kernels, teamMake(threads), nullptr, 0, 0, 0};
  const auto body = [](void* data, int thread) {
    Measured& q = *(Measured*)data;
    double operations;
    float sum = q.kernels->multiplyAdd(4000000, &operations);
    __atomic_store(&q.sink, &sum, __ATOMIC_RELAXED);
    if (thread == 0) q.operations = operations;
  };
  const double seconds = bestSeconds([&] { teamRun(m.team, body, &m); });
  teamFree(m.team);
  return m.operations * threads / seconds;
}
