// 3 x 3 convolution with stride 1 in 2.25 times fewer multiplications and more; with stride 2 in 1.44 times fewer.
#pragma once

#include <cstdint>

#include "cpu/packed_weights.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

// The types it is there for.
template <class T>
inline constexpr bool kWinograd = std::is_same_v<T, float>;
#if defined(__AVX512BF16__)
template <>
inline constexpr bool kWinograd<BFloat16> = true;
#endif

// Whether this pass of an ordinary convolution, `forward` or one of its gradients, is one, large enough, and faster so
// on this processor. It then takes activations channels-last and weights plain.
template <class T>
bool winograd_pays(const ConvShape& s, bool forward);

// y = conv(x, w) + bias (may be null), then max(y, 0) if relu.
template <class T>
void winograd_forward(const ConvShape& s, const T* x, const T* w, WeightVersion version, const T* bias, bool relu,
                      T* y);
template <class T>
void winograd_backward_data(const ConvShape& s, const T* gy, const T* w, WeightVersion version, T* gx);
// gbias may be null.
void winograd_backward_weights(const ConvShape& s, const float* x, const float* gy, float* gw, float* gbias);

}  // namespace lampas::cpu
