#include "memory.h"

#include <sys/mman.h>

// 4 KiB pages cost TLB walks on random KV pages: with huge pages 16-slot pages reach 90% of the reading limit, without 70%.
constexpr size_t HUGE_PAGE = 2 << 20;

static size_t rounded(size_t bytes) {
  const size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
  return (bytes + unit - 1) / unit * unit;
}

// Sparse buffers have room for all chains and the whole context, of which little is touched: the system must not refuse them for what they
// could become. Weights and pages will be touched, so a shortage is told when they are asked for.
#if defined(MAP_NORESERVE)
constexpr int SPARSE = MAP_NORESERVE;
#else
constexpr int SPARSE = 0;
#endif

void* memoryMap(size_t bytes, bool sparse) {
  const size_t size = rounded(bytes);
  // Huge pages need an aligned start: map one too many and give back both ends.
  const size_t extra = size >= HUGE_PAGE ? HUGE_PAGE : 0;
  char* at = (char*)mmap(nullptr, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (sparse ? SPARSE : 0), -1, 0);
  if (at == (char*)MAP_FAILED) return nullptr;
  if (extra) {
    const size_t lead = (HUGE_PAGE - (size_t)at % HUGE_PAGE) % HUGE_PAGE;
    if (lead) munmap(at, lead);
    if (extra - lead) munmap(at + lead + size, extra - lead);
    at += lead;
#if defined(MADV_HUGEPAGE)
    madvise(at, size, sparse ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
#endif
  }
  return at;
}

void memoryUnmap(void* memory, size_t bytes) {
  if (memory) munmap(memory, rounded(bytes));
}
