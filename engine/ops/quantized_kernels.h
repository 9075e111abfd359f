// The kernels on quantized values a device must have. A real number r is stored as the integer q = r / scale + zero
// point, rounded to even and held inside its type.
#pragma once

#include "ops/activation_kernels.h"

namespace lampas {

// [outer, channels, inner] dense elements; each channel has its own scale and zero point.
struct QuantizeCall {
  int64_t outer, channels, inner;
  const float* scales;
  const int64_t* zero_points;
  DType type;  // of the integers: Int8, UInt8, Int32
  const void* in;
  void* out;
};

// Rounds to what `low` to `high` can hold, and says which elements were inside.
struct FakeQuantizeCall {
  int64_t outer, channels, inner;
  const float* scales;
  const float* zero_points;
  int64_t low, high;
  DType type;  // Float32, Float64
  const void* in;
  void* out;
  bool* inside;
};

struct Affine {
  float scale;
  int64_t zero_point;
};

// y = a + b or a * b, then max(y, 0) if relu, of integers of one type (Int8, UInt8).
struct QuantizedPairCall {
  DType type;
  int64_t n;
  bool multiply, relu;
  Affine a, b, y;
  const void *in_a, *in_b;
  void* out;
};

// y[m, n] = x[m, k] w[n, k]^T + bias, then max(y, 0) if relu. x is UInt8, w Int8 with no zero point; y is UInt8, or
// Float32, for which y_affine says nothing.
struct QuantizedLinearCall {
  int64_t m, n, k;
  Affine x_affine, y_affine;
  bool relu;
  DType y_type;
  const void *x, *w;
  const float *w_scales, *bias;  // one for each n
  const int32_t* w_sums;         // of w over k
  WeightVersion version;
  void* y;
};

// The same for a convolution whose activations lie channels-last.
struct QuantizedConvCall {
  ConvShape shape;
  Affine x_affine, y_affine;
  bool relu;
  const void *x, *w;
  const float *w_scales, *bias;  // bias may be null
  WeightVersion version;
  void* y;
};

struct QuantizedKernels {
  void (*quantize)(const QuantizeCall& call);    // from float32
  void (*dequantize)(const QuantizeCall& call);  // to float32
  void (*fake_quantize)(const FakeQuantizeCall& call);
  void (*pair)(const QuantizedPairCall& call);
  // out[i] = table[in[i]], 256 entries of a byte
  void (*lookup)(int64_t n, const uint8_t* in, const uint8_t* table, uint8_t* out);
  // The smallest and the largest of n > 0 numbers; NaN where there is one.
  void (*range)(int64_t n, const float* in, float* low, float* high);
  // False: this processor has no such kernel.
  bool (*linear)(const QuantizedLinearCall& call);
  bool (*convolution)(const QuantizedConvCall& call);
};

}  // namespace lampas
