// Rows that are copied (embed, gather), and the gates that label keys: where they come from, and which rows have them.
#include "formats.h"
#include "table.h"

namespace HT_NS {

// One row is one task; one task is enough work for one thread only where rows are many, and then there are many tasks.

void embed(const Call& c, const EmbedArgs& a) {
  const int K = a.table->cols;
  withWeights(a.table->format, [&](auto format) {
    typedef decltype(format) Format;
    HT_TASKS(c, r, a.rows) {
      const typename Format::Number* from = (const typename Format::Number*)a.table->data +
                                            (size_t)(a.ids[r] / PANEL) * K * PANEL + Format::place(a.ids[r] % PANEL);
      for (int k = 0; k < K; k++) a.out[(size_t)r * K + k] = Format::widen(from[(size_t)k * PANEL]);
    }
  });
}

void gather(const Call& c, const GatherArgs& a) {
  const size_t dim = (size_t)a.dim;
  HT_TASKS(c, i, a.count) memcpy(a.out + (size_t)i * dim, a.x + (size_t)a.index[i] * dim, dim * 4);
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

void borrow(const Call& c, const BorrowArgs& a) {
  if (c.thread == 0) carry(a.raw, a.q, a.rows, a.queryHeads, a.kvHeads, a.dim);
}

void blank(const Call& c, const BlankArgs& a) {
  if (c.thread == 0) carry(nullptr, a.q, a.rows, a.queryHeads, a.kvHeads, a.dim);
}

void decide(const Call& c, const DecideArgs& a) {
  if (c.thread != 0) return;
  for (int r = 0; r < a.rows; r++) {
    const float first = a.raw[(size_t)r * a.kvHeads];  // read before z, which may be raw, is written
    for (int h = 0; h < a.kvHeads; h++) {
      const size_t at = (size_t)r * a.kvHeads + h;
      a.z[at] = (a.perLayer ? first : a.raw[at]) * a.scale - a.offset;
    }
  }
}

void mark(const Call& c, const MarkArgs& a) {
  if (c.thread != 0) return;
  for (int r = 0; r < a.rows; r++)
    for (int h = 0; h < a.kvHeads; h++) {
      const size_t at = (size_t)r * a.kvHeads + h;
      if (a.marks[r] == 0) a.z[at] = -1e30f;
      if (a.marks[r] == 2) a.z[at] = 1;
      if (a.marks[r] == 3 && a.probed) a.z[at] = a.probed[at];
      if (a.marks[r] < 0 || a.marks[r] > 3 || (a.marks[r] == 3 && !a.probed))
        fail(c.fault, "mark: expected 0, 1, 2 or (where gates were probed) 3 for row %d, got %d", r, a.marks[r]);
    }
}

}  // namespace HT_NS
