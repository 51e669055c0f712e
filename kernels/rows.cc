// Operations on rows without arithmetic (embed, pick) or with little of it (gate, borrow, blank).
#include "table.h"
#include "words.h"

namespace HT_NS {

// One row is one task; one task is enough work for one thread only where rows are many, and then there are many tasks.

void embed(const Call& c, int) {
  float* out = floats(c, 0);
  const Matrix& table = matrix(c, 1);
  const int32_t* ids = ints(c, 2);
  const int rows = c.words[3], K = table.cols;
  HT_TASKS(c, r, rows) {
    int id = ids[r];
    if (id < 0 || id >= table.rows) {
      fail(c.fault, "embed: expected ids below %d, got %d at row %d", table.rows, id, r);
      id = 0;
    }
    const size_t panel = (size_t)(id / PANEL) * K * PANEL;
    const int j = id % PANEL;
    float* to = out + (size_t)r * K;
    if (table.bf16) {
      const uint16_t* from = (const uint16_t*)table.data + panel + 2 * (j % 16) + j / 16;
      for (int k = 0; k < K; k++) to[k] = fromBf16(from[(size_t)k * PANEL]);
    } else {
      const float* from = (const float*)table.data + panel + j;
      for (int k = 0; k < K; k++) to[k] = from[(size_t)k * PANEL];
    }
  }
}

void pick(const Call& c, int) {
  float* out = floats(c, 0);
  const float* x = floats(c, 1);
  const int32_t* index = ints(c, 2);
  const int count = c.words[3], dim = c.words[4];
  const int rows = (int)(c.objects[c.words[1]].length / dim);
  HT_TASKS(c, i, count) {
    int row = index[i];
    if (row < 0 || row >= rows) {
      fail(c.fault, "pick: expected rows below %d, got %d at %d", rows, row, i);
      row = 0;
    }
    memcpy(out + (size_t)i * dim, x + (size_t)row * dim, (size_t)dim * 4);
  }
}

/** `raw` null: only blanks the channels. */
static void carry(float* raw, float* q, int rows, int queryHeads, int kvHeads, int dim) {
  const int group = queryHeads / kvHeads;
  for (int r = 0; r < rows; r++) {
    for (int h = 0; h < kvHeads; h++) {
      float& channel = q[((size_t)r * queryHeads + h * group) * dim + dim - 1];
      if (raw) raw[(size_t)r * kvHeads + h] = channel;
      channel = 0;
    }
  }
}

void borrow(const Call& c, int thread) {
  if (thread == 0) carry(floats(c, 0), floats(c, 1), c.words[2], c.words[3], c.words[4], c.words[5]);
}

void blank(const Call& c, int thread) {
  if (thread == 0) carry(nullptr, floats(c, 0), c.words[1], c.words[2], c.words[3], c.words[4]);
}

void gate(const Call& c, int thread) {
  if (thread != 0) return;
  float* z = floats(c, 0);
  const float* raw = floats(c, 1);
  const int rows = c.words[2], kvHeads = c.words[3];
  const float scale = real(c, 4), offset = real(c, 5);
  const bool perLayer = c.words[6] != 0;
  for (int r = 0; r < rows; r++) {
    const float first = raw[(size_t)r * kvHeads];  // read before z, which may be raw, is written
    for (int h = 0; h < kvHeads; h++) {
      const size_t at = (size_t)r * kvHeads + h;
      z[at] = (perLayer ? first : raw[at]) * scale - offset;
    }
  }
}

}  // namespace HT_NS
