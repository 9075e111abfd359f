// Convolution and transposed convolution in one to three dimensions, each operand in the order its owner keeps it in.
#pragma once

#include <cstdint>

#include "cpu/order.h"
#include "cpu/packed_weights.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

using lampas::ConvShape;

// An activation [batch, channels, space...] without gaps.
template <class T>
struct Activation {
  T* data;
  Order order;
};

// Weights are plain: [out, in / groups, kernel...], transposed convolution [in, out / groups, kernel...].
// T: float, double, BFloat16, Half. 16-bit floats accumulate in float32. Results are written in the order asked for.

// y = conv(x, w) + bias (may be null), then max(y, 0) if relu.
template <class T>
void conv_forward(const ConvShape& s, Activation<const T> x, const T* w, WeightVersion version, const T* bias,
                  bool relu, Activation<T> y);
template <class T>
void conv_backward_data(const ConvShape& s, Activation<const T> gy, const T* w, WeightVersion version,
                        Activation<T> gx);
// gw plain; gbias may be null.
template <class T>
void conv_backward_weights(const ConvShape& s, Activation<const T> x, Activation<const T> gy, T* gw, T* gbias);

// The order a convolution of this shape likes its activations in (in and out alike): ask before allocating a result.
template <class T>
Order conv_preferred_order(const ConvShape& s);

}  // namespace lampas::cpu
