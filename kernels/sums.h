// Sums over many rows or numbers that do not depend on threads: partial sums of fixed parts, then these in order.
#pragma once
#include "scratch.h"

constexpr int SUM_PARTS = 64;
/** Numbers that `squares` and `unit` add up in one part. */
constexpr int SQUARES = 1 << 16;

HT_SIZE int squaresParts(int count) { return (int)(((int64_t)count + SQUARES - 1) / SQUARES); }
HT_SIZE size_t sumRowsBytes(int dim) { return (size_t)SUM_PARTS * (size_t)dim * 4; }
