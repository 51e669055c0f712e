// Before a pass runs: are its work lists sound, and how much scratch does it need? Lists are the host's, so they are known now.
#include <algorithm>
#include <cstdio>

#include "device.h"
#include "memory.h"
#include "sample.h"
#include "scratch.h"

namespace {

struct Reader {
  const Device& d;
  const int32_t* w;
  std::string error;
  std::vector<uint8_t> used;

  const Store& store(int i) const { return *(const Store*)d.objects[w[i]].data; }
  const Matrix& matrix(int i) const { return *(const Matrix*)d.objects[w[i]].data; }
  size_t length(int i) const { return d.objects[w[i]].length; }
  /** Items at words i (list), i + 1 (first), i + 2 (count). */
  const int32_t* items(int i, int width) const {
    return (const int32_t*)d.objects[w[i]].data + (size_t)w[i + 1] * width;
  }
  void wrong(const char* what, int item, int got, int below) {
    char text[200];
    snprintf(text, sizeof text, "item %d: expected %s below %d, got %d", item, what, below, got);
    if (error.empty()) error = text;
  }
  void within(const char* what, int item, int got, int64_t below) {
    if (got < 0 || got >= below) wrong(what, item, got, (int)below);
  }
  /** Sets in range and each but once: two tasks of one lane would race. */
  void sets(const Store& s, int i, int width, int column) {
    used.assign((size_t)s.sets, 0);
    const int32_t* list = items(i, width);
    for (int n = 0; n < w[i + 2]; n++) {
      const int set = list[n * width + column];
      within("a set", n, set, s.sets);
      if (!error.empty()) return;
      if (used[(size_t)set]++) error = "item " + std::to_string(n) + ": set " + std::to_string(set) + " is in the list twice";
    }
  }
  /** Rows [row, row + rows) of a buffer of `each` numbers a row. */
  void rows(int item, int64_t row, int64_t rows, size_t length, int64_t each) {
    if (rows < 0 || row < 0 || (uint64_t)((row + rows) * each) > length)
      wrong("a row", item, (int)(row + rows - 1), (int)((int64_t)length / each));
  }
};

/** Lists and scratch of one operation. */
size_t planOp(Reader& r, Op op, int threads) {
  switch (op) {
    case Op::matmul: {
      const int rows = r.w[3];
      return rows > 1 ? (size_t)rows * r.matrix(2).cols * 4 : 0;
    }
    case Op::attendChunk: {
      const Store& s = r.store(4);
      r.sets(s, 6, 4, 0);
      const int32_t* items = r.items(6, 4);
      size_t bytes = threadBytes(s, 0) * (size_t)threads;
      for (int n = 0; n < r.w[8]; n++) {
        const int32_t* item = items + 4 * n;
        r.rows(n, item[1], item[2], r.length(0), (int64_t)s.queryHeads * s.headDim);
        r.rows(n, item[1], item[2], r.length(1), (int64_t)s.queryHeads * s.headDim);
        r.rows(n, item[1], item[2], std::min(r.length(2), r.length(3)), (int64_t)s.kvHeads * s.headDim);
        if (r.w[9] >= 0) r.rows(n, item[1], item[2], r.length(9), s.kvHeads);
        bytes += (size_t)s.kvHeads * (size_t)chunkPages(std::max(item[2], 0)) * chunkPageBytes(s);
      }
      return bytes;
    }
    case Op::admitChunk:
    case Op::admit: {
      const Store& s = r.store(2);
      const int width = op == Op::admit ? 3 : 4;
      r.sets(s, 4, width, 0);
      const int32_t* items = r.items(4, width);
      for (int n = 0; n < r.w[6]; n++) {
        const int rows = op == Op::admit ? 1 : items[width * n + 2];
        r.rows(n, items[width * n + 1], rows, std::min(r.length(0), r.length(1)), (int64_t)s.kvHeads * s.headDim);
        if (r.w[7] >= 0) r.rows(n, items[width * n + 1], rows, r.length(7), s.kvHeads);
      }
      return 0;
    }
    case Op::attend: {
      const Store& s = r.store(2);
      r.sets(s, 4, 3, 0);
      const int32_t* items = r.items(4, 3);
      for (int n = 0; n < r.w[6]; n++)
        r.rows(n, items[3 * n + 1], 1, std::min(r.length(0), r.length(1)), (int64_t)s.queryHeads * s.headDim);
      return threadBytes(s, r.w[6]) * (size_t)threads +
             (size_t)r.w[6] * (size_t)s.queryHeads * mostParts(s) * partialFloats(s) * 4;
    }
    case Op::evict: {
      const Store& s = r.store(0);
      r.sets(s, 2, 3, 0);
      return ((size_t)s.archivePages * PAGE + 32) * 8 * (size_t)threads;
    }
    case Op::fork: {
      const Store& s = r.store(0);
      r.sets(s, 1, 2, 1);
      for (int n = 0; n < r.w[3]; n++) r.within("a set", n, r.items(1, 2)[2 * n], s.sets);
      return 0;
    }
    case Op::sample: {
      const int V = r.w[5];
      for (int n = 0; n < r.w[11]; n++) {
        const int32_t* item = r.items(9, 4) + 4 * n;
        r.rows(n, item[0], 1, r.length(4), V);
        r.within("a sampler", n, item[1], (int64_t)std::min(r.length(6) / 4, r.length(7) / 4));
        r.rows(n, item[1], 1, r.length(8), (V + 31) / 32);
        r.within("log-probabilities", n, std::max(item[3], 0), MOST_TOP + 1);
      }
      return sampleBytes(V) * (size_t)threads;
    }
    default:
      return 0;
  }
}

struct Known {
  const char* name;
  int words;
};
const Known OPS[] = {
#define OP(name, words) {#name, words},
    HT_OPS(OP)
#undef OP
};

}  // namespace

std::string devicePlan(Device& d, const std::vector<int32_t>& words) {
  size_t bytes = 0;
  Reader reader = {d, nullptr, "", {}};
  for (size_t at = 0; at < words.size();) {
    const int op = words[at];
    if (op < 0 || op >= (int)Op::count || at + 1 + (size_t)OPS[op].words > words.size())
      return "expected an operation at word " + std::to_string(at) + ", got " + std::to_string(op);
    reader.w = words.data() + at + 1;
    bytes = std::max(bytes, planOp(reader, (Op)op, teamSize(d.team)));
    if (!reader.error.empty()) return std::string(OPS[op].name) + ": " + reader.error;
    at += 1 + (size_t)OPS[op].words;
  }
  if (bytes <= d.scratchBytes) return "";
  memoryUnmap(d.scratch, d.scratchBytes);
  // Memory is committed when touched, so room to grow costs nothing.
  d.scratchBytes = bytes + bytes / 4;
  d.scratch = (char*)memoryMap(d.scratchBytes);
  if (d.scratch) return "";
  d.scratchBytes = 0;
  return "no memory for " + std::to_string(bytes) + " bytes of scratch";
}
