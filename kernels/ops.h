// Written by `npm run ops` from src/device, not by hand: what the kernels must know of it.
#pragma once
#include "words.h"

constexpr const char* SIGNATURE = "3ec4cf3c1a0ba7dd";
constexpr int PAGE = 16, SPAN_PAGES = 16, SPAN = 256, DEAD_NONE = -1, DEAD_PENDING = -2, NO_LABELS = -1, MAX_TOP = 20,
      SAMPLER = 4, MOST_HEAD = 1024, SIZES = 8, TABLES = 20;

// Sizes of lanes and their tables: LaneShape and LANE_TABLES of buffers.ts.
struct Shape { int sets, layers, kvHeads, queryHeads, headDim, pages, archivePages, doomedPages; };
struct Tables {
  int32_t *archive, *held, *head, *tail, *dead, *used, *reads, *physical, *budget, *firstSpare, *spares, *protect,
      *window, *shift, *threshold, *spare, *places, *holders, *archiveTable, *doomedTable;
};

// Items of lists: ITEMS of fields.ts.
struct Run { int32_t set, row, rows, position; };
struct Pair { int32_t source, set; };
struct Copy { int32_t source, set, row, rows, position; };
struct Repeat { int32_t set, row, rows, position, target, from, to, tokens; };
struct Document { int32_t row, rows, from; };
struct Draw { int32_t row, sampler, position, top; };

enum class PageFormat : int { f32, bf16 };
enum class WeightFormat : int { f32, bf16 };
enum class Rank : int { none, layer, group };
enum class Share : int { lane, layer, set };
enum class Over : int { all, others };
enum class Group : int { mean, max, layer };
enum class Smooth : int { mean, max };
enum class Direction : int { reverse, forward };

// Operations and their arguments: OPS of ops.ts.
#define HT_OPS(OP) \
  OP(embed, EmbedArgs, 4, float *out; const Matrix *table; const int32_t *ids; int rows;) \
  OP(gather, GatherArgs, 5, float *out; const float *x; const int32_t *index; int count, dim;) \
  OP(norm, NormArgs, 6, float *out; const float *x, *weight; int rows, dim; float eps;) \
  OP(matmul, MatmulArgs, 6, float *out; const float *x; const Matrix *w; int rows; const float *bias; bool add;) \
  OP(angles, AnglesArgs, 5, float *out; const int32_t *positions; const float *frequencies; int rows, half;) \
  OP(rope, RopeArgs, 5, float *x; const float *angles; int rows, heads, dim;) \
  OP(swiglu, SwigluArgs, 4, float *out; const float *gate, *up; int count;) \
  OP(gelu, GeluArgs, 2, float *x; int count;) \
  OP(borrow, BorrowArgs, 6, float *raw, *q; int rows, queryHeads, kvHeads, dim;) \
  OP(blank, BlankArgs, 5, float *q; int rows, queryHeads, kvHeads, dim;) \
  OP(decide, DecideArgs, 7, float *z; const float *raw; int rows, kvHeads; float scale, offset; bool perLayer;) \
  OP(mark, MarkArgs, 5, float *z; const float *probed; const int32_t *marks; int rows, kvHeads;) \
  OP(attendChunk, AttendChunkArgs, 8, float *out; const float *q, *k, *v, *z; Store *lanes; int layer; \
      List<Run> chunks;) \
  OP(admit, AdmitArgs, 6, const float *k, *v, *z; Store *lanes; int layer; List<Run> runs;) \
  OP(readmit, ReadmitArgs, 4, const float *z; Store *lanes; int layer; List<Copy> copies;) \
  OP(attend, AttendArgs, 8, float *out; const float *q, *archiveQuery; Store *lanes; int layer; List<Run> steps; \
      bool pages; Rank rank;) \
  OP(fork, ForkArgs, 2, Store *lanes; List<Pair> pairs;) \
  OP(sample, SampleArgs, 10, int32_t *ids; float *logprob; int32_t *topIds; float *topLogprobs; const float *logits; \
      int vocabulary; const float *real; const uint32_t *whole, *seen; List<Draw> draws;) \
  OP(observe, ObserveArgs, 4, const float *q; Store *lanes; int layer; List<Run> runs;) \
  OP(sumAttention, SumAttentionArgs, 5, const float *q, *k; Store *lanes; int layer; List<Run> chunks;) \
  OP(maxAttention, MaxAttentionArgs, 6, const float *q, *k; Store *lanes; int layer; List<Repeat> chunks; int sinks;) \
  OP(addMoments, AddMomentsArgs, 5, const float *q; Store *lanes; int layer; List<Run> chunks; int skip;) \
  OP(noteGates, NoteGatesArgs, 5, const float *z; int shift; Store *lanes; int layer; List<Run> runs;) \
  OP(noteChange, NoteChangeArgs, 6, const float *x; int dim; Store *lanes; List<Run> runs; int window; bool late;) \
  OP(bound, BoundArgs, 3, Store *lanes; int layer; List<Run> runs;) \
  OP(clear, ClearArgs, 2, Store *lanes; List<Run> runs;) \
  OP(scoreNorm, ScoreNormArgs, 5, Store *lanes; int layer; List<Run> runs; int slack; Share share;) \
  OP(scoreDifference, ScoreDifferenceArgs, 5, Store *lanes; int layer; List<Run> runs; int slack; Share share;) \
  OP(scoreRandom, ScoreRandomArgs, 6, Store *lanes; int layer; List<Run> runs; int slack; Share share; int seed;) \
  OP(scoreChange, ScoreChangeArgs, 5, Store *lanes; int layer; List<Run> runs; int slack; Share share;) \
  OP(scoreDraw, ScoreDrawArgs, 6, Store *lanes; int layer; List<Run> runs; int slack; Share share; int seed;) \
  OP(scoreRange, ScoreRangeArgs, 7, Store *lanes; int layer; List<Run> runs; int slack; Share share; double part; \
      int recent;) \
  OP(scoreMean, ScoreMeanArgs, 5, Store *lanes; int layer; List<Run> runs; int slack; Share share;) \
  OP(scoreAttention, ScoreAttentionArgs, 10, Store *lanes; int layer; List<Run> runs; int slack; Share share; \
      int queries; Over over; Group group; Smooth smooth; int kernel;) \
  OP(scoreRedundancy, ScoreRedundancyArgs, 7, Store *lanes; int layer; List<Run> runs; int slack; Share share; \
      float weight, similar;) \
  OP(scoreExpected, ScoreExpectedArgs, 11, Store *lanes; int layer; List<Run> runs; int slack; Share share; int skip; \
      const float *frequencies; int future; bool covariance, values; float epsilon;) \
  OP(keep, KeepArgs, 9, Store *lanes; int layer; List<Run> runs; int slack; Share share; int layers; double recent, \
      floor; bool replace;) \
  OP(product, ProductArgs, 12, float *out; const float *a, *b; int m, n, k; bool turnA, turnB; const float *bias; \
      bool add; float scale; bool bf16;) \
  OP(blend, BlendArgs, 5, float *out; const float *x; int count; float own, other;) \
  OP(scatter, ScatterArgs, 5, float *out; const float *x; const int32_t *index; int count, dim;) \
  OP(sumRows, SumRowsArgs, 4, float *out; const float *x; int rows, dim;) \
  OP(normBack, NormBackArgs, 9, float *dx, *dweight; const float *dout, *x, *weight; int rows, dim; float eps; \
      bool add;) \
  OP(ropeBack, RopeBackArgs, 5, float *dx; const float *angles; int rows, heads, dim;) \
  OP(swigluBack, SwigluBackArgs, 6, float *dgate, *dup; const float *dout, *gate, *up; int count;) \
  OP(geluBack, GeluBackArgs, 4, float *dx; const float *dout, *x; int count;) \
  OP(borrowBack, BorrowBackArgs, 6, float *dq; const float *draw; int rows, queryHeads, kvHeads, dim;) \
  OP(decideBack, DecideBackArgs, 6, float *draw; const float *dz; int rows, kvHeads; float scale; bool perLayer;) \
  OP(soften, SoftenArgs, 9, float *z, *soft; const float *logits, *noise; List<Document> documents; int kvHeads; \
      float tau; int shift; bool hard;) \
  OP(softenBack, SoftenBackArgs, 8, float *dlogits; const float *dsoft, *z, *pull; List<Document> documents; \
      int kvHeads; float tau; int shift;) \
  OP(attendSoft, AttendSoftArgs, 11, float *out, *lse; const float *q, *k, *v, *soft; List<Document> documents; \
      int queryHeads, kvHeads, dim, window;) \
  OP(attendSoftBack, AttendSoftBackArgs, 16, float *dq, *dk, *dv, *dsoft; const float *dout, *out, *lse, *q, *k, *v, \
      *soft; List<Document> documents; int queryHeads, kvHeads, dim, window;) \
  OP(peakAttention, PeakAttentionArgs, 10, float *out; const float *lse, *q, *k, *states; List<Document> documents; \
      int queryHeads, kvHeads, dim, width;) \
  OP(distill, DistillArgs, 7, float *losses, *logits; const float *teacher, *weights; int rows, vocabulary; \
      Direction direction;) \
  OP(predict, PredictArgs, 6, float *losses, *logits; const int32_t *targets; const float *weights; int rows, \
      vocabulary;) \
  OP(squares, SquaresArgs, 4, float *out; const float *x; int count, at;) \
  OP(unit, UnitArgs, 3, float *x; int count; float least;) \
  OP(adamw, AdamwArgs, 13, float *x; const float *gradient; float *moment, *second; int count; float scale, rate, \
      beta1, beta2, first, other, eps, decay;)

enum class Op : int {
#define OP(name, ...) name,
  HT_OPS(OP)
#undef OP
  count
};
#define OP(name, Args, N, ...) \
  struct Args { static constexpr Op OPERATION = Op::name; static constexpr int COUNT = N; __VA_ARGS__ };
HT_OPS(OP)
#undef OP
