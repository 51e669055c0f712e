// What a kernel is given: the words of its operation, the objects they name, the team, scratch memory.
#pragma once
#include "ops.h"
#include "pages.h"
#include "threads.h"

struct Object {
  void* data = nullptr;  // numbers, Matrix or Store
  size_t length = 0;     // of numbers
};

/** The first failure of a run; later ones are dropped. Kernels go on harmlessly: all threads must meet at every barrier. */
struct Fault;
__attribute__((format(printf, 2, 3))) void fail(Fault* fault, const char* format, ...);

struct Call {
  const int32_t* words;
  const Object* objects;
  Team* team;
  char* scratch;  // shared by the threads, laid out by the operation; sized by plan.cc
  Fault* fault;
  const float* zeros;  // as many as the widest head, rounded up
};

typedef void (*Kernel)(const Call& call, int thread);

struct Kernels {
  const char* name;
  Kernel ops[(int)Op::count];
  void (*writeRows)(Matrix& matrix, int first, int rows, const float* values);
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
