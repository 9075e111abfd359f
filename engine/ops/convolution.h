// What every kind of convolution is asked for, and whether its operands fit.
#pragma once

#include "ops/activation.h"

namespace lampas {

struct ConvSettings {
  int rank;
  bool transposed;
  int64_t groups;
  IntVec stride, pad_l, pad_r, dilation, output_padding;
};

// A number given once stands for every dimension.
ConvSettings conv_settings(int rank, bool transposed, Ints stride, Ints padding, Ints output_padding, int64_t groups,
                           Ints dilation);
// Everything the kernels must know, once the operands' shapes have been found to fit.
ConvShape conv_fitted(const char* name, const Tensor& x, const Tensor& w, const Tensor& bias, const ConvSettings& p);
// The op, of a batch.
Tensor convolve(const char* name, const Tensor& x, const Tensor& w, const Tensor& bias, const ConvSettings& p);
IntVec conv_out_sizes(const ConvShape& s);

// A weight as the kernels read it. Its state is named only if it will be met again: a parameter, not a passing result.
struct ConvWeight {
  Tensor plain;
  WeightVersion version;
  explicit ConvWeight(const Tensor& w);
};

}  // namespace lampas
