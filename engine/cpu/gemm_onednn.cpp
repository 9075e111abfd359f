// Matrix products through oneDNN.
#include "cpu/gemm_onednn.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/onednn.h"

namespace lampas::cpu {
namespace {

// Measured on AVX-512: from here oneDNN's generated code leads our tiles by 5 to 20%; below, its overhead decides.
constexpr int64_t kSgemmWork = 1 << 19;
constexpr int64_t kMatmulWork = 1 << 17;

bool plain(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

}  // namespace

bool onednn_sgemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
                  int64_t b_row, int64_t b_col, float* c, int64_t ldc, float alpha, float beta, const float* bias) {
  if (m * n * k < kSgemmWork || !plain(m, k, a_row, a_col) || !plain(k, n, b_row, b_col)) return false;
  if (bias) {
    parallel_for(0, m, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        float* row = c + i * ldc;
        if (beta == 0)
          std::copy(bias, bias + n, row);
        else
          for (int64_t j = 0; j < n; j++) row[j] = beta * row[j] + bias[j];
      }
    });
    beta = 1;
  }
  onednn::stream();
  const bool at = a_col != 1, bt = b_col != 1;
  return dnnl_sgemm(at ? 'T' : 'N', bt ? 'T' : 'N', m, n, k, alpha, a, at ? a_col : a_row, b, bt ? b_col : b_row, beta,
                    c, ldc) == dnnl_success;
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
