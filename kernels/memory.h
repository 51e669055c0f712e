// Large memory: zeroed, committed at the first touch, on huge pages where the system offers them and use is dense.
#pragma once
#include <stddef.h>

/** Null where the system refuses. */
void* memoryMap(size_t bytes, bool sparse = false);
void memoryUnmap(void* memory, size_t bytes);
