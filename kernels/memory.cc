#include "memory.h"

#include <sys/mman.h>

// 4 KiB pages cost TLB walks on random KV pages: with huge pages 16-slot pages reach 90% of the reading limit, without
// 70%.
constexpr size_t HUGE_PAGE = 2 << 20;

static size_t rounded(size_t bytes) {
  const size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
  return (bytes + unit - 1) / unit * unit;
}

// Sparse memory has room for the longest lane of each set, of which little is touched: the system must not refuse it
// for what it could become. Weights and pages will be touched, so a shortage is told when they are asked for.
#if defined(MAP_NORESERVE)
constexpr int SPARSE = MAP_NORESERVE;
#else
constexpr int SPARSE = 0;
#endif

void* memoryMap(size_t bytes, bool sparse) {
  const size_t size = rounded(bytes);
  // Huge pages need an aligned start: map one too many and give back both ends.
  const size_t extra = size >= HUGE_PAGE ? HUGE_PAGE : 0;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (sparse ? SPARSE : 0);
  char* at = (char*)mmap(nullptr, size + extra, PROT_READ | PROT_WRITE, flags, -1, 0);
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

void memorySparse(void* memory, size_t bytes) {
#if defined(MADV_NOHUGEPAGE)
  const size_t from = ((size_t)memory + 4095) / 4096 * 4096, to = ((size_t)memory + bytes) / 4096 * 4096;
  if (bytes >= HUGE_PAGE) madvise((void*)from, to - from, MADV_NOHUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}
