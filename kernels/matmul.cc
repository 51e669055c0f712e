// Products of a few rows with a weight matrix. Each output element is one accumulator over k, ascending: its bits do
// not depend on how many rows there are, on blocking or on threads.
//
// Panels of 32 outputs lie k-major (pages.h), so one step over k loads one line of weights (two for f32) and needs no
// horizontal sum. x is packed into blocks of up to ROWS rows, k-major too: rows of 4,096 bytes would alias in L1. A
// panel then stays in L1 or L2 while all row blocks pass over it, so weights are read from memory once.
#include "formats.h"
#include "table.h"

namespace HT_NS {

// Accumulators fill the registers: AVX-512 has 32 of 16 floats (12 rows x 32 outputs = 24), AVX2 16 of 8 (6 rows x 16
// outputs = 12), NEON 32 of 4 (4 x 16 = 16 of them), SSE 16 of 4 (2 x 16 = 8).
#if defined(__AVX512F__)
constexpr int ROWS = 12;
constexpr bool HALVES = false;
constexpr int panelsOf(int rows) { return rows <= 2 ? 4 : rows <= 6 ? 2 : 1; }
#elif defined(__AVX2__)
constexpr int ROWS = 6;
constexpr bool HALVES = true;
constexpr int panelsOf(int rows) { return rows <= 3 ? 2 : 1; }
#elif defined(__aarch64__)
constexpr int ROWS = 4;
constexpr bool HALVES = true;
constexpr int panelsOf(int rows) { return rows <= 2 ? 2 : 1; }
#else
constexpr int ROWS = 2;
constexpr bool HALVES = true;
constexpr int panelsOf(int) { return 1; }
#endif
// Whole panels for one row everywhere: two halves would widen every line twice, and a row alone has registers to spare.
constexpr bool halved(int rows) { return HALVES && rows > 1; }

struct Product {
  float* out;
  const Matrix* w;
  const float* bias;
  bool add;
  const float* x;  // packed block [K][R]
  int firstRow;
};

/** What follows the sum: bias, then the old output. */
static void finish(const Product& p, int row, int n, F16 value) {
  const int N = p.w->rows;
  float* out = p.out + (size_t)row * N + n;
  if (n + 16 <= N) {
    if (p.bias) value = value + load(p.bias + n);
    if (p.add) value = value + load(out);
    store(out, value);
    return;
  }
  float t[16];
  store(t, value);
  for (int i = 0; i < N - n; i++) {
    if (p.bias) t[i] = t[i] + p.bias[n + i];
    out[i] = p.add ? t[i] + out[i] : t[i];
  }
}

/** Adds k in [from, to) of R rows by P panels. HALF 0: all 32 outputs of each, 1: the first 16, 2: the last 16. */
template <int R, int P, int HALF, class Format>
HT_INLINE void accumulate(const Product& p, int panel, int from, int to, F16 (*sums)[R]) {
  constexpr int H = HALF == 0 ? 2 : 1, LINE = Format::LINE;
  const size_t stride = (size_t)p.w->cols * LINE;
  const char* w = (const char*)p.w->data + (size_t)panel * stride + (size_t)from * LINE;
  const float* x = p.x + (size_t)from * R;
  F16 acc[P * H][R];
  HT_UNROLL for (int i = 0; i < P * H; i++)
    HT_UNROLL for (int r = 0; r < R; r++) acc[i][r] = sums[i][r];
  for (int k = from; k < to; k++) {
    HT_UNROLL for (int j = 0; j < P; j++) {
      const char* line = w + j * stride;
      F16 y[H];
      if constexpr (HALF == 0) Format::halves(line, y[0], y[1]);
      if constexpr (HALF != 0) y[0] = Format::half(line, HALF - 1);
      HT_UNROLL for (int r = 0; r < R; r++) {
        const F16 xr = splat(x[r]);
        HT_UNROLL for (int h = 0; h < H; h++) acc[j * H + h][r] = fma(xr, y[h], acc[j * H + h][r]);
      }
    }
    w += LINE;
    x += R;
  }
  HT_UNROLL for (int i = 0; i < P * H; i++)
    HT_UNROLL for (int r = 0; r < R; r++) sums[i][r] = acc[i][r];
}

// Apart: inlined into each other, the sizes would share registers.
template <int R, int P, class Format>
__attribute__((noinline)) static void panels(const Product& p, int panel) {
  const int K = p.w->cols;
  F16 sums[2 * P][R];  // by panel, then half; where halves are apart, by half, then panel
  for (int i = 0; i < 2 * P; i++)
    for (int r = 0; r < R; r++) sums[i][r] = splat(0);
  if constexpr (halved(R)) {
    // Both halves of a stretch of lines while it is in L1.
    for (int k = 0; k < K; k += Format::STRETCH) {
      accumulate<R, P, 1, Format>(p, panel, k, least(K, k + Format::STRETCH), sums);
      accumulate<R, P, 2, Format>(p, panel, k, least(K, k + Format::STRETCH), sums + P);
    }
  } else {
    accumulate<R, P, 0, Format>(p, panel, 0, K, sums);
  }
  for (int j = 0; j < P; j++)
    for (int h = 0; h < 2; h++) {
      const int n = (panel + j) * PANEL + 16 * h;
      const F16* values = sums[halved(R) ? h * P + j : 2 * j + h];
      if (n < p.w->rows)
        for (int r = 0; r < R; r++) finish(p, p.firstRow + r, n, values[r]);
    }
}

/** R rows by panels [from, to). */
template <int R, class Format>
static void block(const Product& p, int from, int to) {
  constexpr int P = panelsOf(R);
  for (; from + P <= to; from += P) panels<R, P, Format>(p, from);
  for (; from < to; from++) panels<R, 1, Format>(p, from);
}

template <int R, class Format>
static void rowsOf(const Product& p, int rows, int from, int to) {
  if constexpr (R <= ROWS) {
    if (rows != R) return rowsOf<R + 1, Format>(p, rows, from, to);
    block<R, Format>(p, from, to);
  }
}

/** [K][count] from rows of K. */
static void pack(float* to, const float* x, int K, int count) {
  if (count == ROWS) {
    for (int k = 0; k < K; k++)
      HT_UNROLL for (int r = 0; r < ROWS; r++) to[(size_t)k * ROWS + r] = x[(size_t)r * K + k];
    return;
  }
  for (int k = 0; k < K; k++)
    for (int r = 0; r < count; r++) to[(size_t)k * count + r] = x[(size_t)r * K + k];
}

void matmul(const Call& c, const MatmulArgs& a) {
  const float* x = a.x;
  const Matrix& w = *a.w;
  const int rows = a.rows, K = w.cols;
  Product p = {a.out, &w, a.bias, a.add, x, 0};
  // Blocks as equal as possible: 16 rows are 8 + 8, not 12 + 4.
  const int blocks = (rows + ROWS - 1) / ROWS;
  const auto start = [&](int b) { return (int)((int64_t)rows * b / blocks); };
  if (rows > 1) {
    HT_TASKS(c, b, blocks)
      pack((float*)c.scratch + (size_t)start(b) * K, x + (size_t)start(b) * K, K, start(b + 1) - start(b));
    teamMeet(c.team);
    x = (const float*)c.scratch;
  }
  const int count = (w.rows + PANEL - 1) / PANEL;
  int unit = panelsOf(start(blocks) - start(blocks - 1));
  while (unit > 1 && count / unit < 4 * teamSize(c.team)) unit /= 2;
  withWeights(w.format, [&](auto format) {
    HT_TASKS(c, t, (count + unit - 1) / unit) {
      for (int b = 0; b < blocks; b++) {
        p.firstRow = start(b);
        p.x = x + (size_t)p.firstRow * K;
        rowsOf<1, decltype(format)>(p, start(b + 1) - p.firstRow, t * unit, least(count, (t + 1) * unit));
      }
    }
  });
}

/** Where the numbers of output `n` lie, PANEL apart. */
template <class Format>
static typename Format::Number* outputOf(const Matrix& m, int n) {
  return (typename Format::Number*)m.data + (size_t)(n / PANEL) * m.cols * PANEL + Format::place(n % PANEL);
}

template <class Format, class From>
static void write(Matrix& m, int first, int rows, const char* values) {
  for (int n = first; n < first + rows; n++) {
    auto* to = outputOf<Format>(m, n);
    const char* from = values + (size_t)(n - first) * m.cols * sizeof(From);
    for (int k = 0; k < m.cols; k++) {
      From x;  // bytes of a file lie anywhere
      memcpy(&x, from + (size_t)k * sizeof(From), sizeof(From));
      to[(size_t)k * PANEL] = Format::number(x);
    }
  }
}

void writeRows(Matrix& m, int first, int rows, const void* values, bool stored) {
  withWeights(m.format, [&](auto format) {
    typedef decltype(format) Format;
    if (stored) return write<Format, typename Format::Number>(m, first, rows, (const char*)values);
    write<Format, float>(m, first, rows, (const char*)values);
  });
}

void readRows(const Matrix& m, int first, int rows, float* out) {
  withWeights(m.format, [&](auto format) {
    for (int n = first; n < first + rows; n++) {
      const auto* from = outputOf<decltype(format)>(m, n);
      for (int k = 0; k < m.cols; k++) *out++ = format.widen(from[(size_t)k * PANEL]);
    }
  });
}

}  // namespace HT_NS
