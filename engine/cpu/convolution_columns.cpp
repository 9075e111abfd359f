#include "cpu/convolution_columns.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/gemm.h"

namespace lampas::cpu {
namespace {

// A convolution with exactly three dimensions of space, one group's worth of channels.
struct Unfold {
  int64_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
  int64_t channels, positions, in_space, out_space;

  explicit Unfold(const ConvShape& s) : channels(s.in_channels / s.groups), positions(1), in_space(1), out_space(1) {
    for (int d = 0; d < 3; d++) {
      const int from = d - (3 - s.rank);
      const bool real = from >= 0;
      in[d] = real ? s.in[from] : 1, out[d] = real ? s.out[from] : 1, kernel[d] = real ? s.kernel[from] : 1;
      stride[d] = real ? s.stride[from] : 1, pad[d] = real ? s.pad_l[from] : 0,
      dilation[d] = real ? s.dilation[from] : 1;
      positions *= kernel[d], in_space *= in[d], out_space *= out[d];
    }
  }
  int64_t rows() const { return channels * positions; }
  bool trivial() const {  // the columns are the input
    for (int d = 0; d < 3; d++)
      if (kernel[d] != 1 || stride[d] != 1 || pad[d] != 0 || in[d] != out[d]) return false;
    return true;
  }

  // Calls f(place in the plane, place in the column row, count) for each run along the width that lies inside the
  // plane, and gap(place in the column row, count) for what lies outside. Row `r` is a channel and a kernel position.
  template <class F, class G>
  void row(int64_t r, F f, G gap) const {
    const int64_t kw = r % kernel[2], kh = r / kernel[2] % kernel[1], kd = r / (kernel[2] * kernel[1]) % kernel[0];
    const int64_t first = kw * dilation[2] - pad[2];
    const int64_t w0 = std::clamp<int64_t>(first >= 0 ? 0 : (-first + stride[2] - 1) / stride[2], 0, out[2]);
    const int64_t w1 = std::clamp<int64_t>(in[2] - first <= 0 ? 0 : (in[2] - first - 1) / stride[2] + 1, w0, out[2]);
    for (int64_t d = 0, o = 0; d < out[0]; d++) {
      const int64_t id = d * stride[0] + kd * dilation[0] - pad[0];
      for (int64_t h = 0; h < out[1]; h++, o += out[2]) {
        const int64_t ih = h * stride[1] + kh * dilation[1] - pad[1];
        if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1] || w0 == w1) {
          gap(o, out[2]);
          continue;
        }
        if (w0 > 0) gap(o, w0);
        f((id * in[1] + ih) * in[2] + first + w0 * stride[2], o + w0, w1 - w0);
        if (w1 < out[2]) gap(o + w1, out[2] - w1);
      }
    }
  }
};

template <class T>
void unfold(const Unfold& u, const T* x, T* columns) {
  const int64_t step = u.stride[2];
  parallel_for(0, u.rows(), std::max<int64_t>(1, kGrain / u.out_space), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const T* plane = x + r / u.positions * u.in_space;
      T* out = columns + r * u.out_space;
      u.row(
          r,
          [&](int64_t from, int64_t to, int64_t n) {
            for (int64_t i = 0; i < n; i++) out[to + i] = plane[from + i * step];
          },
          [&](int64_t to, int64_t n) { std::fill_n(out + to, n, T(0)); });
    }
  });
}

template <class T>
void fold(const Unfold& u, const T* columns, T* x) {
  const int64_t step = u.stride[2];
  parallel_for(0, u.channels, std::max<int64_t>(1, kGrain / (u.positions * u.out_space)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin * u.positions; r < end * u.positions; r++) {
                   T* plane = x + r / u.positions * u.in_space;
                   const T* in = columns + r * u.out_space;
                   if (r % u.positions == 0) std::fill_n(plane, u.in_space, T(0));
                   u.row(
                       r,
                       [&](int64_t from, int64_t to, int64_t n) {
                         for (int64_t i = 0; i < n; i++) plane[from + i * step] += in[to + i];
                       },
                       [](int64_t, int64_t) {});
                 }
               });
}

// f(image and group index, group) for every image and group.
template <class F>
void each_image(const ConvShape& s, F f) {
  for (int64_t n = 0; n < s.batch; n++)
    for (int64_t g = 0; g < s.groups; g++) f(n * s.groups + g, g);
}

}  // namespace

template <class T>
void columns_forward(const ConvShape& s, const T* x, const T* w, T* y) {
  const Unfold u(s);
  const int64_t k = u.rows(), oc = s.out_channels / s.groups;
  Scratch memory(u.trivial() ? 0 : k * u.out_space * sizeof(T));
  each_image(s, [&](int64_t image, int64_t g) {
    const T* columns = x + image * u.channels * u.in_space;
    if (!u.trivial()) {
      unfold(u, columns, memory.as<T>());
      columns = memory.as<T>();
    }
    gemm<T>(
        {oc, u.out_space, k, w + g * oc * k, k, 1, columns, u.out_space, 1, y + image * oc * u.out_space, u.out_space});
  });
}

template <class T>
void columns_backward_data(const ConvShape& s, const T* gy, const T* w, T* gx) {
  const Unfold u(s);
  const int64_t k = u.rows(), oc = s.out_channels / s.groups;
  Scratch memory(u.trivial() ? 0 : k * u.out_space * sizeof(T));
  each_image(s, [&](int64_t image, int64_t g) {
    T* out = gx + image * u.channels * u.in_space;
    T* columns = u.trivial() ? out : memory.as<T>();
    gemm<T>({k, u.out_space, oc, w + g * oc * k, 1, k, gy + image * oc * u.out_space, u.out_space, 1, columns,
             u.out_space});
    if (!u.trivial()) fold(u, columns, out);
  });
}

template <class T>
void columns_backward_weights(const ConvShape& s, const T* x, const T* gy, T* gw) {
  const Unfold u(s);
  const int64_t k = u.rows(), oc = s.out_channels / s.groups;
  Scratch memory(u.trivial() ? 0 : k * u.out_space * sizeof(T));
  each_image(s, [&](int64_t image, int64_t g) {
    const T* columns = x + image * u.channels * u.in_space;
    if (!u.trivial()) {
      unfold(u, columns, memory.as<T>());
      columns = memory.as<T>();
    }
    gemm<T>({oc, k, u.out_space, gy + image * oc * u.out_space, u.out_space, 1, columns, 1, u.out_space,
             gw + g * oc * k, k, T(1), image < s.groups ? T(0) : T(1)});
  });
}

#define LAMPAS_COLUMNS(T)                                                           \
  template void columns_forward<T>(const ConvShape&, const T*, const T*, T*);       \
  template void columns_backward_data<T>(const ConvShape&, const T*, const T*, T*); \
  template void columns_backward_weights<T>(const ConvShape&, const T*, const T*, T*);
LAMPAS_COLUMNS(float)
LAMPAS_COLUMNS(double)
#undef LAMPAS_COLUMNS

}  // namespace lampas::cpu
