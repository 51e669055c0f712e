// What this machine does at best, for the benches: how fast it reads memory, how many multiply-adds it makes.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "device.h"
#include "memory.h"

namespace {

constexpr size_t PIECE = 4 << 20;

/** Of five runs of `body` on a team. */
template <class Body>
double bestSeconds(int threads, const Body& body) {
  Team* team = teamMake(threads);
  double best = 1e30;
  for (int i = 0; i < 5; i++) {
    const auto start = std::chrono::steady_clock::now();
    teamRun(team, [&](int thread) { body(team, thread); });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  teamFree(team);
  return best;
}

}  // namespace

double measureRead(const Kernels* kernels, int threads, size_t bytes) {
  bytes = bytes / PIECE * PIECE;
  char* memory = bytes > 0 ? (char*)memoryMap(bytes) : nullptr;
  if (!memory) return 0;
  std::memset(memory, 1, bytes);
  float sink;
  const double seconds = bestSeconds(threads, [&](Team* team, int) {
    float sum = 0;
    for (size_t i; (i = (size_t)teamNext(team)) < bytes / PIECE;) sum += kernels->readAll(memory + i * PIECE, PIECE);
    __atomic_store(&sink, &sum, __ATOMIC_RELAXED);
  });
  memoryUnmap(memory, bytes);
  return (double)bytes / seconds;
}

double measureMultiplyAdd(const Kernels* kernels, int threads) {
  float sink;
  double all = 0;
  const double seconds = bestSeconds(threads, [&](Team*, int thread) {
    double operations;
    float sum = kernels->multiplyAdd(4000000, &operations);
    __atomic_store(&sink, &sum, __ATOMIC_RELAXED);
    if (thread == 0) all = operations * threads;
  });
  return all / seconds;
}
