// What a device must be able to do: one table of kernels per device. Ops reach every kernel through it, so that a new
// device is a new table and no change here. The meta device's table does nothing, which leaves shapes without data.
#pragma once

#include "core/tensor.h"
#include "ops/activation_kernels.h"
#include "ops/elementwise.h"
#include "ops/loss_kernels.h"
#include "ops/network_kernels.h"
#include "ops/quantized_kernels.h"
#include "ops/random_kernels.h"

namespace lampas {

// One operand of a loop; strides in bytes, dimension 0 innermost.
struct LoopArg {
  char* data;
  DType dtype;
  int64_t strides[24];
};
struct Loop {
  static constexpr int kMaxDims = 24;
  int ndim = 0;
  int count = 0;  // operands; args[0] is the result
  int64_t numel = 0;
  int64_t sizes[kMaxDims];
  LoopArg args[5];
  DType types[5];  // what the kernel takes and gives
};

// A reduction of the dimensions in `mask`. The results lie contiguous over the other dimensions, in their order.
enum class Rd : uint8_t {
  Sum,
  NanSum,
  Mean,
  Prod,
  Max,
  Min,
  ArgMax,
  ArgMin,
  Any,
  All,
  CountNonzero,
  Norm,
  Var,
  Std,
  LogSumExp
};
struct ReduceCall {
  Rd op;
  DType compute;  // elements are converted to it first: Bool, Int64, Float32, Float64, Complex64, Complex128
  DType in_type, out_type;
  int ndim;
  const int64_t *sizes, *strides;
  uint64_t mask;
  const void* in;
  void* out;             // ArgMax, ArgMin: the extreme values; may be null
  void* out2 = nullptr;  // ArgMax, ArgMin: their int64 positions; Var, Std: the mean, of out_type, or null
  double p = 0;          // Norm: its order; Var, Std: the correction
};

// A running total along the middle of [outer, n, inner] contiguous elements.
enum class Scan : uint8_t { Sum, Prod, Max, Min, LogSumExp };
struct ScanCall {
  Scan op;
  DType in_type, out_type;
  int64_t outer, n, inner;
  const void* in;
  void* out;
  int64_t* indices = nullptr;  // Max, Min
};

// softmax along the middle of [outer, n, inner] contiguous elements; `backward`: from gradient and result.
struct SoftmaxCall {
  bool log, backward;
  DType in_type, out_type;
  int64_t outer, n, inner;
  const void* in;           // of in_type; backward: the gradient
  const void* y = nullptr;  // backward: the result, of in_type
  void* out;
};

// Sorts rows: outer x inner of them, each n elements `inner` apart in contiguous memory. NaN counts as the largest.
struct SortCall {
  enum What : uint8_t { Full, Top, Kth, Median, NanMedian, Mode } what;
  DType type;
  int64_t outer, n, inner;
  const void* in;
  void* values;  // of `type`; Full: n, Top: k, else one element for each row, laid out as the input; may be null
  int64_t* indices;
  int64_t k = 0;  // Top: how many; Kth: which one, from 0
  bool descending = false, sorted = true;
};

// Positions of values in sorted rows: the last dimension of `sorted` (n elements); values has `per_row` for each row.
struct SearchCall {
  DType type;  // Float64 or Int64, of both
  int64_t rows, n, per_row;
  bool shared;  // one sorted row for all values
  const void* sorted;
  const int64_t* sorter;  // an order that sorts each row, or null
  const void* values;
  void* out;
  DType out_type;  // Int32 or Int64
  bool right;
};

// The upper or lower triangle of contiguous matrices, zeros elsewhere.
struct TriangleCall {
  bool upper;
  int64_t diagonal, batches, rows, columns;
  size_t item;
  const void* in;
  void* out;
};

// C[m, n] = alpha * A[m, k] B[k, n] + beta * C + bias for every index of a batch shape; strides in elements.
struct GemmCall {
  DType type;
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_row, b_col;
  void* c;
  int64_t ldc;
  Scalar alpha = 1, beta = 0;
  const void* bias = nullptr;  // n values added to every row
  int rank = 0;                // of the batch
  const int64_t *sizes = nullptr, *a_strides = nullptr, *b_strides = nullptr, *c_strides = nullptr;
};

// The smallest and the largest of some indices.
struct IndexRange {
  int64_t low = 0, high = -1;
};

// offset[i] = sum over k of index[k][i] * strides[k], negative indices counted from the end.
struct IndexOffsetsCall {
  int count;
  int64_t n;
  const int64_t* const* index;
  const int64_t *sizes, *strides;
  int64_t* out;
};

// Elements of a tensor at offsets that are data, against those of another tensor that lists them: other[i, ...] and
// indexed[offsets[i], ...] over the dimensions that are not indexed. Strides and offsets in bytes, dimension 0
// innermost.
enum class IndexMode : uint8_t { Read, Write, Add, Multiply, Max, Min };
struct IndexCall {
  IndexMode mode;  // Read, Write, Add
  DType type;
  int64_t n, step;  // positions, and the distance between two of them in `other`
  const int64_t* offsets;
  int ndim = 0;
  int64_t sizes[24], indexed_strides[24], other_strides[24];
  char *indexed, *other;
};

// One index for each element: other[j, ...] against indexed[index[j, ...], ...]. Dimension 0 is the one that is
// indexed.
struct GatherCall {
  IndexMode mode;
  DType type;
  int ndim;
  int64_t sizes[24], index_strides[24], indexed_strides[24], other_strides[24];
  const int64_t* index;
  char *indexed, *other;
};

// Coordinates of the true elements of a contiguous mask: ndim rows of `count`.
struct TruePositionsCall {
  const bool* mask;
  int64_t n, count;
  int ndim;
  const int64_t* sizes;
  int64_t* out;
};

struct Kernels {
  // Elementwise: `compute` chooses the instantiation. contiguous(): n elements of matching types, no strides.
  void (*elementwise)(Ew op, DType compute, Loop& loop, const EwParams& params);
  void (*contiguous)(Ew op, DType compute, char* const* p, const bool* single, int64_t n, const EwParams& params);
  bool (*supports)(Ew op, DType compute);
  // Copies, with conversion, a loop's only input to its result; a constant input fills.
  void (*copy)(Loop& loop);
  void (*triangle)(const TriangleCall& call);

  // Indexing. Indices have been checked against index_range, and wrapped where negative ones are allowed.
  IndexRange (*index_range)(const int64_t* index, int64_t n);
  void (*index_offsets)(const IndexOffsetsCall& call);
  void (*index)(const IndexCall& call);
  void (*gather)(const GatherCall& call);
  int64_t (*count_true)(const bool* mask, int64_t n);
  void (*true_positions)(const TruePositionsCall& call);

  void (*gemm)(const GemmCall& call);

  // Reductions, scans, softmax, sorting.
  void (*reduce)(const ReduceCall& call);
  void (*scan)(const ScanCall& call);
  void (*softmax)(const SoftmaxCall& call);
  void (*sort)(const SortCall& call);
  void (*search)(const SearchCall& call);

  RandomKernels random;
  LossKernels loss;
  ActivationKernels activation;
  NetworkKernels network;
  QuantizedKernels quantized;
};

extern const Kernels cpu_kernels, meta_kernels;

inline const Kernels& kernels(Device d) { return d.is_cpu() ? cpu_kernels : meta_kernels; }

}  // namespace lampas
