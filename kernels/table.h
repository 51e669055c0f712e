// The kernels of this instruction set, by name.
#pragma once
#include "isa.h"
#include "pass.h"

namespace HT_NS {
#define OP(name, words) void name(const Call& call, int thread);
HT_OPS(OP)
#undef OP
void writeRows(Matrix& matrix, int first, int rows, const float* values);
float readAll(const void* data, size_t bytes);
float multiplyAdd(int rounds, double* operations);
}  // namespace HT_NS
