// Large memory: zeroed, committed at the first touch, on huge pages where the system offers them and use is dense.
#pragma once
#include <stddef.h>

/** Null where the system refuses. Sparse: there is room for more than will be touched. */
void* memoryMap(size_t bytes, bool sparse = false);
void memoryUnmap(void* memory, size_t bytes);
/** Of memory that others mapped and that is touched here and there: no huge pages, each touch would commit one. */
void memorySparse(void* memory, size_t bytes);
