// 3 x 3 convolution with stride 1 in 2.25 times fewer multiplications.
#pragma once

#include <cstdint>

#include "cpu/packed_weights.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

// Whether this ordinary convolution of float32 is one, and large enough. The passes below then take its activations
// channels-last and its weights plain.
bool winograd_pays(const ConvShape& s);

// y = conv(x, w) + bias (may be null), then max(y, 0) if relu.
void winograd_forward(const ConvShape& s, const float* x, const float* w, WeightVersion version, const float* bias,
                      bool relu, float* y);
void winograd_backward_data(const ConvShape& s, const float* gy, const float* w, WeightVersion version, float* gx);
// gbias may be null.
void winograd_backward_weights(const ConvShape& s, const float* x, const float* gy, float* gw, float* gbias);

}  // namespace lampas::cpu
