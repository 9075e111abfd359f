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

// Where planes are too few to lie side by side, or windows are wide: line by line.
bool by_lines(int64_t planes, const PoolWindows& p, int64_t wide) { return planes < 16 || p.w.kernel >= wide; }

// The lines that a row of results sees are added up, then each window of their sum.
template <class T>
void forward_lines(const PoolWindows& p, const Divisors& divide, int64_t planes, const T* x, T* y) {
  using C = PoolCompute<T>;
  const int64_t rows = p.d.out * p.h.out, width = p.w.in;
  parallel_for(0, planes * rows, rows_grain(p.d.kernel * p.h.kernel * width), [&](int64_t begin, int64_t end) {
    Scratch memory(width * sizeof(C));
    C* const sums = memory.as<C>();
    for (int64_t r = begin; r < end; r++) {
      const int64_t od = r % rows / p.h.out, oh = r % p.h.out;
      const T* in = x + r / rows * p.in_space();
      std::fill_n(sums, width, C(0));
      p.rows(od, oh, [&](int64_t, int64_t, int64_t row) {
        const T* line = in + row * width;
#pragma omp simd
        for (int64_t i = 0; i < width; i++) sums[i] += C(line[i]);
      });
      T* out = y + r * p.w.out;
      for (int64_t ow = 0; ow < p.w.out; ow++) {
        const C* first = sums + p.w.first[ow];
        C total = 0;
        if (p.w.kernel < 16) {
          for (int64_t k = p.w.k0[ow]; k < p.w.k1[ow]; k++) total += first[k];
        } else {
#pragma omp simd reduction(+ : total)
          for (int64_t k = p.w.k0[ow]; k < p.w.k1[ow]; k++) total += first[k];
        }
        out[ow] = T(total / C(divide(od, oh, ow)));
      }
    }
  });
}

// A row of gradients collects from the rows of windows it is in, and then along itself.
template <class T, class C>
void backward_lines(const PoolWindows& p, const C* inverse, int64_t planes, const T* gy, T* gx) {
  const int64_t rows = p.d.in * p.h.in, width = p.w.in, windows = p.w.out;
  parallel_for(0, planes * rows, rows_grain(width), [&](int64_t begin, int64_t end) {
    Scratch shares(windows * sizeof(C)), line(width * sizeof(C));
    C *const share = shares.as<C>(), *const sums = line.as<C>();
    for (int64_t r = begin; r < end; r++) {
      const T* g = gy + r / rows * p.out_space();
      std::fill_n(share, windows, C(0));
      p.window_rows_of(r % rows / p.h.in, r % p.h.in, [&](int64_t row) {
        const T* from = g + row * windows;
        const C* by = inverse + row * windows;
#pragma omp simd
        for (int64_t i = 0; i < windows; i++) share[i] += C(from[i]) * by[i];
      });
      std::fill_n(sums, width, C(0));
      for (int64_t ow = 0; ow < windows; ow++) {
        const C v = share[ow];
        C* first = sums + p.w.first[ow];
        for (int64_t k = p.w.k0[ow]; k < p.w.k1[ow]; k++) first[k] += v;
      }
      T* out = gx + r * width;
      for (int64_t i = 0; i < width; i++) out[i] = T(sums[i]);
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
  } else if (by_lines(s.batch * s.channels, p, 6)) {
    forward_lines(p, divide, s.batch * s.channels, x, y);
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
  if (by_lines(s.batch * s.channels, p, 12)) return backward_lines(p, inverse.data(), s.batch * s.channels, gy, gx);
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
