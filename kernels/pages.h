// What lies where. No code: this header is shared by objects of all instruction sets. Layouts of formats stand in
// formats.h.
#pragma once
#include "ops.h"

/** Outputs of a matrix that lie together. */
constexpr int PANEL = 32;
/** Bytes behind what is read in vectors: rows of values are read to whole vectors, into the next row, page, or this. */
constexpr int ARENA_PAD = 256;

struct Matrix {
  int rows, cols;
  WeightFormat format;
  size_t bytes;
  void* data;
};

/** What policies have one set remember (SetState of buffers.ts); null: nothing. */
struct State {
  int slots, queries;
  float* scores;    // [lanes of the set][slots]
  float* observed;  // [layers][queries][Hq][D]
  double* moments;  // [layers][Hq][D + D^2]
  bool bounds;
  int changes, width;  // positions that there is room for; numbers of a hidden state
  float* changed;      // [2][width] last hidden states, [2][changes] how far they moved, [changes] what of it ranks
};

struct Store : Shape, Tables {
  PageFormat format;
  int lanes;           // of a set
  int width;           // headDim rounded up to 16
  size_t numberBytes;  // of a pending key's numbers, and of bounds
  size_t pageBytes;
  char* arena;                // [pages] of pageBytes
  int32_t* positions;         // [pages][PAGE]
  char *pendingK, *pendingV;  // all lanes' [width], in the format's numbers
  int32_t* pendingPosition;   // all lanes', -1 none
  float* pendingZ;            // all lanes', the key's own gate
  State* states;              // [sets]
  char* bounds;               // [pages][2][D] least and greatest key, in the format's numbers; null until asked for
};
