// Pooling over windows in one to three dimensions, in both orders of activations.
#pragma once

#include <cstdint>

#include "cpu/order.h"
#include "ops/activation_kernels.h"

namespace lampas::cpu {

using lampas::PoolShape;

// Places in the largest window; up to 256 an index fits a byte.
int64_t pool_window(const PoolShape& s);

// The maximum of each window (NaN if there is one) and, unless `indices` is null, where it was found: as int64_t the
// place in the input's plane, as uint8_t the place in the window. x, y and indices lie in the same order. T: float,
// double, BFloat16, Half; Index: int64_t, uint8_t (that needs pool_window(s) <= 256).
template <class T, class Index>
void max_pool_forward(const PoolShape& s, Order order, const T* x, T* y, Index* indices);
template <class T, class Index>
void max_pool_backward(const PoolShape& s, Order order, const T* gy, const Index* indices, T* gx);

// Maxima of uint8_t or int8_t, channels last.
template <class T>
void max_pool_bytes(const PoolShape& s, const T* x, T* y);

// The mean of each window: divided by `divisor` if not 0, else by its size, padding included or not.
template <class T>
void avg_pool_forward(const PoolShape& s, Order order, bool count_include_pad, int64_t divisor, const T* x, T* y);
template <class T>
void avg_pool_backward(const PoolShape& s, Order order, bool count_include_pad, int64_t divisor, const T* gy, T* gx);

}  // namespace lampas::cpu
