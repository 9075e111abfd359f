// Weighted sums along one dimension, and sampling at points: what a device's kernels see.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lampas {

// [outer, n, inner] -> [outer, m, inner]: out[o, j, i] = sum over t in [offsets[j], offsets[j + 1]) of weights[t] *
// in[o, index[t], i]. Without weights each is 1; where every j also has one term, elements of any type are moved.
struct ResampleCall {
  DType type;
  bool moves;  // no weights, and one term each
  int64_t outer, n, m, inner;
  const int64_t *offsets, *index;
  const double* weights;  // may be null
  // Of bytes, instead of weights: whole[t] / 2^shift, with sums in whole numbers that are rounded and kept in 0 .. 255.
  const int16_t* whole;
  int shift;
  const void* in;
  void* out;
};

// input [batch, channels, size...] at the points of grid [batch, points..., rank], coordinates innermost first in -1
// to 1.
enum class SampleMode : uint8_t { Linear, Nearest, Cubic };
enum class SamplePadding : uint8_t { Zeros, Border, Reflection };
struct GridSampleCall {
  DType type;  // Float32 or Float64
  SampleMode mode;
  SamplePadding padding;
  bool align_corners;
  int rank;  // 2 or 3
  int64_t batch, channels, points;
  int64_t size[3];  // of the input, outermost first
  const void *input, *grid;
  void* out;  // [batch, channels, points]
  // Backward, if set: the gradient of out, and those wanted (gradient of the input zeroed before).
  const void* go = nullptr;
  void *ginput = nullptr, *ggrid = nullptr;
};

}  // namespace lampas
