// What a kernel is given beside its arguments: the team, scratch memory, where failures go.
#pragma once
#include "pages.h"
#include "threads.h"

/**
 * The first failure of a run; later ones are dropped. Kernels go on harmlessly: all threads must meet at every barrier.
 * `fail` is false, for those who tell whether all is well.
 */
struct Fault;
__attribute__((format(printf, 2, 3))) bool fail(Fault* fault, const char* format, ...);

struct Call {
  Team* team;
  int thread;
  char* scratch;  // shared by the threads, laid out by the operation; sized by plan.cc
  Fault* fault;
};

/** Takes tasks 0 .. count - 1 from the team's counter. */
#define HT_TASKS(call, task, count) for (int task; (task = teamNext((call).team)) < (count);)

struct Kernels {
  const char* name;
  /** Each returns where the words of the next operation begin. */
  const int32_t* (*ops[(int)Op::count])(const Call& call, Words words);
  /** Rows from `first` on: floats, or numbers as the format stores them. */
  void (*writeRows)(Matrix& matrix, int first, int rows, const void* values, bool stored);
  void (*readRows)(const Matrix& matrix, int first, int rows, float* out);
  float (*readAll)(const void* data, size_t bytes);
  float (*multiplyAdd)(int rounds, double* operations);
};

const Kernels* kernels_baseline();
#if defined(__x86_64__)
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();
#endif

/** Rows of queries that a task of attention takes at once. */
constexpr int QUERY_ROWS = 32;
