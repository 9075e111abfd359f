// Convolution as matrix products over unfolded columns: for float64, and for what oneDNN does not take.
#pragma once

#include "cpu/convolution.h"

namespace lampas::cpu {

// `s` is never transposed here and all activations are Plain. T: float, double.
template <class T>
void columns_forward(const ConvShape& s, const T* x, const T* w, T* y);
template <class T>
void columns_backward_data(const ConvShape& s, const T* gy, const T* w, T* gx);
template <class T>
void columns_backward_weights(const ConvShape& s, const T* x, const T* gy, T* gw);

}  // namespace lampas::cpu
