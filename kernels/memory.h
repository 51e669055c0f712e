// Large memory: zeroed, committed at the first touch, on huge pages where the system offers them.
#pragma once
#include <stddef.h>

/** Null where the system refuses. */
void* memoryMap(size_t bytes);
void memoryUnmap(void* memory, size_t bytes);
