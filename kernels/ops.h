// The operations of a pass: name and number of words after the operation's code. src/device/native.ts holds the same list
// (test/device/native.test.ts compares them). Words are object ids (-1: absent), whole numbers, the bits of a float, or two words
// with the bits of a double, the low ones first.
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
  OP(attend, 12)       \
  OP(fork, 9)          \
  OP(sample, 12)       \
  OP(mark, 5)          \
  OP(gelu, 2)          \
  OP(remember, 9)      \
  OP(sum, 9)           \
  OP(clear, 6)         \
  OP(gather, 8)        \
  OP(note, 10)         \
  OP(bound, 7)         \
  OP(weigh, 11)        \
  OP(score, 19)        \
  OP(keep, 15)         \
  OP(replay, 10)

enum class Op : int {
#define OP(name, words) name,
  HT_OPS(OP)
#undef OP
  count
};
