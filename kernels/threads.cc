#include "threads.h"

#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

// Foreign processes share the cores: after about 50 us of spinning the core is offered, then given up.
constexpr int SPINS = 1500;
constexpr int YIELDS = 20;

void pauseThread() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void awaitChange(const std::atomic<unsigned>& word, unsigned old) {
  for (int i = 0; i < SPINS; i++) {
    if (word.load(std::memory_order_acquire) != old) return;
    pauseThread();
  }
  for (int i = 0; i < YIELDS; i++) {
    if (word.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  }
  while (word.load(std::memory_order_acquire) == old) word.wait(old, std::memory_order_acquire);
}

}  // namespace

struct Team {
  int size = 1;
  bool quit = false;
  void (*body)(void*, int) = nullptr;
  void* data = nullptr;
  std::vector<std::thread> workers;
  // A cache line each: all threads write `arrived` and `ticket`, and spin on the other two.
  alignas(64) std::atomic<unsigned> job{0};
  alignas(64) std::atomic<unsigned> round{0};
  alignas(64) std::atomic<int> arrived{0};
  alignas(64) std::atomic<int> ticket{0};
};

static void work(Team* team, int thread) {
  unsigned seen = 0;
  for (;;) {
    awaitChange(team->job, seen);
    seen++;
    if (team->quit) return;
    team->body(team->data, thread);
    teamMeet(team);
  }
}

Team* teamMake(int size) {
  Team* team = new Team;
  team->size = size;
  for (int i = 1; i < size; i++) team->workers.emplace_back(work, team, i);
  return team;
}

void teamFree(Team* team) {
  team->quit = true;
  team->job.fetch_add(1, std::memory_order_release);
  team->job.notify_all();
  for (std::thread& worker : team->workers) worker.join();
  delete team;
}

int teamSize(const Team* team) { return team->size; }

void teamRun(Team* team, void (*body)(void*, int), void* data) {
  team->ticket.store(0, std::memory_order_relaxed);
  if (team->size > 1) {
    team->body = body;
    team->data = data;
    team->job.fetch_add(1, std::memory_order_release);
    team->job.notify_all();
  }
  body(data, 0);
  teamMeet(team);
}

void teamMeet(Team* team) {
  if (team->size == 1) {
    team->ticket.store(0, std::memory_order_relaxed);
    return;
  }
  unsigned round = team->round.load(std::memory_order_relaxed);
  if (team->arrived.fetch_add(1, std::memory_order_acq_rel) == team->size - 1) {
    team->arrived.store(0, std::memory_order_relaxed);
    team->ticket.store(0, std::memory_order_relaxed);
    team->round.store(round + 1, std::memory_order_release);
    team->round.notify_all();
  } else {
    awaitChange(team->round, round);
  }
}

int teamNext(Team* team) { return team->ticket.fetch_add(1, std::memory_order_relaxed); }
