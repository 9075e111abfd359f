// Matrix products on raw pointers: C[m, n] = alpha * A[m, k] B[k, n] + beta * C + bias.
#pragma once

#include <complex>
#include <cstdint>
#include <type_traits>

#include "core/dtype.h"

namespace lampas::cpu {

// A and B have arbitrary element strides (a transposed operand needs no copy); the rows of C are contiguous.
template <class T>
struct Gemm {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t ldc;
  Compute<T> alpha = Compute<T>(1);
  Compute<T> beta = Compute<T>(0);  // 0: C is not read, whatever it holds
  const T* bias = nullptr;          // n values added to every row
};

// A product for each index of a batch shape; the strides, in elements, may be 0 to share an operand.
struct GemmBatch {
  int rank;
  const int64_t* sizes;
  const int64_t* a_strides;
  const int64_t* b_strides;
  const int64_t* c_strides;
};

// T: float, double, BFloat16, Half, uint8_t, int8_t, int16_t, int32_t, int64_t, complex64, complex128.
template <class T>
void gemm(const Gemm<T>& g);
template <class T>
void gemm_batched(const Gemm<T>& g, const GemmBatch& batch);

}  // namespace lampas::cpu
