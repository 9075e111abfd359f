// Normalisation: over batch and space per channel (batch norm), per group of channels (group, instance norm), per row
// (layer, RMS norm). Statistics, weights and their gradients are float32 for 16-bit activations.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "cpu/order.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

// T everywhere below: float, double, BFloat16, Half. Weights and biases may be null (1 and 0), wanted gradients too.

using lampas::ChannelShape;

// Mean and biased variance of each channel; in one pass, by merging the exact moments of small pieces.
template <class T>
void channel_moments(const ChannelShape& s, const T* x, Compute<T>* mean, Compute<T>* variance);

// y = (x - mean) * scale + shift per channel, then max(y, 0) if relu: batch norm in evaluation, or after the moments.
template <class T>
void channel_affine(const ChannelShape& s, const T* x, const Compute<T>* mean, const Compute<T>* scale,
                    const Compute<T>* shift, bool relu, T* y);

// Training: writes the batch's mean, biased variance and 1 / sqrt(variance + eps) too.
template <class T>
void batch_norm_forward(const ChannelShape& s, const T* x, const Compute<T>* weight, const Compute<T>* bias, double eps,
                        bool relu, T* y, Compute<T>* mean, Compute<T>* variance, Compute<T>* rstd);
// `batch_statistics`: mean and rstd came from this x (training); otherwise they were constants (evaluation).
template <class T>
void batch_norm_backward(const ChannelShape& s, const T* gy, const T* x, const Compute<T>* weight,
                         const Compute<T>* mean, const Compute<T>* rstd, bool batch_statistics, T* gx,
                         Compute<T>* gweight, Compute<T>* gbias);

// Group norm; mean and rstd hold batch * groups values. Instance norm is groups == channels.
template <class T>
void group_norm_forward(const ChannelShape& s, int64_t groups, const T* x, const Compute<T>* weight,
                        const Compute<T>* bias, double eps, T* y, Compute<T>* mean, Compute<T>* rstd);
template <class T>
void group_norm_backward(const ChannelShape& s, int64_t groups, const T* gy, const T* x, const Compute<T>* weight,
                         const Compute<T>* mean, const Compute<T>* rstd, T* gx, Compute<T>* gweight, Compute<T>* gbias);

// Layer norm of `rows` rows of n values; with mean == null RMS norm: x / sqrt(mean(x^2) + eps).
template <class T>
void row_norm_forward(int64_t rows, int64_t n, const T* x, const Compute<T>* weight, const Compute<T>* bias, double eps,
                      T* y, Compute<T>* mean, Compute<T>* rstd);
template <class T>
void row_norm_backward(int64_t rows, int64_t n, const T* gy, const T* x, const Compute<T>* weight,
                       const Compute<T>* mean, const Compute<T>* rstd, T* gx, Compute<T>* gweight, Compute<T>* gbias);

}  // namespace lampas::cpu
