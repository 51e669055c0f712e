// A device: its objects, its team, its scratch. Knows nothing of Node-API.
#pragma once
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
  std::vector<Matrix*> matrices;
  std::vector<Store*> stores;
  char* scratch = nullptr;
  size_t scratchBytes = 0;
  std::mutex running;  // held by a pass, and by whatever must not meet one
  bool closed = false;
};

/** The kernels of each instruction set that this machine and build have, the best first: "avx512", "avx2", "baseline". */
std::vector<const Kernels*> kernelSets();

/** Frees all but the struct. Waits for a running pass. */
void deviceClose(Device& device);

/** Ids, or -1 where there is no memory. */
int deviceAdd(Device& device, void* data, size_t length);
int deviceHidden(Device& device, size_t length);
int deviceMatrix(Device& device, int rows, int cols, bool bf16);
int deviceLanes(Device& device, const int32_t shape[10], const int32_t tables[13]);

/** Empty where the words are sound; sizes the scratch. Not while a pass runs. */
std::string devicePlan(Device& device, const std::vector<int32_t>& words);
/** Runs planned words; empty, or the first failure. */
std::string deviceRun(Device& device, const std::vector<int32_t>& words);
void deviceWriteRows(Device& device, Matrix& matrix, int first, int rows, const float* values);
std::vector<int32_t> deviceLive(Device& device, const Store& store, int lane);
/** By key of archive and pending: the bits of its position, K, V. */
std::vector<float> deviceKeys(Device& device, const Store& store, int lane);
