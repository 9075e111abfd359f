#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/pool.h"
#include "cpu/pool_windows.h"

namespace lampas::cpu {
namespace {

constexpr int64_t kChunk = 256;

// What the sum over window (od, oh, ow) is divided by.
struct Divisors {
  const PoolWindows& p;
  bool include_pad;
  int64_t fixed;
  double operator()(int64_t od, int64_t oh, int64_t ow) const {
    if (fixed) return double(fixed);
    auto length = [&](const PoolAxis& a, int64_t o) { return include_pad ? a.span[o] : a.k1[o] - a.k0[o]; };
    return double(length(p.d, od) * length(p.h, oh) * length(p.w, ow));
  }
};

int64_t rows_grain(int64_t work_per_row) {
  return std::max<int64_t>(1, kGrain / 2 / std::max<int64_t>(1, work_per_row));
}

// Rows [begin, end) of the results of all images, channels last.
template <class T>
void forward_rows(const PoolWindows& p, const Divisors& divide, int64_t channels, int64_t begin, int64_t end,
                  const T* x, T* y) {
  using C = PoolCompute<T>;
  C sums[kChunk];
  const int64_t rows = p.d.out * p.h.out;
  for (int64_t r = begin; r < end; r++) {
    const int64_t od = r % rows / p.h.out, oh = r % p.h.out;
    const T* in = x + r / rows * p.in_space() * channels;
    for (int64_t ow = 0; ow < p.w.out; ow++) {
      const C by = C(divide(od, oh, ow));
      for (int64_t c0 = 0; c0 < channels; c0 += kChunk) {
        const int64_t n = std::min(kChunk, channels - c0);
        std::fill_n(sums, n, C(0));
        p.rows(od, oh, [&](int64_t, int64_t, int64_t row) {
          for (int64_t kw = p.w.k0[ow]; kw < p.w.k1[ow]; kw++) {
            const T* line = in + (row * p.w.in + p.w.first[ow] + kw * p.w.step) * channels + c0;
#pragma omp simd
            for (int64_t c = 0; c < n; c++) sums[c] += C(line[c]);
          }
        });
        T* out = y + (r * p.w.out + ow) * channels + c0;
        for (int64_t c = 0; c < n; c++) out[c] = T(sums[c] / by);
      }
    }
  }
}

// Rows [begin, end) of the inputs' gradients, channels last. Each place collects from the windows it is in, so that no
// two threads write the same one.
template <class T, class C>
void backward_rows(const PoolWindows& p, const C* inverse, int64_t channels, int64_t begin, int64_t end, const T* gy,
                   T* gx) {
  C sums[kChunk];
  const int64_t rows = p.d.in * p.h.in, out_space = p.out_space();
  for (int64_t r = begin; r < end; r++) {
    const int64_t n = r / rows, id = r % rows / p.h.in, ih = r % p.h.in;
    for (int64_t iw = 0; iw < p.w.in; iw++)
      for (int64_t c0 = 0; c0 < channels; c0 += kChunk) {
        const int64_t count = std::min(kChunk, channels - c0);
        std::fill_n(sums, count, C(0));
        p.windows_of(id, ih, iw, [&](int64_t o, int64_t) {
          const T* g = gy + (n * out_space + o) * channels + c0;
          const C by = inverse[o];
#pragma omp simd
          for (int64_t c = 0; c < count; c++) sums[c] += C(g[c]) * by;
        });
        T* out = gx + (r * p.w.in + iw) * channels + c0;
        for (int64_t c = 0; c < count; c++) out[c] = T(sums[c]);
      }
  }
}

// Plain planes whose windows are wide: each window's lines are summed where they lie.
template <class T>
void forward_wide(const PoolWindows& p, const Divisors& divide, int64_t planes, const T* x, T* y) {
  using C = PoolCompute<T>;
  parallel_for(0, planes, rows_grain(p.out_space() * p.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * p.out_space(); i < end * p.out_space(); i++) {
      const int64_t ow = i % p.w.out, oh = i / p.w.out % p.h.out, od = i / (p.w.out * p.h.out) % p.d.out;
      const T* in = x + i / p.out_space() * p.in_space();
      C total = 0;
      p.rows(od, oh, [&](int64_t, int64_t, int64_t row) {
        const T* line = in + row * p.w.in + p.w.first[ow];
        C sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = p.w.k0[ow]; k < p.w.k1[ow]; k++) sum += C(line[k]);
        total += sum;
      });
      y[i] = T(total / C(divide(od, oh, ow)));
    }
  });
}

}  // namespace

template <class T>
void avg_pool_forward(const PoolShape& s, Order order, bool count_include_pad, int64_t divisor, const T* x, T* y) {
  if (s.batch == 0 || s.channels == 0) return;
  const PoolWindows p(s);
  const Divisors divide{p, count_include_pad, divisor};
  const int64_t rows = p.d.out * p.h.out, in_space = p.in_space(), out_space = p.out_space();
  if (order == Order::ChannelsLast) {
    parallel_for(0, s.batch * rows, rows_grain(p.w.out * p.size() * s.channels / 8),
                 [&](int64_t begin, int64_t end) { forward_rows(p, divide, s.channels, begin, end, x, y); });
  } else if (p.w.kernel >= 6 && p.w.step == 1) {
    forward_wide(p, divide, s.batch * s.channels, x, y);
  } else {
    plane_blocks(s.batch * s.channels, in_space, sizeof(T), [&](int64_t plane, int64_t count) {
      Scratch in(in_space * count * sizeof(T)), out(out_space * count * sizeof(T));
      transpose_batches(1, count, in_space, sizeof(T), x + plane * in_space, in.as<T>());
      forward_rows(p, divide, count, 0, rows, in.as<T>(), out.as<T>());
      transpose_batches(1, out_space, count, sizeof(T), out.as<T>(), y + plane * out_space);
    });
  }
}

template <class T>
void avg_pool_backward(const PoolShape& s, Order order, bool count_include_pad, int64_t divisor, const T* gy, T* gx) {
  using C = PoolCompute<T>;
  if (s.batch == 0 || s.channels == 0) return;
  const PoolWindows p(s, true);
  const Divisors divide{p, count_include_pad, divisor};
  const int64_t rows = p.d.in * p.h.in, in_space = p.in_space(), out_space = p.out_space();
  std::vector<C> inverse(out_space);
  for (int64_t od = 0, o = 0; od < p.d.out; od++)
    for (int64_t oh = 0; oh < p.h.out; oh++)
      for (int64_t ow = 0; ow < p.w.out; ow++) inverse[o++] = C(1 / divide(od, oh, ow));
  if (order == Order::ChannelsLast) {
    parallel_for(0, s.batch * rows, rows_grain(p.w.in * s.channels),
                 [&](int64_t begin, int64_t end) { backward_rows(p, inverse.data(), s.channels, begin, end, gy, gx); });
    return;
  }
  plane_blocks(s.batch * s.channels, in_space, sizeof(T), [&](int64_t plane, int64_t count) {
    Scratch out(out_space * count * sizeof(T)), in(in_space * count * sizeof(T));
    transpose_batches(1, count, out_space, sizeof(T), gy + plane * out_space, out.as<T>());
    backward_rows(p, inverse.data(), count, 0, rows, out.as<T>(), in.as<T>());
    transpose_batches(1, in_space, count, sizeof(T), in.as<T>(), gx + plane * in_space);
  });
}

#define LAMPAS_AVG_POOL(T)                                                                 \
  template void avg_pool_forward<T>(const PoolShape&, Order, bool, int64_t, const T*, T*); \
  template void avg_pool_backward<T>(const PoolShape&, Order, bool, int64_t, const T*, T*);
LAMPAS_AVG_POOL(float)
LAMPAS_AVG_POOL(double)
LAMPAS_AVG_POOL(BFloat16)
LAMPAS_AVG_POOL(Half)
#undef LAMPAS_AVG_POOL

}  // namespace lampas::cpu
