// Written by `npm run ops` from src/device, not by hand: what the kernels must know of it.
#pragma once
#include "words.h"

constexpr const char* SIGNATURE = "bf8ec96a0423eb29";
constexpr int PAGE = 16;
constexpr int SPAN_PAGES = 16;
constexpr int SPAN = 256;
constexpr int DEAD_NONE = -1;
constexpr int DEAD_PENDING = -2;
constexpr int NO_LABELS = -1;
constexpr int MAX_TOP = 20;
constexpr int SAMPLER = 4;
constexpr int MOST_HEAD = 1024;

enum class PageFormat : int { f32, bf16 };
enum class WeightFormat : int { f32, bf16 };

/** Sizes of lanes, see LaneShape of device.ts. */
struct Shape {
  int sets, layers, kvHeads, queryHeads, headDim, pages, archivePages, doomedPages;
};
constexpr int SIZES = 8;

/** The lanes' tables, see LANE_TABLES of device.ts. */
struct Tables {
  int32_t *archive, *held, *head, *tail, *dead, *used, *reads, *physical, *budget, *firstSpare, *spares, *protect,
      *window, *shift, *threshold, *spare, *places, *holders, *archiveTable, *doomedTable;
};
constexpr int TABLES = 20;

// Items of lists, see ITEMS of fields.ts.
struct Run { int32_t set, row, rows, position; };
struct Pair { int32_t source, set; };
struct Copy { int32_t source, set, row, rows, position; };
struct Repeat { int32_t set, row, rows, position, target, from, to, tokens; };
struct Draw { int32_t row, sampler, position, top; };

enum class Rank : int { none, layer, group };
enum class Share : int { lane, layer, set };
enum class Over : int { all, others };
enum class Group : int { mean, max, layer };
enum class Smooth : int { mean, max };

// Arguments of the operations, see ops.ts.
struct EmbedArgs : Reads<4> {
  float *out = words.floats(); const Matrix *table = words.object<Matrix>();
  const int32_t *ids = words.object<int32_t>(); int rows = words.whole();
};
struct GatherArgs : Reads<5> {
  float *out = words.floats(); const float *x = words.floats(); const int32_t *index = words.object<int32_t>();
  int count = words.whole(), dim = words.whole();
};
struct NormArgs : Reads<6> {
  float *out = words.floats(); const float *x = words.floats(), *weight = words.floats();
  int rows = words.whole(), dim = words.whole(); float eps = words.real();
};
struct MatmulArgs : Reads<6> {
  float *out = words.floats(); const float *x = words.floats(); const Matrix *w = words.object<Matrix>();
  int rows = words.whole(); const float *bias = words.floats(); bool add = words.flag();
};
struct AnglesArgs : Reads<5> {
  float *out = words.floats(); const int32_t *positions = words.object<int32_t>();
  const float *frequencies = words.floats(); int rows = words.whole(), half = words.whole();
};
struct RopeArgs : Reads<5> {
  float *x = words.floats(); const float *angles = words.floats();
  int rows = words.whole(), heads = words.whole(), dim = words.whole();
};
struct SwigluArgs : Reads<4> {
  float *out = words.floats(); const float *gate = words.floats(), *up = words.floats(); int count = words.whole();
};
struct GeluArgs : Reads<2> {
  float *x = words.floats(); int count = words.whole();
};
struct BorrowArgs : Reads<6> {
  float *raw = words.floats(), *q = words.floats();
  int rows = words.whole(), queryHeads = words.whole(), kvHeads = words.whole(), dim = words.whole();
};
struct BlankArgs : Reads<5> {
  float *q = words.floats();
  int rows = words.whole(), queryHeads = words.whole(), kvHeads = words.whole(), dim = words.whole();
};
struct DecideArgs : Reads<7> {
  float *z = words.floats(); const float *raw = words.floats(); int rows = words.whole(), kvHeads = words.whole();
  float scale = words.real(), offset = words.real(); bool perLayer = words.flag();
};
struct MarkArgs : Reads<5> {
  float *z = words.floats(); const float *probed = words.floats(); const int32_t *marks = words.object<int32_t>();
  int rows = words.whole(), kvHeads = words.whole();
};
struct AttendChunkArgs : Reads<10> {
  float *out = words.floats();
  const float *q = words.floats(), *k = words.floats(), *v = words.floats(), *z = words.floats();
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> chunks = words.list<Run>();
};
struct AdmitArgs : Reads<8> {
  const float *k = words.floats(), *v = words.floats(), *z = words.floats(); Store *lanes = words.object<Store>();
  int layer = words.whole(); List<Run> runs = words.list<Run>();
};
struct ReadmitArgs : Reads<6> {
  const float *z = words.floats(); Store *lanes = words.object<Store>(); int layer = words.whole();
  List<Copy> copies = words.list<Copy>();
};
struct AttendArgs : Reads<10> {
  float *out = words.floats(); const float *q = words.floats(), *archiveQuery = words.floats();
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> steps = words.list<Run>();
  bool pages = words.flag(); Rank rank = words.choice<Rank>();
};
struct ForkArgs : Reads<4> {
  Store *lanes = words.object<Store>(); List<Pair> pairs = words.list<Pair>();
};
struct SampleArgs : Reads<12> {
  int32_t *ids = words.object<int32_t>(); float *logprob = words.floats(); int32_t *topIds = words.object<int32_t>();
  float *topLogprobs = words.floats(); const float *logits = words.floats(); int vocabulary = words.whole();
  const float *real = words.floats();
  const uint32_t *whole = words.object<uint32_t>(), *seen = words.object<uint32_t>();
  List<Draw> draws = words.list<Draw>();
};
struct ObserveArgs : Reads<6> {
  const float *q = words.floats(); Store *lanes = words.object<Store>(); int layer = words.whole();
  List<Run> runs = words.list<Run>();
};
struct SumAttentionArgs : Reads<7> {
  const float *q = words.floats(), *k = words.floats(); Store *lanes = words.object<Store>(); int layer = words.whole();
  List<Run> chunks = words.list<Run>();
};
struct MaxAttentionArgs : Reads<8> {
  const float *q = words.floats(), *k = words.floats(); Store *lanes = words.object<Store>(); int layer = words.whole();
  List<Repeat> chunks = words.list<Repeat>(); int sinks = words.whole();
};
struct AddMomentsArgs : Reads<7> {
  const float *q = words.floats(); Store *lanes = words.object<Store>(); int layer = words.whole();
  List<Run> chunks = words.list<Run>(); int skip = words.whole();
};
struct NoteGatesArgs : Reads<7> {
  const float *z = words.floats(); int shift = words.whole(); Store *lanes = words.object<Store>();
  int layer = words.whole(); List<Run> runs = words.list<Run>();
};
struct BoundArgs : Reads<5> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
};
struct ClearArgs : Reads<4> {
  Store *lanes = words.object<Store>(); List<Run> runs = words.list<Run>();
};
struct ScoreNormArgs : Reads<7> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>();
};
struct ScoreDifferenceArgs : Reads<7> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>();
};
struct ScoreRandomArgs : Reads<8> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>(); int seed = words.whole();
};
struct ScoreMeanArgs : Reads<7> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>();
};
struct ScoreAttentionArgs : Reads<12> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>(); int queries = words.whole();
  Over over = words.choice<Over>(); Group group = words.choice<Group>(); Smooth smooth = words.choice<Smooth>();
  int kernel = words.whole();
};
struct ScoreRedundancyArgs : Reads<9> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>(); float weight = words.real(), similar = words.real();
};
struct ScoreExpectedArgs : Reads<13> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>(); int skip = words.whole();
  const float *frequencies = words.floats(); int future = words.whole();
  bool covariance = words.flag(), values = words.flag(); float epsilon = words.real();
};
struct KeepArgs : Reads<13> {
  Store *lanes = words.object<Store>(); int layer = words.whole(); List<Run> runs = words.list<Run>();
  int slack = words.whole(); Share share = words.choice<Share>(); int layers = words.whole();
  double recent = words.wide(), floor = words.wide(); bool replace = words.flag();
};

#define HT_OPS(OP) OP(embed, EmbedArgs) OP(gather, GatherArgs) OP(norm, NormArgs) OP(matmul, MatmulArgs) \
  OP(angles, AnglesArgs) OP(rope, RopeArgs) OP(swiglu, SwigluArgs) OP(gelu, GeluArgs) OP(borrow, BorrowArgs) \
  OP(blank, BlankArgs) OP(decide, DecideArgs) OP(mark, MarkArgs) OP(attendChunk, AttendChunkArgs) OP(admit, AdmitArgs) \
  OP(readmit, ReadmitArgs) OP(attend, AttendArgs) OP(fork, ForkArgs) OP(sample, SampleArgs) OP(observe, ObserveArgs) \
  OP(sumAttention, SumAttentionArgs) OP(maxAttention, MaxAttentionArgs) OP(addMoments, AddMomentsArgs) \
  OP(noteGates, NoteGatesArgs) OP(bound, BoundArgs) OP(clear, ClearArgs) OP(scoreNorm, ScoreNormArgs) \
  OP(scoreDifference, ScoreDifferenceArgs) OP(scoreRandom, ScoreRandomArgs) OP(scoreMean, ScoreMeanArgs) \
  OP(scoreAttention, ScoreAttentionArgs) OP(scoreRedundancy, ScoreRedundancyArgs) OP(scoreExpected, ScoreExpectedArgs) \
  OP(keep, KeepArgs)

enum class Op : int {
#define OP(name, Args) name,
  HT_OPS(OP)
#undef OP
  count
};
