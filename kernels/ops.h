// The operations of a pass: name and number of words after the operation's code. src/device/native.ts holds the same list
// (test/device/native.test.ts compares them). Words are object ids, whole numbers, or the bits of a float.
#pragma once

#define HT_OPS(OP)     \
  OP(embed, 4)         \
  OP(pick, 5)          \
  OP(norm, 6)          \
  OP(matmul, 6)        \
  OP(angles, 5)        \
  OP(rope, 5)          \
  OP(swiglu, 4)        \
  OP(borrow, 6)        \
  OP(blank, 5)         \
  OP(gate, 7)          \
  OP(attendChunk, 13)  \
  OP(admitChunk, 11)   \
  OP(admit, 11)        \
  OP(attend, 10)       \
  OP(evict, 9)         \
  OP(fork, 4)          \
  OP(sample, 12)

enum class Op : int {
#define OP(name, words) name,
  HT_OPS(OP)
#undef OP
  count
};
