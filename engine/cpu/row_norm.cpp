// Layer norm and RMS norm.
#include <algorithm>
#include <cmath>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/norm.h"
#include "cpu/widen.h"

namespace lampas::cpu {
namespace {

constexpr int64_t kRun = 4096;  // values summed in the compute type; runs are added in double

template <class C>
C row_mean(int64_t n, const C* __restrict x) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kRun) {
    C sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = i; j < std::min(n, i + kRun); j++) sum += x[j];
    total += sum;
  }
  return C(total / double(n));
}

template <class C>
double row_squares(int64_t n, const C* __restrict x, C mean) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kRun) {
    const int64_t end = std::min(n, i + kRun);
    C sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = i; j < end; j++) sum += (x[j] - mean) * (x[j] - mean);
    total += sum;
  }
  return total;
}

int64_t grain(int64_t n) { return std::max<int64_t>(1, kGrain / 2 / std::max<int64_t>(1, n)); }

}  // namespace

template <class T>
void row_norm_forward(int64_t rows, int64_t n, const T* x, const Compute<T>* weight, const Compute<T>* bias, double eps,
                      T* y, Compute<T>* mean, Compute<T>* rstd) {
  using C = Compute<T>;
  if (n == 0) return;
  parallel_for(0, rows, grain(n), [&](int64_t begin, int64_t end) {
    Scratch memory(2 * n * sizeof(C));
    for (int64_t r = begin; r < end; r++) {
      const C* v = widened(x + r * n, n, memory.as<C>());
      C* out = write_place(y + r * n, memory.as<C>() + n);
      const C m = mean ? row_mean(n, v) : C(0);
      const C scale = C(1 / std::sqrt(row_squares(n, v, m) / double(n) + eps));
      if (mean) mean[r] = m;
      if (rstd) rstd[r] = scale;
      const C* w = weight;
      const C* b = bias;
      auto write = [&](auto value) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) out[i] = value(i);
      };
      if (w && b)
        write([=](int64_t i) { return (v[i] - m) * scale * w[i] + b[i]; });
      else if (w)
        write([=](int64_t i) { return (v[i] - m) * scale * w[i]; });
      else if (b)
        write([=](int64_t i) { return (v[i] - m) * scale + b[i]; });
      else
        write([=](int64_t i) { return (v[i] - m) * scale; });
      narrow_back(out, n, y + r * n);
    }
  });
}

template <class T>
void row_norm_backward(int64_t rows, int64_t n, const T* gy, const T* x, const Compute<T>* weight,
                       const Compute<T>* mean, const Compute<T>* rstd, T* gx, Compute<T>* gweight, Compute<T>* gbias) {
  using C = Compute<T>;
  if (rows == 0 || n == 0) {
    if (gweight) std::fill_n(gweight, n, C(0));
    if (gbias) std::fill_n(gbias, n, C(0));
    return;
  }
  // The rows in parts, as many whatever the number of threads; each sums its own weight gradients.
  const int64_t parts = std::clamp<int64_t>(rows / 32, 1, 32), per_part = (rows + parts - 1) / parts;
  Scratch memory((2 * parts + 1) * n * sizeof(C));
  C* const sums = memory.as<C>();
  C* const ones = sums + 2 * parts * n;
  if (!weight) std::fill_n(ones, n, C(1));
  parallel_for(0, parts, std::max<int64_t>(1, grain(n) / per_part), [&](int64_t begin, int64_t end) {
    Scratch rows_memory(3 * n * sizeof(C));
    C* const buffer = rows_memory.as<C>();
    const C* __restrict w = weight ? weight : ones;
    for (int64_t part = begin; part < end; part++) {
      C* __restrict gw = sums + 2 * part * n;
      C* __restrict gb = gw + n;
      std::fill_n(gw, 2 * n, C(0));
      for (int64_t r = part * per_part; r < std::min(rows, (part + 1) * per_part); r++) {
        const C* __restrict g = widened(gy + r * n, n, buffer);
        const C* __restrict v = widened(x + r * n, n, buffer + n);
        const C m = mean ? mean[r] : C(0), scale = rstd[r];
        double sum = 0, product = 0;
        for (int64_t i0 = 0; i0 < n; i0 += kRun) {
          const int64_t i1 = std::min(n, i0 + kRun);
          C a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
          for (int64_t i = i0; i < i1; i++) {
            const C weighted = g[i] * w[i], centered = v[i] - m;
            gw[i] += g[i] * (centered * scale);
            gb[i] += g[i];
            a += weighted;
            b += weighted * centered;
          }
          sum += a, product += b;
        }
        if (!gx) continue;
        const double s = double(scale);
        const C d = mean ? C(-sum / double(n) * s) : C(0), b = C(-product / double(n) * s * s * s);
        C* out = write_place(gx + r * n, buffer + 2 * n);  // gx may be gy
#pragma omp simd
        for (int64_t i = 0; i < n; i++) out[i] = g[i] * w[i] * scale + (v[i] - m) * b + d;
        narrow_back(out, n, gx + r * n);
      }
    }
  });
  for (int64_t i = 0; i < n && (gweight || gbias); i++) {
    double a = 0, b = 0;
    for (int64_t part = 0; part < parts; part++) a += sums[2 * part * n + i], b += sums[(2 * part + 1) * n + i];
    if (gweight) gweight[i] = C(a);
    if (gbias) gbias[i] = C(b);
  }
}

#define LAMPAS_ROW_NORM(T)                                                                                        \
  template void row_norm_forward<T>(int64_t, int64_t, const T*, const Compute<T>*, const Compute<T>*, double, T*, \
                                    Compute<T>*, Compute<T>*);                                                    \
  template void row_norm_backward<T>(int64_t, int64_t, const T*, const T*, const Compute<T>*, const Compute<T>*,  \
                                     const Compute<T>*, T*, Compute<T>*, Compute<T>*);
LAMPAS_ROW_NORM(float)
LAMPAS_ROW_NORM(double)
LAMPAS_ROW_NORM(BFloat16)
LAMPAS_ROW_NORM(Half)
#undef LAMPAS_ROW_NORM

}  // namespace lampas::cpu
