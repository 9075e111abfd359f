// A matrix of bfloat16 packed for products in float32 by vdpbf16ps, which adds two products at a time to each lane.
#pragma once

#include <algorithm>
#include <cstring>

#include "cpu/panels.h"
#include "cpu/widen.h"

#if defined(__AVX512BF16__)
namespace lampas::cpu {

// B [k, n], k even, as panels of as many columns as Panels<float>, two rows side by side: [k / 2][column][2].
class PairPanels {
 public:
  static constexpr int kColumns = Panels<float>::kColumns;

  static int64_t count(int64_t n) { return Panels<float>::count(n); }
  static int64_t elements(int64_t k, int64_t n) { return count(n) * kColumns * k; }

  PairPanels(const BFloat16* memory, int64_t k, int64_t n) : memory_(memory), k_(k), n_(n) {}

  // Two rows of 16 columns as they stand in a panel, rounded.
  static void store(BFloat16* to, simd::vf even, simd::vf odd) {
    const auto wide = [](simd::vf row) {
      return (Bits32)_mm512_maskz_cvtepu16_epi32(__mmask16(-1), (__m256i)narrow<BFloat16>(row));
    };
    simd::store(to, wide(even) | wide(odd) << 16);
  }

  // C[m, n] = A[m, k] B, in float32; A's rows lie a_row apart. Each panel fetches the next one, or what follows the
  // last.
  void multiply(int64_t m, const BFloat16* a, int64_t a_row, float* c, int64_t ldc) const {
    if (m == 0) return;
    const int64_t passes = (m + kRows - 1) / kRows, height = (m + passes - 1) / passes;
    const int64_t ahead = 2 * kColumns / passes;  // elements of it in each step
    for (int64_t p = 0; p < count(n_); p++) {
      const BFloat16 *b = memory_ + p * kColumns * k_, *next = b + kColumns * k_;
      const int n = int(std::min<int64_t>(kColumns, n_ - p * kColumns));
      for (int64_t i = 0; i < m; i += height, next += ahead * k_ / 2)
        rows(int(std::min<int64_t>(height, m - i)), n, a + i * a_row, a_row, b, {next, ahead},
             c + i * ldc + p * kColumns, ldc);
    }
  }

 private:
  static constexpr int kRows = gemm_detail::kTileRows, kLanes = 16;

  struct Ahead {
    const BFloat16* next;
    int64_t step;
  };

  template <int Rows = kRows>
  void rows(int m, int n, const BFloat16* a, int64_t a_row, const BFloat16* b, Ahead ahead, float* c,
            int64_t ldc) const {
    if constexpr (Rows > 1)
      if (m < Rows) return rows<Rows - 1>(m, n, a, a_row, b, ahead, c, ldc);
    n > kLanes ? tile<Rows, 2>(n - kLanes, a, a_row, b, ahead, c, ldc) : tile<Rows, 1>(n, a, a_row, b, ahead, c, ldc);
  }

  // Never inlined: its loop fills all registers, and keeps none for what surrounds it.
  template <int Rows, int Vectors>
  [[gnu::noinline]] void tile(int last_lanes, const BFloat16* a, int64_t a_row, const BFloat16* b, Ahead ahead,
                              float* c, int64_t ldc) const {
    __m512 sum[Rows][Vectors] = {};
    // A pointer for every three rows, which addresses reach with one distance: all stay in registers.
    const BFloat16* at[(Rows + 2) / 3];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; i += 3) at[i / 3] = a + i * a_row;
    for (int64_t p = 0; p < k_; p += 2, b += 2 * kColumns, ahead.next += ahead.step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead.next), _MM_HINT_T1);
      __m512bh column[Vectors];
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) column[j] = simd::load<__m512bh>(b + 2 * kLanes * j);
#pragma GCC unroll 12
      for (int i = 0; i < Rows; i++) {
        int32_t pair;
        std::memcpy(&pair, at[i / 3] + i % 3 * a_row, sizeof pair);
        const __m512bh row = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 2
        for (int j = 0; j < Vectors; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], row, column[j]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < Rows; i += 3) at[i / 3] += 2;
    }
    const gemm_detail::Lanes<float> last(last_lanes);
#pragma GCC unroll 12
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; j++) {
        float* to = c + i * ldc + j * kLanes;
        const simd::vf v = (simd::vf)sum[i][j];
        if (j + 1 == Vectors)
          last.store(to, v);
        else
          simd::store(to, v);
      }
  }

  const BFloat16* memory_;
  int64_t k_, n_;
};

}  // namespace lampas::cpu
#endif
