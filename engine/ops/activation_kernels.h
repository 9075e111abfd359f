// The kernels on activations [batch, channels, space...] a device must have: convolution, pooling, normalisation.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/storage.h"

namespace lampas {

// ---- convolution ----

// What tells one state of a tensor's memory from another. A storage of 0 means: not worth remembering.
struct WeightVersion {
  uint64_t storage = 0;  // unique for the process's life, never that of a freed storage
  uint64_t version = 0;
};

struct ConvShape {
  int64_t batch, in_channels, out_channels, groups;
  int rank;         // dimensions of space: 1, 2 or 3; the arrays below hold that many numbers
  bool transposed;  // the shape describes the operation as seen by the user: in -> out
  int64_t in[3], out[3], kernel[3], stride[3], pad_l[3], pad_r[3], dilation[3];
  bool training = false;  // gradients are recorded, or it is one
};

// Extent of the result along one dimension.
constexpr int64_t conv_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad_l, int64_t pad_r,
                              int64_t dilation) {
  return (in + pad_l + pad_r - dilation * (kernel - 1) - 1) / stride + 1;
}
constexpr int64_t conv_transposed_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad_l, int64_t pad_r,
                                         int64_t dilation, int64_t output_padding) {
  return (in - 1) * stride - pad_l - pad_r + dilation * (kernel - 1) + output_padding + 1;
}

// y from x and w, or the gradients of x, or those of w and the bias: what is no operand of a pass is its result.
// Weights are plain; bias may be null.
struct ConvCall {
  ConvShape shape;
  DType type;
  Order x_order, y_order;
  void *x, *w, *bias, *y;
  WeightVersion version;
};
struct ConvKernels {
  // The order a convolution of this shape likes its activations in.
  Order (*preferred_order)(const ConvShape& shape, DType type);
  void (*forward)(const ConvCall& call);
  void (*backward_data)(const ConvCall& call);
  void (*backward_weights)(const ConvCall& call);
};

// ---- pooling ----

struct PoolShape {
  int64_t batch, channels;
  int rank;       // dimensions of space: 1, 2 or 3
  bool adaptive;  // windows divide the input evenly; kernel, stride, pad and dilation are not read
  int64_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
};

// Extent of the result along one dimension. With `ceil` a last window may hang over the edge, if it starts inside.
constexpr int64_t pool_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bool ceil) {
  const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0);
  int64_t out = (room >= 0 ? room / stride : -((-room + stride - 1) / stride)) + 1;
  if (ceil && (out - 1) * stride >= in + pad) out--;
  return out;
}

// x, y and indices lie in one order. Backward, y holds the result's gradient and x receives the input's.
struct PoolCall {
  PoolShape shape;
  DType type;
  Order order;
  void *x, *y;
  // maxima
  void* indices = nullptr;    // may be null forward
  bool byte_indices = false;  // uint8 places in the window, otherwise int64 places in the plane
  // means: divided by `divisor` if not 0, else by the window's size, padding included or not
  bool count_include_pad = true;
  int64_t divisor = 0;
};
struct PoolKernels {
  void (*max)(const PoolCall& call);  // of bytes: channels last, without indices
  void (*max_backward)(const PoolCall& call);
  void (*mean)(const PoolCall& call);
  void (*mean_backward)(const PoolCall& call);
};

// ---- normalisation ----

struct ChannelShape {
  int64_t batch, channels, space;
  Order order;  // of all activations of a call
};

// Statistics, weights and their gradients are float32 for 16-bit activations. Null weights stand for 1 and 0; null
// gradients are not wanted. Forward writes y, mean, rstd; backward reads gy, x, mean, rstd and writes the rest.
struct NormCall {
  DType type;
  const void *x, *gy = nullptr, *weight = nullptr, *bias = nullptr;
  double eps = 0;
  void *y = nullptr, *mean = nullptr, *rstd = nullptr;
  void *gx = nullptr, *gweight = nullptr, *gbias = nullptr;
  // batch and group norm
  ChannelShape shape{};
  int64_t groups = 0;            // 0: batch norm
  void* variance = nullptr;      // batch norm in training: the biased one
  bool batch_statistics = true;  // batch norm: mean and rstd come from this x; otherwise they are constants, read
  // layer norm, and RMS norm if mean is null
  int64_t rows = 0, n = 0;
};
struct NormKernels {
  void (*channels)(const NormCall& call);
  void (*channels_backward)(const NormCall& call);
  void (*rows)(const NormCall& call);
  void (*rows_backward)(const NormCall& call);
};

struct ActivationKernels {
  ConvKernels conv;
  PoolKernels pool;
  NormKernels norm;
  // A whole activation from one order into the other.
  void (*change_order)(Order from, int64_t batch, int64_t channels, int64_t space, int item_size, const void* in,
                       void* out);
};

}  // namespace lampas
