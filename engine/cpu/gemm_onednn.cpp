// Matrix products through oneDNN.
#include "cpu/gemm_onednn.h"

#include <algorithm>
#include <new>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/gemm_kernel.h"
#include "cpu/onednn.h"

namespace lampas::cpu {
namespace {

// Measured on AVX-512: from here oneDNN's generated code leads our tiles by 5 to 20%; below, its overhead decides.
constexpr int64_t kSgemmWork = 1 << 19;
constexpr int64_t kMatmulWork = 1 << 17;
constexpr int64_t kFewRows = 12;  // that it multiplies without repacking
constexpr int64_t kColumns = 32;  // a thread's share of the result is a multiple of

bool plain(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

void scale_and_add(int64_t m, int64_t n, float* c, int64_t ldc, float beta, const float* bias) {
  parallel_for(0, m, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      float* row = c + i * ldc;
      if (beta == 0)
        std::copy(bias, bias + n, row);
      else
        for (int64_t j = 0; j < n; j++) row[j] = beta * row[j] + bias[j];
    }
  });
}

// A matrix whose columns lie in one piece each, `column` elements apart, by rows.
class Turned {
 public:
  Turned(int64_t rows, int64_t columns, const float* x, int64_t column)
      : row_(distance(columns)), memory_(rows * row_ * sizeof(float)) {
    constexpr int64_t side = gemm_detail::transpose_side(static_cast<float*>(nullptr));
    for (int64_t j = 0; j < columns; j += side) {
      const int64_t at = std::max<int64_t>(0, std::min(j, columns - side));  // the last overlaps its neighbour
      gemm_detail::transpose<float>(std::min(side, columns - at), rows, x + at * column, column, data() + at, row_);
    }
  }
  float* data() const { return memory_.as<float>(); }
  int64_t row() const { return row_; }

 private:
  // No multiple of a kilobyte: cache lines of a column would share a few sets.
  static int64_t distance(int64_t columns) {
    const int64_t padded = (columns + 15) / 16 * 16;
    return padded % 256 ? padded : padded + 16;
  }
  int64_t row_;
  Scratch memory_;
};

}  // namespace

bool onednn_sgemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
                  int64_t b_row, int64_t b_col, float* c, int64_t ldc, float alpha, float beta, const float* bias) {
  const bool at = a_col != 1, bt = b_col != 1;
  if (m * n * k < (bt && m <= kFewRows ? kSgemmWork / 2 : kSgemmWork)) return false;
  if (!plain(m, k, a_row, a_col) || !plain(k, n, b_row, b_col)) return false;
  const auto multiply = [=](int64_t width, bool turned, const float* b, int64_t ldb, float* c, const float* bias) {
    if (bias) scale_and_add(m, width, c, ldc, beta, bias);
    if (dnnl_sgemm(at ? 'T' : 'N', turned ? 'T' : 'N', m, width, k, alpha, a, at ? a_col : a_row, b, ldb,
                   bias ? 1 : beta, c, ldc) != dnnl_success)
      throw std::bad_alloc();
  };
  onednn::stream();
  const int threads = omp_in_parallel() ? 1 : num_threads();
  const bool a_repacked = at && m > 512;  // by each thread, the whole of it
  if (!bt || m <= kFewRows || threads == 1 || n < kColumns * threads || a_repacked) {
    multiply(n, bt, b, bt ? b_col : b_row, c, bias);
    return true;
  }
  // Threads that share a transposed matrix repack it in oneDNN for far longer than it takes to turn it. Each takes
  // columns of its own here, so that none waits for what another has written.
  const int64_t grain = std::max<int64_t>(1, kSgemmWork / 2 / (m * k * kColumns));
  parallel_for(0, (n + kColumns - 1) / kColumns, grain, [&](int64_t first, int64_t last) {
    const int64_t j = first * kColumns, width = std::min(n, last * kColumns) - j;
    const Turned rows(k, width, b + j * b_col, b_col);
    multiply(width, false, rows.data(), rows.row(), c + j, bias ? bias + j : nullptr);
  });
  return true;
}

template <class T>
bool onednn_matmul16(const Gemm<T>& g) {
  if (g.m * g.n * g.k < kMatmulWork || g.alpha != 1 || g.beta != 0) return false;
  if (!plain(g.m, g.k, g.a_row, g.a_col) || !plain(g.k, g.n, g.b_row, g.b_col)) return false;
  using namespace onednn;
  Key key(kMatmul);
  key.add(int64_t(dtype_of<T>)).add(g.m).add(g.n).add(g.k).add(g.a_row).add(g.a_col).add(g.b_row).add(g.b_col);
  key.add(g.ldc).add(g.bias != nullptr);
  auto p = cached(key, [&] {
    const auto type = data_type(dtype_of<T>);
    using Desc = dnnl::memory::desc;
    Primitive made;
    made.layouts = {Desc({g.m, g.k}, type, {g.a_row, g.a_col}), Desc({g.k, g.n}, type, {g.b_row, g.b_col}),
                    Desc({g.m, g.n}, type, {g.ldc, 1}), Desc({1, g.n}, type, {g.n, 1})};
    const auto& l = made.layouts;
    dnnl::matmul::primitive_desc d =
        g.bias ? dnnl::matmul::primitive_desc(engine(), l[0].desc, l[1].desc, l[3].desc, l[2].desc, attributes())
               : dnnl::matmul::primitive_desc(engine(), l[0].desc, l[1].desc, l[2].desc, attributes());
    if (std::string_view(d.impl_info_str()).starts_with("ref")) throw dnnl::error(dnnl_unimplemented, "");
    made.set(d, dnnl::matmul(d));
    return made;
  });
  if (!p) return false;
  const auto& l = p->layouts;
  execute(*p, {{DNNL_ARG_SRC, &l[0], g.a},
               {DNNL_ARG_WEIGHTS, &l[1], g.b},
               {DNNL_ARG_BIAS, &l[3], g.bias},
               {DNNL_ARG_DST, &l[2], g.c}});
  return true;
}

template bool onednn_matmul16(const Gemm<Half>&);
template bool onednn_matmul16(const Gemm<BFloat16>&);

}  // namespace lampas::cpu
