#include "threads.h"

#include <atomic>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

// Where cores are free, spinning for up to 40 us beats a wake-up; where foreign processes hold them, two threads of the
// team may share a core, and each turn of spinning only keeps the other from arriving. So patience adapts: what was in
// vain halves it, and every 64th wait tries the most again. Offering the core (sched_yield) is worst of all: a foreign
// process takes a whole slice, 700 us, at each barrier.
constexpr int MOST_SPINS = 1500;
constexpr int FEWEST_SPINS = 32;

struct Patience {
  int spins = MOST_SPINS;
  unsigned waits = 0;
};

void pauseThread() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** A word that threads wait on. */
struct Signal {
  std::atomic<unsigned> word{0};
  std::atomic<int> sleepers{0};

  void raise() {
    word.fetch_add(1);
    if (sleepers.load() == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, (unsigned*)&word, FUTEX_WAKE_PRIVATE, 1 << 30, nullptr, nullptr, 0);
#else
    word.notify_all();
#endif
  }

  void await(unsigned old, Patience& patience) {
    const int limit = ++patience.waits % 64 == 0 ? MOST_SPINS : patience.spins;
    for (int i = 0; i < limit; i++) {
      if (word.load(std::memory_order_acquire) != old) {
        if (4 * i > patience.spins) patience.spins = 4 * i < MOST_SPINS ? 4 * i : MOST_SPINS;
        return;
      }
      pauseThread();
    }
    if (patience.spins > FEWEST_SPINS) patience.spins /= 2;
    sleepers.fetch_add(1);
    while (word.load() == old) {
#if defined(__linux__)
      syscall(SYS_futex, (unsigned*)&word, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
      word.wait(old);
#endif
    }
    sleepers.fetch_sub(1);
  }
};

}  // namespace

struct Team {
  int size = 1;
  bool quit = false;
  void (*body)(const void*, int) = nullptr;
  const void* data = nullptr;
  std::vector<std::thread> workers;
  // A cache line each: all threads write `arrived` and `ticket`, and spin on the other two.
  alignas(64) Signal job;
  alignas(64) Signal round;
  alignas(64) std::atomic<int> arrived{0};
  alignas(64) std::atomic<int> ticket{0};
};

static void work(Team* team, int thread) {
  unsigned seen = 0;
  Patience patience;
  for (;;) {
    team->job.await(seen, patience);
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
  team->job.raise();
  for (std::thread& worker : team->workers) worker.join();
  delete team;
}

int teamSize(const Team* team) { return team->size; }

void teamRun(Team* team, void (*body)(const void*, int), const void* data) {
  team->ticket.store(0, std::memory_order_relaxed);
  if (team->size > 1) {
    team->body = body;
    team->data = data;
    team->job.raise();
  }
  body(data, 0);
  teamMeet(team);
}

void teamMeet(Team* team) {
  if (team->size == 1) {
    team->ticket.store(0, std::memory_order_relaxed);
    return;
  }
  static thread_local Patience patience;
  const unsigned round = team->round.word.load(std::memory_order_relaxed);
  if (team->arrived.fetch_add(1, std::memory_order_acq_rel) == team->size - 1) {
    team->arrived.store(0, std::memory_order_relaxed);
    team->ticket.store(0, std::memory_order_relaxed);
    team->round.raise();
  } else {
    team->round.await(round, patience);
  }
}

int teamNext(Team* team) { return team->ticket.fetch_add(1, std::memory_order_relaxed); }
