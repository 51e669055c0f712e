// The kernels of this instruction set, by name.
#pragma once
#include "isa.h"
#include "pass.h"

namespace HT_NS {
#define OP(name, Args, ...) void name(const Call& c, const Args& a);
HT_OPS(OP)
#undef OP
void writeRows(Matrix& matrix, int first, int rows, const void* values, bool stored);
void readRows(const Matrix& matrix, int first, int rows, float* out);
float readAll(const void* data, size_t bytes);
float multiplyAdd(int rounds, double* operations);
}  // namespace HT_NS
