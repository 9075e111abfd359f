// A matrix packed once for many products with few rows each, on the register kernels of the matrix product.
#pragma once

#include <algorithm>

#include "cpu/gemm_kernel.h"

namespace lampas::cpu {

// B [k, n] as panels of kTileColumns columns, zeros behind the last. The memory is the caller's.
template <class T>
class Panels {
 public:
  static constexpr int kColumns = gemm_detail::kTileColumns<T>;
  static constexpr int kTogether = 1;  // rows that stand side by side

  static int64_t count(int64_t n) { return (n + kColumns - 1) / kColumns; }
  static int64_t elements(int64_t k, int64_t n) { return count(n) * kColumns * k; }

  // `kTogether` rows of one vector each, as they stand in a panel.
  static void store(T* to, const gemm_detail::Vector<T> (&rows)[kTogether]) { gemm_detail::store(to, rows[0]); }

  Panels() = default;
  Panels(T* memory, int64_t k, int64_t n) : memory_(memory), k_(k), n_(n) {}
  int64_t count() const { return count(n_); }

  // Packs panels [first, last) of B, whose elements lie b_row and b_col apart.
  void pack(int64_t first, int64_t last, const T* b, int64_t b_row, int64_t b_col) const {
    for (int64_t p = first; p < last; p++)
      gemm_detail::pack_panel<kColumns>(k_, width(p), b + p * kColumns * b_col, b_col, b_row,
                                        memory_ + p * kColumns * k_);
  }
  void pack(const T* b, int64_t b_row, int64_t b_col) const { pack(0, count(), b, b_row, b_col); }

  // C[m, columns of panels first to last) = alpha * A[m, depth] B + beta * C + bias; `c` and `bias` are those of panel
  // `first`. depth < k takes B's first rows only.
  void multiply(int64_t first, int64_t last, int64_t m, const T* a, int64_t a_row, int64_t a_col, T* c, int64_t ldc,
                T alpha, T beta, const T* bias = nullptr, int64_t depth = -1, int64_t columns = -1) const {
    constexpr int R = gemm_detail::kTileRows;
    const int64_t k = depth < 0 ? k_ : depth, end = columns < 0 ? n_ : columns;
    for (int64_t p = first; p < last; p++) {
      const int64_t j = (p - first) * kColumns;
      const int n = int(std::min<int64_t>(kColumns, end - p * kColumns));
      if (n <= 0) return;
      for (int64_t i = 0; i < m; i += R)
        gemm_detail::run_tile<T, false>({k, a + i * a_row, a_row, a_col, memory_ + p * kColumns * k_, kColumns,
                                         c + i * ldc + j, ldc, alpha, beta, bias ? bias + j : nullptr},
                                        int(std::min<int64_t>(R, m - i)), n);
    }
  }
  // All panels, or those that hold the first `columns` columns.
  void multiply(int64_t m, const T* a, int64_t a_row, int64_t a_col, T* c, int64_t ldc, T alpha, T beta,
                int64_t depth = -1, int64_t columns = -1) const {
    multiply(0, count(), m, a, a_row, a_col, c, ldc, alpha, beta, nullptr, depth, columns);
  }

 private:
  int width(int64_t p) const { return int(std::min<int64_t>(kColumns, n_ - p * kColumns)); }
  T* memory_ = nullptr;
  int64_t k_ = 0, n_ = 0;
};

}  // namespace lampas::cpu
