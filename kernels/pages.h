// Layouts. No code: this header is shared by objects of all instruction sets.
//
// Matrix [N, K]: panels of 32 outputs, panel-major, then k: [ceil(N / 32)][K][32], the last panel padded with zeros.
//   f32: outputs in order. bf16: 16 words, word i = output i (low half) and output 16 + i (high half), so that a shift and a
//   mask widen two vectors of floats, with no shuffle.
// Page: K then V of 16 slots. K is transposed so that 16 scores need no horizontal sums, V is not.
//   f32: K [D][16], V [16][D]. bf16: K [D / 2][16] words, word i = channels 2d (low), 2d + 1 (high) of slot i;
//   V [8][D] words, word d = channel d of slots 2s (low), 2s + 1 (high).
// Reading V by 16 channels runs past a row's end where D is no multiple of 16: into the next row, page, or the padding.
#pragma once
#include <stddef.h>
#include <stdint.h>

constexpr int PANEL = 32;
constexpr int PAGE = 16;
constexpr int SPAN = 256;
constexpr int SPAN_PAGES = SPAN / PAGE;
constexpr int ARENA_PAD = 256;

struct Matrix {
  int rows, cols;
  bool bf16;
  size_t bytes;
  void* data;
};

struct Store {
  int sets, layers, kvHeads, queryHeads, headDim, bf16, pages, archivePages, doomedPages, sparePages;
  // The host's tables, see device.ts.
  int32_t *archive, *head, *tail, *budget, *protect, *dead, *archiveTable, *doomedTable, *spare, *used, *holders, *reads,
      *physical;
  size_t pageBytes;
  char* arena;         // [pages] of pageBytes
  int32_t* positions;  // [pages][PAGE]
  int width;           // headDim rounded up to 16
  float *pendingK, *pendingV;  // [lanes][width], rounded to the dtype
  int32_t* pendingPosition;    // [lanes], -1 none
  float* pendingZ;             // [lanes] the key's own gate
};
