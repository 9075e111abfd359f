// The products oneDNN computes faster than our own kernel. Each answers whether it took the product.
#pragma once

#include "cpu/gemm.h"

namespace lampas::cpu {

bool onednn_sgemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
                  int64_t b_row, int64_t b_col, float* c, int64_t ldc, float alpha, float beta, const float* bias);
template <class T>
bool onednn_matmul16(const Gemm<T>& g);

}  // namespace lampas::cpu
