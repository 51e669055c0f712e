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

/** Rows of a buffer (word q, -1: none) at positions from 0: items at word i, each a chunk's four numbers or a step's three. */
void watched(Reader& r, const Store& s, int i, bool chunk, int q, int64_t each) {
  const int width = chunk ? 4 : 3;
  r.sets(s, i, width, 0);
  const int32_t* items = r.items(i, width);
  for (int n = 0; n < r.w[i + 2]; n++) {
    const int32_t* item = items + (size_t)width * n;
    const int rows = chunk ? item[2] : 1;
    r.within("rows", n, rows, INT32_MAX);
    if (q >= 0) r.rows(n, item[1], rows, r.length(q), each);
    r.within("a position", n, (chunk ? item[3] : item[2]), (int64_t)INT32_MAX - std::max(rows, 0));
  }
}

/** `sum` and `replay`: chunks, of which a replay's name what they report. */
size_t planWatch(Reader& r, bool replay, int threads) {
  const Store& s = r.store(4);
  const int width = replay ? 8 : 4, stride = r.w[1];
  r.sets(s, 6, width, 0);
  const int32_t* items = r.items(6, width);
  size_t bytes = 0;
  int most = 0;
  for (int n = 0; n < r.w[8]; n++) {
    const int32_t* item = items + (size_t)width * n;
    const int rows = item[2], first = item[3];
    r.within("rows", n, rows, INT32_MAX);
    r.rows(n, item[1], rows, r.length(2), (int64_t)s.queryHeads * s.headDim);
    r.rows(n, item[1], rows, r.length(3), (int64_t)s.kvHeads * s.headDim);
    r.within("a position", n, first, (int64_t)s.archivePages * PAGE + 2);
    if (!r.error.empty()) return 0;
    const int end = first + rows, from = replay ? item[5] : 0, to = replay ? item[6] : end;
    r.within("a slot", n, to, (int64_t)stride + 1);
    r.within("a slot", n, to, (int64_t)end + 1);
    r.within("a slot", n, from, (int64_t)to + 1);
    if (replay) {
      r.within("a set", n, item[4], s.sets);
      r.within("tokens", n, item[7], INT32_MAX);
    }
    if (!r.error.empty()) return 0;
    bytes += watchShared(s, rows, from, to);
    most = std::max(most, end);
  }
  return bytes + watchBytes(s, most) * (size_t)threads;
}

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
        r.rows(n, items[3 * n + 1], 1, std::min({r.length(0), r.length(1), r.w[10] >= 0 ? r.length(10) : SIZE_MAX}),
               (int64_t)s.queryHeads * s.headDim);
      return threadBytes(s, r.w[6]) * (size_t)threads +
             (size_t)r.w[6] * (size_t)s.queryHeads * mostParts(s) * partialFloats(s) * 4 +
             (r.w[11] >= 0 ? (size_t)r.w[6] * (size_t)s.kvHeads * choiceInts(s) * 4 : 0);
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
    case Op::remember:
      watched(r, r.store(3), 5, r.w[8] != 0, 2, (int64_t)r.store(3).queryHeads * r.store(3).headDim);
      return 0;
    case Op::clear:
      r.sets(r.store(2), 3, 3, 0);
      return 0;
    case Op::gather:
      watched(r, r.store(3), 5, true, 2, (int64_t)r.store(3).queryHeads * r.store(3).headDim);
      return gatherBytes(r.store(3)) * (size_t)threads;
    case Op::note:
      watched(r, r.store(4), 6, r.w[9] != 0, 2, r.store(4).kvHeads);
      return 0;
    case Op::bound:
      watched(r, r.store(1), 3, r.w[6] != 0, -1, 1);
      return 0;
    case Op::weigh:
      r.sets(r.store(5), 7, 3, 0);
      return 0;
    case Op::score: {
      const Store& s = r.store(4);
      watched(r, s, 6, false, -1, 1);
      return scoreBytes(s, r.w[11]) * (size_t)threads + scoreShared(s, r.w[11], r.w[14], r.w[8], threads);
    }
    case Op::keep:
      watched(r, r.store(2), 5, false, -1, 1);
      return keepBytes(r.store(2), r.w[7], r.w[4] * r.store(2).kvHeads, threads);
    case Op::sum:
      return planWatch(r, false, threads);
    case Op::replay:
      return planWatch(r, true, threads);
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
