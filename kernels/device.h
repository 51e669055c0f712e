// A device: its objects, its team, its scratch. Knows nothing of Node-API.
#pragma once
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "pass.h"

struct Owned {
  void* memory;
  size_t bytes;
};

struct Device {
  const Kernels* kernels = nullptr;
  Team* team = nullptr;
  std::vector<Object> objects;
  std::vector<Owned> owned;  // mapped memory
  std::deque<Matrix> matrices;  // objects point to these
  std::deque<Store> stores;
  char* scratch = nullptr;
  size_t scratchBytes = 0;
  std::mutex running;  // held by a pass, and by whatever must not meet one
  bool closed = false;
};

/**
 * The kernels of each instruction set that this machine and build have, the best first: "avx512", "avx2", "baseline".
 */
std::vector<const Kernels*> kernelSets();

/** Frees all but the struct. Waits for a running pass. */
void deviceClose(Device& device);

/** Ids, or -1 where there is no memory. */
int deviceAdd(Device& device, void* data, size_t length);
int deviceHidden(Device& device, size_t length);
int deviceMatrix(Device& device, int rows, int cols, WeightFormat format);
int deviceLanes(Device& device, const Shape& shape, PageFormat format, const Tables& tables);

/** Gives a set the state that is asked for; what it had and still has a place stays. False where there is no memory. */
/** What a set is to remember, as `State` counts it. */
struct Remembered {
  int slots, queries, moments, bounds, changes, width;
};
bool deviceAttach(Device& device, Store& store, int set, const Remembered& asked);

/** Sizes the scratch; throws what stands in the way. Not while a pass runs. */
void devicePlan(Device& device, const std::vector<int32_t>& words);
/** Runs planned words; empty, or the first failure. */
std::string deviceRun(Device& device, const std::vector<int32_t>& words);

void deviceWriteRows(Device& device, Matrix& matrix, int first, int rows, const void* values, bool stored);
void deviceReadRows(Device& device, const Matrix& matrix, int first, int rows, float* out);

/** Positions of a lane's live keys, ascending. */
std::vector<int32_t> deviceLive(Device& device, const Store& store, int lane);
/** By key of archive and pending: the bits of its position, its score, K, V. */
std::vector<float> deviceKeys(Device& device, const Store& store, int lane);
/**
 * Writes the scores of a lane's live keys where `count` are given for as many; their number, -1 where the set has no
 * room.
 */
int deviceScore(Device& device, const Store& store, int lane, const float* scores, size_t count);

/**
 * Best bytes per second of five passes over `bytes`; best operations (2 per multiply-add) per second. 0 where there is
 * no memory.
 */
double measureRead(const Kernels* kernels, int threads, size_t bytes);
double measureMultiplyAdd(const Kernels* kernels, int threads);
