// A matrix of bfloat16 packed for products in float32 by vdpbf16ps, which adds two products at a time to each lane.
#pragma once

#include <algorithm>
#include <cstring>

#include "cpu/panels.h"
#include "cpu/widen.h"

#if defined(__AVX512BF16__)
namespace lampas::cpu {

// B [k, n] as panels of as many columns as Panels<float>, two rows side by side: [k / 2][column][2]. Zeros stand behind
// the last row and column. The memory is the caller's.
class PairPanels {
 public:
  static constexpr int kColumns = Panels<float>::kColumns;
  static constexpr int kTogether = 2;  // rows

  // Intel's vdpbf16ps is half as fast as float32 products, and newer processors of theirs have matrix units instead.
  static bool pay() {
    static const bool full_rate = __builtin_cpu_is("amd");
    return full_rate;
  }

  static int64_t count(int64_t n) { return Panels<float>::count(n); }
  static int64_t elements(int64_t k, int64_t n) { return count(n) * kColumns * even(k); }

  PairPanels() = default;
  PairPanels(BFloat16* memory, int64_t k, int64_t n) : memory_(memory), k_(k), n_(n) {}

  // Two rows of 16 columns as they stand in a panel, rounded.
  static void store(BFloat16* to, const simd::vf (&rows)[kTogether]) {
    simd::store(to, narrow_pairs(rows[0], rows[1]));
  }

  int64_t count() const { return count(n_); }
  // The same, whose last panel fetches the first of `next`.
  PairPanels before(const PairPanels& next) const {
    PairPanels p = *this;
    p.after_ = next.memory_;
    return p;
  }

  // Packs panels [first, last) of B from rows (b_col = 1) or from columns (b_row = 1) that lie in one piece each.
  void pack(int64_t first, int64_t last, const BFloat16* b, int64_t b_row, int64_t b_col) const {
    for (int64_t p = first; p < last; p++) {
      const int width = int(std::min<int64_t>(kColumns, n_ - p * kColumns));
      BFloat16* panel = memory_ + p * kColumns * even(k_);
      if (b_col == 1)
        pack_rows(width, b + p * kColumns, b_row, panel);
      else
        pack_columns(width, b + p * kColumns * b_col, b_col, panel);
    }
  }
  void pack(const BFloat16* b, int64_t b_row, int64_t b_col) const { pack(0, count(), b, b_row, b_col); }

  // C[m, columns of panels first to last) = alpha * A[m, depth] B + beta * C + bias, in float32; `c` and `bias` are
  // those of panel `first`. A's rows lie a_row apart, and a_step the pairs of its columns, of which there are whole
  // ones: an odd depth takes a last column times zeros. depth < k takes B's first rows only. Each panel fetches the
  // next one, the last what follows it in memory unless `before` named something else.
  void multiply(int64_t first, int64_t last, int64_t m, const BFloat16* a, int64_t a_row, int64_t a_step, float* c,
                int64_t ldc, float alpha, float beta, const float* bias = nullptr, int64_t depth = -1,
                int64_t columns = -1) const {
    if (m == 0) return;
    const int64_t passes = (m + kRows - 1) / kRows, height = (m + passes - 1) / passes;
    const int64_t steps = even(depth < 0 ? k_ : depth) / 2, end = columns < 0 ? n_ : columns;
    const int64_t ahead = 2 * kColumns / passes;  // elements of it in each step
    for (int64_t p = first; p < last && p * kColumns < end; p++) {
      const BFloat16 *b = memory_ + p * kColumns * even(k_), *next = b + kColumns * even(k_);
      if (after_ && (p + 1 == last || (p + 1) * kColumns >= end)) next = after_;
      const int n = int(std::min<int64_t>(kColumns, end - p * kColumns));
      const int64_t j = (p - first) * kColumns;
      for (int64_t i = 0; i < m; i += height, next += ahead * steps)
        rows(int(std::min<int64_t>(height, m - i)), n,
             {steps, a + i * a_row, a_row, a_step, b, next, ahead, c + i * ldc + j, ldc, alpha, beta,
              bias ? bias + j : nullptr});
    }
  }
  // All panels, or those that hold the first `columns` columns.
  void multiply(int64_t m, const BFloat16* a, int64_t a_row, int64_t a_step, float* c, int64_t ldc, float alpha,
                float beta, int64_t depth = -1, int64_t columns = -1) const {
    multiply(0, count(), m, a, a_row, a_step, c, ldc, alpha, beta, nullptr, depth, columns);
  }

 private:
  static constexpr int kRows = gemm_detail::kTileRows, kLanes = 16;

  static constexpr int64_t even(int64_t k) { return (k + 1) / 2 * 2; }

  static void store(BFloat16* to, Bits16 even, Bits16 odd) {
    const auto wide = [](Bits16 row) { return (Bits32)_mm512_maskz_cvtepu16_epi32(__mmask16(-1), (__m256i)row); };
    simd::store(to, wide(even) | wide(odd) << 16);
  }

  void pack_rows(int width, const BFloat16* b, int64_t b_row, BFloat16* panel) const {
    for (int64_t k = 0; k < k_; k += 2, b += 2 * b_row, panel += 2 * kColumns)
      for (int j = 0; j < kColumns; j += kLanes) {
        const int lanes = std::clamp(width - j, 0, kLanes);
        const auto load = [lanes](const BFloat16* row) {
          if (lanes == kLanes) return simd::load<Bits16>(row);
          Bits16 x{};
          std::memcpy(&x, row, lanes * sizeof(BFloat16));
          return x;
        };
        store(panel + 2 * j, load(b + j), k + 1 < k_ ? load(b + b_row + j) : Bits16{});
      }
  }
  void pack_columns(int width, const BFloat16* b, int64_t b_col, BFloat16* panel) const {
    constexpr int side = gemm_detail::transpose_side(static_cast<float*>(nullptr));
    int64_t k = 0;
    if (width == kColumns && b_col % 2 == 0)  // pairs are numbers of 32 bits, which are transposed like others
      for (; k + 2 * side <= k_; k += 2 * side)
        for (int j = 0; j < kColumns; j += side)
          gemm_detail::transpose_block(reinterpret_cast<const float*>(b + j * b_col + k), b_col / 2,
                                       reinterpret_cast<float*>(panel + k * kColumns + 2 * j), kColumns);
    for (; k < k_; k += 2)
      for (int j = 0; j < kColumns; j++) {
        BFloat16* pair = panel + k * kColumns + 2 * j;
        pair[0] = j < width ? b[j * b_col + k] : BFloat16(0);
        pair[1] = j < width && k + 1 < k_ ? b[j * b_col + k + 1] : BFloat16(0);
      }
  }

  struct Tile {
    int64_t steps;
    const BFloat16* a;
    int64_t a_row, a_step;
    const BFloat16 *b, *next;
    int64_t ahead;
    float* c;
    int64_t ldc;
    float alpha, beta;
    const float* bias;
  };

  template <int Rows = kRows>
  static void rows(int m, int n, const Tile& t) {
    if constexpr (Rows > 1)
      if (m < Rows) return rows<Rows - 1>(m, n, t);
    n > kLanes ? tile<Rows, 2>(n - kLanes, t) : tile<Rows, 1>(n, t);
  }

  // Never inlined: its loop fills all registers, and keeps none for what surrounds it.
  template <int Rows, int Vectors>
  [[gnu::noinline]] static void tile(int last_lanes, const Tile& operands) {
    const Tile t = operands;  // which no store can change
    __m512 sum[Rows][Vectors] = {};
    const int64_t a_row = t.a_row, a_step = t.a_step, ahead = t.ahead;
    const BFloat16 *b = t.b, *next = t.next;
    // A pointer for every three rows, which addresses reach with one distance: all stay in registers.
    const BFloat16* at[(Rows + 2) / 3];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; i += 3) at[i / 3] = t.a + i * a_row;
    for (int64_t p = t.steps; p-- > 0; b += 2 * kColumns, next += ahead) {
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
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
      for (int i = 0; i < Rows; i += 3) at[i / 3] += a_step;
    }
    const gemm_detail::Lanes<float> last(last_lanes);
    simd::vf bias[Vectors] = {};
    for (int j = 0; t.bias && j < Vectors; j++)
      bias[j] = j + 1 == Vectors ? last.load(t.bias + j * kLanes) : simd::load<simd::vf>(t.bias + j * kLanes);
    const auto write = [&](auto add) {
      float* row = t.c;
#pragma GCC unroll 12
      for (int i = 0; i < Rows; i++, row += t.ldc)
#pragma GCC unroll 2
        for (int j = 0; j < Vectors; j++) {
          const bool partial = j + 1 == Vectors;
          float* to = row + j * kLanes;
          simd::vf v = (simd::vf)sum[i][j] * t.alpha + bias[j];
          if constexpr (decltype(add)::value) v += t.beta * (partial ? last.load(to) : simd::load<simd::vf>(to));
          if (partial)
            last.store(to, v);
          else
            simd::store(to, v);
        }
    };
    if (t.beta == 0)
      write(std::false_type{});
    else
      write(std::true_type{});
  }

  BFloat16* memory_ = nullptr;
  const BFloat16* after_ = nullptr;
  int64_t k_ = 0, n_ = 0;
};

}  // namespace lampas::cpu
#endif

namespace lampas::cpu {

template <class T>
struct PanelsOf {
  using type = Panels<T>;
};
#if defined(__AVX512BF16__)
template <>
struct PanelsOf<BFloat16> {
  using type = PairPanels;
};
#endif

}  // namespace lampas::cpu
